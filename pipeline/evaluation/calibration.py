"""Calibration: intercept, slope, observed/expected, and the flexible curve with its summaries.

The flexible curve is a logistic regression of the outcome on a restricted cubic spline of the
predicted log-odds. Loess, the other common choice, costs a local regression per patient and
bootstrap sample, and with few events its ends follow single patients; the spline is straight
on the log-odds scale beyond its outer knots and, as a logistic regression, is fitted under all
bootstrap weights at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.bootstrap import MOVED
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


@dataclass(frozen=True)
class FlexibleCurve:
    """The smooth calibration curve of the data, and of each replicate.

    Attributes
    ----------
    coefficients : ndarray, shape (1 + B, terms)
        Of the data themselves, then under each row of weights; NaN where it cannot be fitted.
    design : callable
        Takes risks, shape (k,), and returns the terms, shape (k, terms).
    """

    coefficients: np.ndarray
    design: Callable[[np.ndarray], np.ndarray]

    def in_data(self, at: np.ndarray) -> np.ndarray:
        """Return the observed risk that the data's own curve gives risks, shape (k,)."""
        return self._values(self.coefficients[:1], at)[0]

    def in_replicates(self, at: np.ndarray) -> np.ndarray:
        """Return the observed risk that each replicate's curve gives risks, shape (B, k)."""
        return self._values(self.coefficients[1:], at)

    def _values(self, coefficients: np.ndarray, at: np.ndarray) -> np.ndarray:
        margin = coefficients @ self.design(at).T
        np.negative(margin, out=margin)
        np.exp(np.minimum(margin, 500, out=margin), out=margin)
        margin += 1
        return np.reciprocal(margin, out=margin)


def flexible_curve(observed: np.ndarray, risk: np.ndarray, weights: np.ndarray) -> FlexibleCurve:
    """Fit the smooth calibration curve to the data and under each row of weights.

    Parameters
    ----------
    observed, risk : ndarray, shape (n,)
    weights : ndarray, shape (B, n)
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
    everyone = np.ones((1, len(risk)), dtype=weights.dtype)
    return FlexibleCurve(
        _fits(terms, observed, np.vstack([everyone, weights]), ideal=ideal), design
    )


def curve_distances(curve: FlexibleCurve, risk: np.ndarray) -> dict[str, np.ndarray]:
    r"""Summarise how far the curve lies from the risks: ICI (mean), E50 and E90 (quantiles).

    Parameters
    ----------
    curve : FlexibleCurve
    risk : ndarray, shape (n,)
        The risks that the curve was fitted to.

    Returns
    -------
    dict of ndarray, shape (B,)
        ``ici``, ``e50``, ``e90``, of the data's own curve in every row; and ``ici_moved`` and so
        on, the same summary of the distance between a replicate's curve and the data's.

    Notes
    -----
    A distance is never below 0, so chance raises it, in a replicate twice over: percentiles of
    replicates never hold the 0 of a calibrated model, and may miss their own estimate. But as
    the ICI is a norm, :math:`\lVert c - p \rVert` for curve and risks, it lies from its estimate
    no farther than the true curve lies from the fitted one, and that distance the bootstrap
    imitates: the interval is the estimate plus and minus a quantile of ``moved``, cut at 0.
    It holds 0 just where chance alone explains the estimate. For quantiles the bound is not
    strict; simulated coverage of nominal 95 % intervals is 93 to 100 %, save once 91 %
    (tests/evaluation/README.md).

    References
    ----------
    Austin PC, Steyerberg EW. Stat Med 2019;38:4051.
    """
    own = curve.in_data(risk)
    moved = curve.in_replicates(risk)
    moved -= own
    np.abs(moved, out=moved)
    at = {
        **_spread(np.abs(own - risk)[None, :]),
        **{f"{name}{MOVED}": values for name, values in _spread(moved).items()},
    }
    return {name: np.broadcast_to(values, len(moved)) for name, values in at.items()}


def _spread(distance: np.ndarray) -> dict[str, np.ndarray]:
    """Mean, median and 90th percentile of each row; NaN in rows that hold NaN."""
    e50, e90 = np.quantile(distance, (0.5, 0.9), axis=1, method="inverted_cdf")
    return {"ici": distance.mean(axis=1), "e50": e50, "e90": e90}


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
