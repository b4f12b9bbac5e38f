"""How far learned deviations are trusted: ``logit(risk) = prior + a + sum of b f``."""

from __future__ import annotations

import numpy as np


def fit_recalibration(
    y: np.ndarray,
    offset: np.ndarray,
    F: np.ndarray,
    intercept_sd: float,
    mean: np.ndarray,
    sd: np.ndarray,
) -> tuple[float, np.ndarray]:
    """Fit the intercept and the weights of the deviations by penalised likelihood.

    Parameters
    ----------
    y : ndarray of 0/1, shape (n,)
    offset : ndarray, shape (n,)
        Prior log-odds.
    F : ndarray, shape (n, m)
        Out-of-fold deviations in log-odds, by learner or by modality.
        Without columns the intercept alone is fitted.
    intercept_sd : float
        Normal belief ``a ~ N(0, intercept_sd)``.
    mean, sd : ndarray, shape (m,)
        Normal beliefs about the weights.

    Returns
    -------
    a : float
    b : ndarray, shape (m,)
        At least 0: on small cohorts a free weight turns negative and reverses the ranking.

    Notes
    -----
    The objective is convex. A weight that would be negative is set to 0 and the others are
    fitted again.
    """
    kept = np.ones(F.shape[1], dtype=bool)
    while True:
        X = np.column_stack([np.ones(len(y)), F[:, kept]])
        belief = np.concatenate([[0.0], mean[kept]])
        precision = np.concatenate([[intercept_sd], sd[kept]]) ** -2.0
        beta = _newton(y, offset, X, belief, precision)
        if np.all(beta[1:] >= 0):
            b = np.zeros(F.shape[1])
            b[kept] = beta[1:]
            return float(beta[0]), b
        kept[np.flatnonzero(kept)[int(np.argmin(beta[1:]))]] = False


def fit_shrunk(
    y: np.ndarray, offset: np.ndarray, X: np.ndarray, intercept_sd: float, sd: np.ndarray
) -> np.ndarray:
    """Fit random intercepts: effects ``N(0, sd)`` of the columns of X beside an intercept.

    Parameters
    ----------
    sd : ndarray, shape (columns,)

    Returns
    -------
    ndarray, shape (columns,)
        The effects; the intercept is fitted but not returned.
    """
    design = np.column_stack([np.ones(len(y)), X])
    precision = np.concatenate([[intercept_sd], np.broadcast_to(sd, X.shape[1])]) ** -2.0
    return _newton(y, offset, design, np.zeros(design.shape[1]), precision)[1:]


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
