"""Small cells: which counts may be given, and which would let a hidden one be worked out."""

from __future__ import annotations

import numpy as np


def hidden_groups(n: np.ndarray, events: np.ndarray, minimum: int) -> np.ndarray:
    """Choose the groups whose number of events is not given.

    A group is hidden where its events or its patients without the event are fewer than
    ``minimum``; where one of two nested outcomes leaves so few between them (the patients of
    exactly one grade), it is hidden for the rarer one. Totals are known, so what is hidden
    together is known too: the smallest other groups join until there are two at least, and
    together they hold no small cell.

    Parameters
    ----------
    n : ndarray of int, shape (groups,)
        Patients; the groups divide the cohort.
    events : ndarray of int, shape (outcomes, groups)
        Nested outcomes in any order: those with more events include those with fewer. A
        single outcome is one row.
    minimum : int

    Returns
    -------
    ndarray of bool, shape (outcomes, groups)
    """
    few = hidden_sizes(n, minimum)
    hidden = np.zeros(events.shape, dtype=bool)
    common_first = np.argsort(-events.sum(axis=1), kind="stable")
    for place, k in enumerate(common_first):
        cells = np.stack([events[k], n - events[k]])
        small = few | (cells < minimum).any(axis=0)
        between = [events[j] - events[k] for j in common_first[:place]]
        for j, left in zip(common_first[:place], between, strict=True):
            small |= ~hidden[j] & (left > 0) & (left < minimum)
        hidden[k] = _with_complement(small, np.stack([*cells, *between]), minimum)
    return hidden


def hidden_sizes(n: np.ndarray, minimum: int) -> np.ndarray:
    """Choose the groups whose very size is not given; shape (groups,)."""
    return _with_complement(n < minimum, n[None, :], minimum)


def unless_small(count: int, minimum: int) -> int | None:
    """Return a count that may be shown: none at all, or at least ``minimum``."""
    return count if count == 0 or count >= minimum else None


def pooled_name(minimum: int) -> str:
    """Name together what has fewer than ``minimum`` patients: its own name could point to one."""
    return f"others (levels of fewer than {minimum} patients)"


def in_whole_patients(values: np.ndarray, n: int) -> np.ndarray:
    """Round net benefit, in patients of a cohort of ``n``, to whole patients.

    ``TP - FP t / (1 - t)`` given to the last digit has few solutions in whole numbers, and small
    counts of alerts could be worked out. Rounded, it agrees with every small number of either.
    """
    return np.round(values * n) / n


def suppressed(minimum: int) -> str:
    """Say why a figure is not shown."""
    return f"fewer than {minimum} patients in a cell"


def _with_complement(hidden: np.ndarray, cells: np.ndarray, minimum: int) -> np.ndarray:
    """Hide more groups, until what is hidden follows from no total; cells of shape (c, groups)."""
    hidden = hidden.copy()
    smallest = cells[:2].min(axis=0)
    while hidden.any() and not hidden.all():
        together = cells[:, hidden].sum(axis=1)
        small = (together[:2] < minimum).any() or ((together > 0) & (together < minimum)).any()
        if hidden.sum() > 1 and not small:
            break
        hidden[np.argmin(np.where(hidden, np.inf, smallest))] = True
    return hidden
