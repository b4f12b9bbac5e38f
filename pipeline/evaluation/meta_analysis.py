"""Random-effects meta-analysis: the average over units, and what the next unit may show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import t

# A t distribution with k - 2 degrees of freedom needs three units.
FEWEST_UNITS = 3


@dataclass(frozen=True)
class Pooled:
    """A random-effects summary, on the scale of the estimates.

    Attributes
    ----------
    estimate, low, high : float
        Average over the units' population, and its confidence interval.
    prediction_low, prediction_high : float
        Where the true value of one further unit is expected.
    tau : float
        Standard deviation of the true values between units.
    units : int
    """

    estimate: float
    low: float
    high: float
    prediction_low: float
    prediction_high: float
    tau: float
    units: int


def random_effects(estimates: np.ndarray, variances: np.ndarray, level: float) -> Pooled:
    r"""Summarise estimates of several units, whose true values differ.

    Parameters
    ----------
    estimates, variances : ndarray, shape (k,)
        Per unit, on a scale on which they are about normal; variances above 0.
    level : float
        Of both intervals, such as 0.95.

    Raises
    ------
    ValueError
        If there are fewer than three units, or a variance is not above 0.

    Notes
    -----
    The variance between units is that of restricted maximum likelihood. The confidence
    interval is Hartung's and Knapp's, with :math:`k - 1` degrees of freedom; its standard
    error is not let fall below the ordinary one, as happens by chance where the units are
    more alike than their variances allow (Rover 2015). The prediction interval is
    :math:`\hat\mu \pm t_{k-2} \sqrt{\hat\tau^2 + SE^2}`; with fewer than ten units it holds
    the next one a little less often than it says (Partlett and Riley 2017).

    References
    ----------
    Knapp G, Hartung J. Stat Med 2003;22:2693. Higgins JPT, Thompson SG, Spiegelhalter DJ.
    J R Stat Soc A 2009;172:137. Riley RD, Higgins JPT, Deeks JJ. BMJ 2011;342:d549.
    Rover C, Knapp G, Friede T. BMC Med Res Methodol 2015;15:99. Partlett C, Riley RD.
    Stat Med 2017;36:301.
    """
    k = len(estimates)
    if k < FEWEST_UNITS:
        raise ValueError(f"a summary needs {FEWEST_UNITS} units, found {k}")
    if not (variances > 0).all():
        raise ValueError("every unit needs a variance above 0")
    tau2 = between_variance(estimates, variances)
    weights = 1 / (variances + tau2)
    mean = float(weights @ estimates / weights.sum())
    excess = float(weights @ (estimates - mean) ** 2 / (k - 1))
    error = np.sqrt(max(1.0, excess) / weights.sum())
    tail = 1 - (1 - level) / 2
    confidence = t.ppf(tail, k - 1) * error
    prediction = t.ppf(tail, k - 2) * np.sqrt(tau2 + error**2)
    return Pooled(
        estimate=mean,
        low=float(mean - confidence),
        high=float(mean + confidence),
        prediction_low=float(mean - prediction),
        prediction_high=float(mean + prediction),
        tau=float(np.sqrt(tau2)),
        units=k,
    )


def between_variance(estimates: np.ndarray, variances: np.ndarray) -> float:
    """Return the restricted maximum likelihood estimate of the variance between units.

    Parameters
    ----------
    estimates, variances : ndarray, shape (k,)

    References
    ----------
    Viechtbauer W. J Educ Behav Stat 2005;30:261.
    """

    def deviance(tau2: float) -> float:
        total = variances + tau2
        weights = 1 / total
        mean = weights @ estimates / weights.sum()
        squares = weights @ (estimates - mean) ** 2
        return float(np.log(total).sum() + np.log(weights.sum()) + squares)

    # No estimate exceeds the widest square: beyond it the deviance only rises.
    widest = float(np.ptp(estimates)) ** 2
    if widest == 0:
        return 0.0
    # The deviance may have two valleys, one of them at 0: a grid finds the deeper one.
    grid = np.concatenate([[0.0], widest * np.geomspace(1e-6, 1.0, 60)])
    best = int(np.argmin([deviance(at) for at in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = minimize_scalar(
        deviance, bounds=(low, high), method="bounded", options={"xatol": widest * 1e-10}
    )
    return float(found.x) if found.fun < deviance(0.0) else 0.0
