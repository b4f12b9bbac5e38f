"""Fits on one thread: the same data and seed give the same bits, however busy the machine.

Threads add up what they share out in the order in which they happen to end. Small cohorts are
fitted no slower by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold the numerical libraries to one thread; also a decorator."""
    # Only what is loaded can be held: a fit would load these within.
    import glum  # noqa: F401
    import lightgbm  # noqa: F401

    with threadpool_limits(1):
        yield
