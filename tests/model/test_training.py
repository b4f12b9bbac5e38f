"""Which variables count as the leading ones: a score's contribution shared out by hand."""

from types import SimpleNamespace

import numpy as np

from pipeline.model.patients import Patients
from pipeline.model.training import _leading

SOURCES = ["ldh", "age", "sex", "s_easix"]
PLAN = SimpleNamespace(
    sources=SOURCES,
    scores=[SimpleNamespace(name="s_easix", variables=["ldh", "platelets"])],
    facts=None,
)

NONE, NO_COLUMN = np.zeros((2, 1)), np.zeros(4, bool)
TWO = Patients(np.zeros((2, 4)), NONE, NONE, NONE, None, None, (0,) * 4, NO_COLUMN, NO_COLUMN, {})


def model_with(sizes, fitted=True):
    """Two patients and one outcome; signs differ, and the last part is the prior's."""
    parts = np.array([[*sizes, 9.0], [*(-size for size in sizes), 9.0]])[:, :, None]
    return SimpleNamespace(
        heads=[SimpleNamespace(deviation="f" if fitted else None)],
        contributions=lambda *_: (None, parts),
    )


def leading(sizes, count, fitted=True):
    return _leading(model_with(sizes, fitted), TWO, PLAN, count)


def test_a_scores_contribution_is_shared_out_to_its_variables():
    # LDH 0.1 + 0.8 / 2 = 0.5, age 0.45, platelets 0.8 / 2 = 0.4 though no column of their own.
    assert leading([0.1, 0.45, 0.0, 0.8], 5) == ["ldh", "age", "platelets"]
    assert leading([0.1, 0.45, 0.0, 0.8], 2) == ["ldh", "age"]
    assert leading([0.1, 0.55, 0.0, 0.8], 2) == ["age", "ldh"]


def test_what_contributes_nothing_does_not_lead():
    assert leading([0.0, 0.2, 0.0, 0.0], 5) == ["age"]
    assert leading([0.3, 0.2, 0.1, 0.1], 5, fitted=False) == []
