"""Overall performance: Brier score, scaled Brier score and log-loss."""

from __future__ import annotations

import numpy as np

# Log-odds of a risk of exactly 0 or 1 are infinite. For figures on the log scale risks are
# taken no closer to 0 or 1 than this; `evaluate` counts the risks that were moved.
SMALLEST_RISK = 1e-6


def clipped(risk: np.ndarray) -> np.ndarray:
    """Keep risks away from 0 and 1 by `SMALLEST_RISK`, for figures on the log scale."""
    return np.clip(risk, SMALLEST_RISK, 1 - SMALLEST_RISK)


def log_odds(risk: np.ndarray) -> np.ndarray:
    """Return the log-odds of risks, clipped as in `clipped`."""
    p = clipped(risk)
    return np.log(p) - np.log1p(-p)


def log_loss(observed: np.ndarray, risk: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean negative log-likelihood per patient, in nats.

    Parameters
    ----------
    observed : ndarray, shape (n,)
        Outcome, 0 or 1; a true risk between them gives the expected log-loss.
    risk : ndarray, shape (n,)
    weights : ndarray, shape (B, n)

    Returns
    -------
    ndarray, shape (B,)
    """
    p = clipped(risk)
    loss = -(observed * np.log(p) + (1 - observed) * np.log1p(-p))
    return weighted_mean(loss, weights)


def brier(observed: np.ndarray, risk: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean squared difference of outcome and risk; shapes as in `log_loss`."""
    return weighted_mean((risk - observed) ** 2, weights)


def scaled_brier(observed: np.ndarray, risk: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return 1 - Brier / Brier of the prevalence: 1 is perfect, 0 no better than prevalence.

    Shapes as in `log_loss`; NaN in replicates of one class.

    References
    ----------
    Steyerberg EW et al. Epidemiology 2010;21:128.
    """
    prevalence = weighted_mean(observed, weights)
    reference = prevalence * (1 - prevalence)
    share = np.full(len(weights), np.nan)
    np.divide(brier(observed, risk, weights), reference, out=share, where=reference > 1e-12)
    return 1 - share


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean of values, shape (n,) or (n, k), under each row of weights."""
    total = weights.sum(axis=1)
    return (weights @ values) / (total if values.ndim == 1 else total[:, None])
