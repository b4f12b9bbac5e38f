"""How far the learned deviation is trusted: ``logit(risk) = prior + a + b f``."""

from __future__ import annotations

import numpy as np


def fit_deviation(
    y: np.ndarray,
    offset: np.ndarray,
    f: np.ndarray | None,
    intercept_sd: float,
    slope_mean: float,
    slope_sd: float,
) -> tuple[float, float]:
    """Fit intercept and slope of the deviation by penalised likelihood.

    Parameters
    ----------
    y : ndarray of 0/1, shape (n,)
    offset : ndarray, shape (n,)
        Prior log-odds.
    f : ndarray, shape (n,), or None
        Out-of-fold deviations in log-odds; None fits the intercept alone.
    intercept_sd, slope_mean, slope_sd : float
        Normal beliefs ``a ~ N(0, intercept_sd)``, ``b ~ N(slope_mean, slope_sd)``.

    Returns
    -------
    a, b : float
        ``b`` is at least 0: on small cohorts a free slope turns negative and reverses the
        ranking. Without ``f``, ``b`` is 0.

    Notes
    -----
    The objective is convex; the bound is met by refitting ``a`` with ``b = 0``.
    """
    belief = np.array([0.0, slope_mean])
    precision = np.array([intercept_sd, slope_sd]) ** -2.0
    if f is None:
        return float(_newton(y, offset, np.ones((len(y), 1)), belief[:1], precision[:1])[0]), 0.0
    X = np.column_stack([np.ones(len(y)), f])
    a, b = _newton(y, offset, X, belief, precision)
    if b < 0:
        return fit_deviation(y, offset, None, intercept_sd, slope_mean, slope_sd)
    return float(a), float(b)


def _newton(
    y: np.ndarray,
    offset: np.ndarray,
    X: np.ndarray,
    belief: np.ndarray,
    precision: np.ndarray,
) -> np.ndarray:
    """Maximise the penalised log-likelihood by Newton steps that never go downhill."""

    def loss(beta: np.ndarray) -> float:
        eta = offset + X @ beta
        fit = np.sum(np.logaddexp(0.0, eta) - y * eta)
        return float(fit + 0.5 * np.sum(precision * (beta - belief) ** 2))

    beta = belief.copy()
    current = loss(beta)
    for _ in range(100):
        risk = 1.0 / (1.0 + np.exp(-np.clip(offset + X @ beta, -700, 700)))
        gradient = X.T @ (risk - y) + precision * (beta - belief)
        hessian = (X.T * (risk * (1 - risk))) @ X + np.diag(precision)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while loss(beta - size * step) > current and size > 1e-8:
            size /= 2
        beta = beta - size * step
        updated = loss(beta)
        if current - updated < 1e-12 * (1 + abs(current)):
            break
        current = updated
    return beta
