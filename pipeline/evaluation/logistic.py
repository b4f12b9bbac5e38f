"""Logistic regression of one outcome under many sets of weights at once, by Newton's method."""

from __future__ import annotations

import numpy as np

# Standard deviation of a weak normal prior, in log-odds: the data overrule it, and it keeps a
# fit finite in a fold without events or with separated classes.
WEAK_SD = 2.5
MAXIMUM_STEPS = 25
# A step that moves a log-odds by more than this overshoots; it is shortened.
LONGEST_STEP = 5.0
# Under separation the likelihood flattens while every step still moves log-odds by about one:
# a fit has settled only when it moves them by less than this.
LONGEST_LAST_STEP = 0.1
# Later the log-odds are so large that rounding stops the steps: less than this many patients'
# worth of information (risk x (1 - risk), summed) is no maximum either.
LEAST_INFORMATION = 1e-4


def fit_logistic(
    design: np.ndarray,
    observed: np.ndarray,
    weights: np.ndarray,
    offset: np.ndarray | None = None,
    precision: np.ndarray | None = None,
    start: np.ndarray | None = None,
    tolerance: float = 1e-12,
) -> np.ndarray:
    r"""Fit one logistic regression per row of weights.

    Parameters
    ----------
    design : ndarray, shape (n, p)
        Terms, the column of ones for an intercept among them.
    observed : ndarray, shape (n,)
        Outcome, 0 or 1, or a share of events between them.
    weights : ndarray, shape (B, n)
        How often each row counts in each fit. In single precision, so are the sums over rows:
        twice as fast, and exact to a thousandth of a standard error.
    offset : ndarray, shape (n,), optional
        Log-odds that enter with weight one.
    precision : ndarray, shape (p,), optional
        Inverse variance of a normal prior with mean zero on each coefficient; 0 for none.
    start : ndarray, shape (p,), optional
        Where the search begins. A start near the solutions, as the fit to the data
        themselves is for bootstrap weights, saves most of the work.
    tolerance : float
        A fit ends with the first step whose Newton decrement (squared length in standard
        errors) is below this. Newton squares the error: after a last step of 0.03 standard
        errors, about 0.001 is left.

    Returns
    -------
    ndarray, shape (B, p)
        Coefficients; NaN where there is no finite maximum (one class only, separation).

    Notes
    -----
    All fits share the first step's probabilities, so that it is two matrix products; later
    steps are taken only by the fits that have not settled.
    """
    count, terms = len(weights), design.shape[1]
    penalty = np.zeros(terms) if precision is None else precision
    coefficients = np.tile(np.zeros(terms) if start is None else start, (count, 1))
    rows, columns = np.triu_indices(terms)
    products = design[:, rows] * design[:, columns]
    # No row's log-odds move by more than its leverage times the length of the rotated step.
    rotated, rotation = np.linalg.qr(design)
    leverage = np.sqrt((rotated**2).sum(axis=1).max())
    reach = np.maximum(np.abs(design).max(axis=0), 1e-300)
    kind = weights.dtype
    found = weights @ (design * observed[:, None]).astype(kind)
    X, products = design.astype(kind), products.astype(kind)

    active = np.flatnonzero(_has_both(observed, weights) | (penalty > 0).all())
    settled = np.zeros(count, dtype=bool)
    for step in range(MAXIMUM_STEPS):
        if not len(active):
            break
        w = weights if len(active) == count else weights[active]
        theta = coefficients[active]
        shared = step == 0
        expected, curvature = _sums(theta[:1] if shared else theta, w, X, products, offset)
        hessian = np.empty((len(active), terms, terms))
        hessian[:, rows, columns] = hessian[:, columns, rows] = curvature
        gradient = found[active] - expected - penalty * theta
        hessian += np.diag(penalty)
        information = (np.einsum("bjj->bj", hessian) / reach**2).max(axis=1)
        move = _solve(hessian, gradient)
        length = leverage * np.linalg.norm(move @ rotation.T, axis=1)
        small = np.einsum("bj,bj->b", move, gradient) < tolerance
        small &= (length < LONGEST_LAST_STEP) & (information > LEAST_INFORMATION)
        move *= np.minimum(1, LONGEST_STEP / np.maximum(length, 1e-300))[:, None]
        coefficients[active] = theta + move
        settled[active[small]] = True
        active = active[~small & np.isfinite(move).all(axis=1)]
    coefficients[~settled] = np.nan
    return coefficients


def _sums(
    theta: np.ndarray,
    weights: np.ndarray,
    X: np.ndarray,
    products: np.ndarray,
    offset: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted sums of the terms times risk, and of their products times risk (1 - risk).

    One row of coefficients serves all weights: then the sums are matrix products alone.
    """
    margin = theta.astype(X.dtype) @ X.T
    if offset is not None:
        margin += offset
    risk = _expit(margin)
    if len(theta) == 1:
        return weights @ (X * risk.T), weights @ (products * (risk * (1 - risk)).T)
    weighted = weights * risk
    expected = weighted @ X
    weighted *= np.subtract(1, risk, out=risk)
    return expected, weighted @ products


def _has_both(observed: np.ndarray, weights: np.ndarray) -> np.ndarray:
    classes = np.column_stack([observed, 1 - observed]).astype(weights.dtype)
    return (weights @ classes > 0).all(axis=1)


def _expit(log_odds: np.ndarray) -> np.ndarray:
    # Clipping keeps exp from overflowing, which would warn.
    np.clip(log_odds, -80, 80, out=log_odds)
    np.negative(log_odds, out=log_odds)
    np.exp(log_odds, out=log_odds)
    log_odds += 1
    return np.reciprocal(log_odds, out=log_odds)


def _solve(hessian: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Solve each system; the rounding-sized ridge keeps a separated fit from raising."""
    terms = hessian.shape[1]
    diagonal = np.einsum("bjj->bj", hessian)
    size = np.maximum(diagonal.max(axis=1, initial=0.0), 1e-12)
    return np.linalg.solve(
        hessian + 1e-12 * size[:, None, None] * np.eye(terms), gradient[:, :, None]
    )[:, :, 0]
