from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.card.small_run import make_run


@pytest.fixture(scope="session")
def run() -> SimpleNamespace:
    """A synthetic cohort large enough for all figures."""
    return make_run(600, synthetic=True, fitted=True)


@pytest.fixture(scope="session")
def tiny() -> SimpleNamespace:
    """A real cohort in which nothing was fitted."""
    return make_run(48, synthetic=False, fitted=False)
