"""Calibration: intercept, slope, observed/expected, and the flexible curve with its summaries.

The flexible curve is a logistic regression of the outcome on a restricted cubic spline of the
predicted log-odds. Loess, the other common choice, costs a local regression per patient and
bootstrap sample, and with few events its ends follow single patients; the spline is straight
on the log-odds scale beyond its outer knots and, as a logistic regression, is fitted under all
bootstrap weights at once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.evaluation.logistic import WEAK_SD, fit_logistic
from pipeline.evaluation.overall import log_odds
from pipeline.model.splines import curved_parts, place_knots

# A curve needs events and non-events to bend by: 200 of each, as Van Calster (J Clin Epidemiol
# 2016;74:167) advises, for 4 knots; fewer for 3 knots; below the second number the curve is a
# straight recalibration. With 4 knots and 120 events the lower tail already follows single events.
EVENTS_FOR_FOUR_KNOTS = 200
EVENTS_FOR_THREE_KNOTS = 50

# Bootstrap replicates are fitted to about 0.001 of their standard error; the fit to the data
# themselves, where they start, to rounding.
REPLICATE_TOLERANCE = 1e-3


def calibration_intercept(
    observed: np.ndarray, risk: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return calibration-in-the-large: the intercept with the predicted log-odds as offset.

    Zero is ideal; below zero, risks are too high on average.

    Parameters
    ----------
    observed, risk : ndarray, shape (n,)
    weights : ndarray, shape (B, n)

    Returns
    -------
    ndarray, shape (B,)
        NaN in replicates of one class.
    """
    return _fits(np.ones((len(risk), 1)), observed, weights, offset=log_odds(risk))[:, 0]


