"""Inner cross-validation: which setting of a learner to take, and its out-of-fold margins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Tuned:
    """The chosen setting of a learner.

    Attributes
    ----------
    setting : object
        One of the options.
    margin : ndarray, shape (n,)
        Out-of-fold deviations in log-odds at that setting.
    log_loss : float
        Its mean out-of-fold log-loss.
    """

    setting: Any
    margin: np.ndarray
    log_loss: float


def inner_folds(y: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Assign each patient to an inner fold, events spread evenly, shape (n,)."""
    rng = np.random.default_rng(seed)
    assigned = np.empty(len(y), dtype=int)
    start = 0
    for value in (1, 0):
        members = rng.permutation(np.flatnonzero(y == value))
        assigned[members] = (start + np.arange(len(members))) % folds
        start += len(members)
    return assigned


def log_losses(y: np.ndarray, log_odds: np.ndarray) -> np.ndarray:
    """Log-loss of each patient, from log-odds; broadcasts."""
    return np.logaddexp(0.0, log_odds) - y * log_odds


def choose(
    options: list[Any],
    margins: np.ndarray,
    y: np.ndarray,
    offset: np.ndarray,
    one_standard_error: bool,
) -> Tuned:
    """Take the option with the least out-of-fold log-loss.

    Parameters
    ----------
    options : list
        Simplest first.
    margins : ndarray, shape (options, n)
        Out-of-fold deviations of each option.
    one_standard_error : bool
        Take instead the simplest option whose log-loss exceeds the least by at most one
        standard error of the paired difference.
    """
    losses = log_losses(y, offset + margins)
    means = losses.mean(axis=1)
    best = int(np.argmin(means))
    chosen = best
    if one_standard_error:
        excess = losses - losses[best]
        error = excess.std(axis=1, ddof=1) / np.sqrt(len(y))
        chosen = int(np.flatnonzero(excess.mean(axis=1) <= error)[0])
    return Tuned(options[chosen], margins[chosen], float(means[chosen]))
