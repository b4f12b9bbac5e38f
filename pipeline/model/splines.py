"""Restricted cubic splines: smooth between the outer knots, straight beyond them."""

from __future__ import annotations

import numpy as np

# Harrell, Regression Modeling Strategies, 2nd ed., table 2.3.
_QUANTILES = {
    3: (0.10, 0.50, 0.90),
    4: (0.05, 0.35, 0.65, 0.95),
    5: (0.05, 0.275, 0.50, 0.725, 0.95),
}


def place_knots(x: np.ndarray, count: int) -> list[float]:
    """Place knots at Harrell's quantiles.

    Returns
    -------
    list of float
        Empty where ``count`` is 0 or the values take too few places for a curve.
    """
    if count == 0:
        return []
    if count not in _QUANTILES:
        raise ValueError(f"{count} knots; expected 0, 3, 4 or 5")
    known = x[~np.isnan(x)]
    if len(known) < 10:
        return []
    knots = np.quantile(known, _QUANTILES[count])
    spread = known.max() - known.min()
    if spread <= 0 or np.min(np.diff(knots)) < 1e-6 * spread:
        return []
    return [float(knot) for knot in knots]


def curved_parts(x: np.ndarray, knots: list[float]) -> np.ndarray:
    """The non-linear basis, shape (n, len(knots) - 2); the linear part is ``x`` itself.

    Notes
    -----
    For knots :math:`t_1 < ... < t_k`, the j-th column is
    :math:`(x-t_j)_+^3 - (x-t_{k-1})_+^3 (t_k-t_j)/(t_k-t_{k-1})
    + (x-t_k)_+^3 (t_{k-1}-t_j)/(t_k-t_{k-1})`, divided by :math:`(t_k-t_1)^2`.
    """
    t = np.asarray(knots)
    last, before = t[-1], t[-2]
    cube = [np.maximum(x - knot, 0.0) ** 3 for knot in t]
    parts = [
        cube[j]
        - cube[-2] * (last - t[j]) / (last - before)
        + cube[-1] * (before - t[j]) / (last - before)
        for j in range(len(t) - 2)
    ]
    return np.column_stack(parts) / (last - t[0]) ** 2