def calibration_slope(observed: np.ndarray, risk: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the slope of the outcome on the predicted log-odds, the intercept being free.

    One is ideal; below one, risks are too extreme. Shapes as in `calibration_intercept`; NaN
    where risks do not vary or separate the classes.

    References
    ----------
    Van Calster B et al. BMC Med 2019;17:230.
    """
    predicted = log_odds(risk)
    if np.ptp(predicted) < 1e-9:
        return np.full(len(weights), np.nan)
    design = np.column_stack([np.ones(len(risk)), predicted])
    return _fits(design, observed, weights, ideal=np.array([0.0, 1.0]))[:, 1]


def calibration_slope_within(
    observed: np.ndarray, risk: np.ndarray, strata: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return the slope on the predicted log-odds among patients of one stratum, pooled.

    Logistic regression with an intercept for each stratum, so that only differences between
    patients on one therapy count: the pooled slope is held near one by the therapies' rates
    however wrong the risks are within them. Deviations of the intercepts from the predicted
    mean have a weak normal prior, which keeps a stratum without events in a replicate finite.

    Parameters
    ----------
    observed, risk, weights
        As in `calibration_slope`.
    strata : ndarray of int, shape (n,)
        Negative where unknown, which leaves the patient out, as do strata of one class.

    Returns
    -------
    ndarray, shape (B,)
        NaN where risks do not vary within strata or separate the classes.
    """
    known = strata >= 0
    codes = np.unique(strata[known], return_inverse=True)[1]
    events, size = np.bincount(codes, weights=observed[known]), np.bincount(codes)
    kept = np.flatnonzero(known)[((events > 0) & (events < size))[codes]]
    if not len(kept):
        return np.full(len(weights), np.nan)
    codes = np.unique(strata[kept], return_inverse=True)[1]
    predicted = log_odds(risk[kept])
    middle = (np.bincount(codes, weights=predicted) / np.bincount(codes))[codes]
    inside = predicted - middle
    if np.ptp(inside) < 1e-9:
        return np.full(len(weights), np.nan)
    design = np.column_stack([inside, codes[:, None] == np.arange(codes.max() + 1)])
    precision = np.full(design.shape[1], WEAK_SD**-2)
    precision[0] = 0.0
    ideal = np.zeros(design.shape[1])
    ideal[0] = 1.0
    return _fits(design, observed[kept], weights[:, kept], middle, ideal, precision)[:, 0]


def observed_expected(observed: np.ndarray, risk: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the ratio of observed events to the sum of risks; shape (B,)."""
    return (weights @ observed) / (weights @ risk)


def flexible_curve(
    observed: np.ndarray, risk: np.ndarray, weights: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """Fit the smooth calibration curve under each row of weights.

    Returns
    -------
    callable
        Takes risks, shape (k,), and returns the observed risk that the curve gives them in
        each replicate, shape (B, k); NaN in replicates where it cannot be fitted.
    """
    predicted = log_odds(risk)
    knots = place_knots(predicted, _knots(observed))
    straight = np.ptp(predicted) >= 1e-9

    def design(at: np.ndarray) -> np.ndarray:
        x = log_odds(at)
        terms = [np.ones(len(x))] + ([x] if straight else [])
        return np.column_stack(terms + ([curved_parts(x, knots)] if knots else []))

    terms = design(risk)
    ideal = np.array([0.0, 1.0, 0.0, 0.0])[: terms.shape[1]]
    coefficients = _fits(terms, observed, weights, ideal=ideal)

    def curve(at: np.ndarray) -> np.ndarray:
        margin = coefficients @ design(at).T
        np.negative(margin, out=margin)
        np.exp(np.minimum(margin, 500, out=margin), out=margin)
        margin += 1
        return np.reciprocal(margin, out=margin)

    return curve


def curve_distances(
    curve: Callable[[np.ndarray], np.ndarray], risk: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Summarise how far the curve lies from the risks: ICI (mean), E50 and E90 (quantiles).

    Parameters
    ----------
    curve : callable
        As `flexible_curve` returns it, under the same weights.
    risk : ndarray, shape (n,)
    weights : ndarray, shape (B, n)

    Returns
    -------
    dict of ndarray, shape (B,)
        ``ici``, ``e50``, ``e90``.

    References
    ----------
    Austin PC, Steyerberg EW. Stat Med 2019;38:4051.
    """
    distance = curve(risk)
    distance -= risk
    np.abs(distance, out=distance)
    ici = np.einsum("bn,bn->b", weights, distance) / weights.sum(axis=1)
    e50, e90 = weighted_quantiles(distance, weights, (0.5, 0.9))
    return {"ici": ici, "e50": e50, "e90": e90}


def weighted_quantiles(
    values: np.ndarray, weights: np.ndarray, levels: tuple[float, ...]
) -> list[np.ndarray]:
    """Return the smallest value that at least a share of the weight does not exceed, by row.

    Parameters
    ----------
    values, weights : ndarray, shape (B, n)
    levels : tuple of float

    Returns
    -------
    list of ndarray, shape (B,)
        One per level; NaN in rows that hold NaN.
    """
    order = np.argsort(values, axis=1)
    cumulative = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    rows = np.arange(len(values))
    found = []
    for level in levels:
        # Rounding must not push a share that is met exactly to the next value.
        needed = level * cumulative[:, -1:] * (1 - 1e-12)
        place = (cumulative < needed).sum(axis=1)
        found.append(values[rows, order[rows, place]])
    return found


def risk_groups(
    observed: np.ndarray, risk: np.ndarray, groups: int = 10
) -> list[dict[str, float | int]]:
    """Return patients, events, mean risk and observed share in groups of equal size by risk."""
    cuts = np.unique(np.quantile(risk, np.linspace(0, 1, groups + 1)[1:-1]))
    code = np.searchsorted(cuts, risk, side="left")
    n = np.bincount(code)
    events = np.bincount(code, weights=observed)
    predicted = np.bincount(code, weights=risk)
    return [
        {
            "n": int(n[g]),
            "events": int(events[g]),
            "predicted": float(predicted[g] / n[g]),
            "observed": float(events[g] / n[g]),
        }
        for g in np.flatnonzero(n)
    ]


def _knots(observed: np.ndarray) -> int:
    rarer = min(observed.sum(), len(observed) - observed.sum())
    if rarer >= EVENTS_FOR_FOUR_KNOTS:
        return 4
    return 3 if rarer >= EVENTS_FOR_THREE_KNOTS else 0


def _fits(
    design: np.ndarray,
    observed: np.ndarray,
    weights: np.ndarray,
    offset: np.ndarray | None = None,
    ideal: np.ndarray | None = None,
    precision: np.ndarray | None = None,
) -> np.ndarray:
    """Fit under all weights, starting from the fit to the data, and that from the ideal."""
    everyone = np.ones((1, len(observed)))
    start = fit_logistic(design, observed, everyone, offset, precision, ideal)[0]
    fits = fit_logistic(
        design,
        observed,
        weights.astype(np.float32),
        offset,
        precision,
        start=start if np.isfinite(start).all() else ideal,
        tolerance=REPLICATE_TOLERANCE,
    )
    fits[(weights == 1).all(axis=1)] = start
    return fits
