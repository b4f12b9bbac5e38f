"""Inner cross-validation: how well each setting of a learner predicts out of fold."""

from __future__ import annotations

import numpy as np

from pipeline.model.linked_rows import deal_groups

_BAYESIAN_BOOTSTRAP = 500


def inner_folds(
    reached: np.ndarray, folds: int, seed: int, together: np.ndarray | None = None
) -> np.ndarray:
    """Assign each patient to an inner fold, shape (n,).

    Parameters
    ----------
    reached : ndarray, shape (n,)
        Number of the nested outcomes that the patient reached: each is spread evenly.
    folds, seed : int
    together : ndarray, shape (n,), optional
        Rows of the same value stay in one fold, as `Patients.together` finds them.
    """
    rng = np.random.default_rng(seed)
    if together is not None:
        codes = np.unique(together, return_inverse=True)[1]
        if codes.max() + 1 < len(codes):
            return deal_groups(np.unique(reached, return_inverse=True)[1], codes, folds, rng)
    assigned = np.empty(len(reached), dtype=int)
    start = 0
    for value in np.unique(reached)[::-1]:
        members = rng.permutation(np.flatnonzero(reached == value))
        assigned[members] = (start + np.arange(len(members))) % folds
        start += len(members)
    return assigned


def log_losses(y: np.ndarray, log_odds: np.ndarray) -> np.ndarray:
    """Log-loss of each patient, from log-odds; broadcasts."""
    return np.logaddexp(0.0, log_odds) - y * log_odds


def losses_of(margins: np.ndarray, Y: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Out-of-fold log-loss of each setting and patient, averaged over outcomes.

    Parameters
    ----------
    margins : ndarray, shape (settings, n, outcomes)
        Out-of-fold deviations, with each outcome's intercept.
    Y, offset : ndarray, shape (n, outcomes)

    Returns
    -------
    ndarray, shape (settings, n)
    """
    return log_losses(Y, offset + margins).mean(axis=2)


def averaging_weights(losses: np.ndarray, seed: int) -> np.ndarray:
    """Weigh settings by how well they predict, allowing for chance: shape (settings,).

    The least loss is often least by luck, and the setting that has it then shrinks too little
    or too much. Each setting counts instead with its share of the expected out-of-fold
    likelihood, averaged over random weights of the patients.

    Parameters
    ----------
    losses : ndarray, shape (settings, n)

    References
    ----------
    Pseudo-BMA+ weights: Yao Y et al. Bayesian Analysis 2018;13:917, section 3.4.
    """
    n = losses.shape[1]
    drawn = np.random.default_rng(seed).dirichlet(np.ones(n), _BAYESIAN_BOOTSTRAP)
    score = -n * (drawn @ losses.T)
    likelihood = np.exp(score - score.max(axis=1, keepdims=True))
    return np.asarray((likelihood / likelihood.sum(axis=1, keepdims=True)).mean(axis=0))
