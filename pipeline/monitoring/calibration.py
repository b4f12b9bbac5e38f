"""Calibration of served risks on new patients: as a whole and over time."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from pipeline.evaluation.overall import log_odds
from pipeline.model.head import SMALLEST_SHOWN
from pipeline.monitoring.closed_test import Site, fit

_EVERYONE = "all"


def calibration_by_period(
    y: np.ndarray, risk: np.ndarray, period: np.ndarray | None, minimum: int, level: float
) -> list[dict[str, Any]]:
    """Observed over expected events, calibration intercept and slope, with intervals.

    Parameters
    ----------
    y : ndarray of 0/1, shape (n,)
    risk : ndarray, shape (n,)
    period : ndarray of str or None, shape (n,), or None
    minimum : int
        Neighbouring periods are joined until each holds so many patients, and
        ten of either outcome.
    level : float
        Of the intervals.

    Returns
    -------
    list of dict
        All patients first; then each period. A group with fewer than ten events, or others,
        has a ``reason`` instead of figures.
    """
    groups = [(_EVERYONE, np.ones(len(y), dtype=bool))]
    if period is not None:
        joined = _joined(y, period, minimum)
        groups += joined if len(joined) > 1 else []
    return [{"period": name, **_figures(y[rows], risk[rows], level)} for name, rows in groups]


def miscalibration(site: Site, trained_on: int) -> tuple[float, float, float]:
    """Test intercept and slope at once.

    Parameters
    ----------
    site : Site
    trained_on : int
        Patients that the model learned its level and spread from. What so many could not tell
        adds to the variance: the statistic is divided by ``1 + n / trained_on``.

    Returns
    -------
    p : float
        Likelihood-ratio test of "no shift and slope 1", given what training knew.
    shift : float
        What the log-odds lack at the average patient.
    slope : float
        1 where the risks do not vary.
    """
    from scipy.stats import chi2

    design = site.design("intercept and slope")
    none, found = fit(design[:, :0], site.y, site.offset), fit(design, site.y, site.offset)
    statistic = max(0.0, 2 * (found.log_likelihood - none.log_likelihood))
    statistic /= 1 + len(site.y) / trained_on
    slope = 1 + float(found.coefficients[1]) if design.shape[1] > 1 else 1.0
    return float(chi2.sf(statistic, design.shape[1])), float(found.coefficients[0]), slope


@dataclass(frozen=True)
class Scarcity:
    """An outcome class that too few patients are in to be told, though enough were expected.

    Attributes
    ----------
    p : float
        Exact two-sided test of the count.
    shift : float
        What the log-odds lack; below 0 where events are scarce, above where non-events are.
    expected : float
        Patients expected in the class.
    """

    p: float
    shift: float
    expected: float


def scarcity(site: Site, trained_on: int) -> Scarcity | None:
    """Test the level of an outcome whose rarer class is too small for likelihood tests.

    The count is held against a binomial distribution with the mean risk. The count's own, a sum
    over unequal risks, has lighter tails (Hoeffding, Ann Math Stat 1956;27:713): the test is
    conservative.

    Parameters
    ----------
    site : Site
    trained_on : int
        As in `miscalibration`.

    Returns
    -------
    Scarcity or None
        None where neither class holds too few patients with enough expected.
    """
    from scipy.stats import binom, chi2

    n, risk = len(site.y), np.exp(-np.logaddexp(0.0, -site.offset))
    for count, expected in (
        (site.y.sum(), risk.sum()),
        (n - site.y.sum(), n - risk.sum()),
    ):
        if count < SMALLEST_SHOWN <= expected:
            alone = min(1.0, 2 * float(binom.cdf(count, n, expected / n)))
            p = float(chi2.sf(chi2.isf(alone, 1) / (1 + n / trained_on), 1))
            shift = float(fit(np.ones((n, 1)), site.y, site.offset).coefficients[0])
            return Scarcity(p, shift, float(expected))
    return None


def trend(site: Site, period: np.ndarray | None) -> tuple[float, float] | None:
    """Whether miscalibration grows over time.

    Returns
    -------
    p, last : float
        Likelihood-ratio test of a straight line over the periods' order beside an intercept,
        and the line's log-odds at the last period against the average patient; None where
        there is one period only.
    """
    from scipy.stats import chi2

    if period is None:
        return None
    known = _told(period)
    order = {name: i for i, name in enumerate(_sorted(period[known]))}
    if len(order) < 2:
        return None
    x = np.array([float(order[p]) for p in period[known]])
    y, offset = site.y[known], site.offset[known]
    centred = x - x.mean()
    one = np.ones((len(x), 1))
    flat = fit(one, y, offset)
    line = fit(np.hstack([one, centred[:, None]]), y, offset)
    p = float(chi2.sf(max(0.0, 2 * (line.log_likelihood - flat.log_likelihood)), 1))
    return p, float(line.coefficients[1] * (x.max() - x.mean()))


def last_period(site: Site, period: np.ndarray | None, minimum: int) -> float | None:
    """Test whether the last period that is shown is calibrated as those before it.

    Returns
    -------
    float or None
        P-value of the likelihood-ratio test of a level of its own; None where no two periods
        are shown.
    """
    from scipy.stats import chi2

    groups = [] if period is None else _joined(site.y, period, minimum)
    if len(groups) < 2:
        return None
    late = groups[-1][1]
    rows = np.any([among for _, among in groups], axis=0)
    y, offset, late = site.y[rows], site.offset[rows], late[rows].astype(float)
    one = np.ones((len(y), 1))
    before, own = fit(one, y, offset), fit(np.column_stack([one, late]), y, offset)
    return float(chi2.sf(max(0.0, 2 * (own.log_likelihood - before.log_likelihood)), 1))


def _figures(y: np.ndarray, risk: np.ndarray, level: float) -> dict[str, Any]:
    n, events = len(y), int(y.sum())
    if min(events, n - events) < SMALLEST_SHOWN:
        reason = f"fewer than {SMALLEST_SHOWN} patients with or without the event"
        return {"n": n if n >= SMALLEST_SHOWN else None, "events": None, "reason": reason}
    z = NormalDist().inv_cdf(0.5 + level / 2)
    offset = log_odds(risk)
    shift = fit(np.ones((n, 1)), y, offset)
    found: dict[str, Any] = {
        "n": n,
        "events": events,
        "observed": events / n,
        "expected": float(risk.mean()),
        "oe": _ratio(events, n, float(risk.sum()), z),
        "intercept": _wald(shift.coefficients[0], shift.covariance[0, 0], z),
    }
    centred = offset - offset.mean()
    if centred.std() > 1e-9:
        line = fit(np.column_stack([np.ones(n), centred]), y, offset)
        found["slope"] = _wald(1 + line.coefficients[1], line.covariance[1, 1], z)
    else:
        found["slope"] = {"estimate": None, "low": None, "high": None}
    return found


def _ratio(events: int, n: int, expected: float, z: float) -> dict[str, float]:
    # Standard error of log(O/E): Debray et al., BMJ 2017;356:i6460.
    ratio, error = events / expected, np.sqrt((1 - events / n) / events)
    return {
        "estimate": ratio,
        "low": float(ratio * np.exp(-z * error)),
        "high": float(ratio * np.exp(z * error)),
    }


def _wald(estimate: float, variance: float, z: float) -> dict[str, float]:
    error = z * float(np.sqrt(variance))
    return {
        "estimate": float(estimate),
        "low": float(estimate - error),
        "high": float(estimate + error),
    }


def _joined(y: np.ndarray, period: np.ndarray, minimum: int) -> list[tuple[str, np.ndarray]]:
    """Periods in order, neighbours joined until each can be shown."""
    groups: list[list[Any]] = []
    for name in _sorted(period[_told(period)]):
        rows = period == name
        if groups and not _enough(y[groups[-1][2]], minimum):
            groups[-1][1:] = [name, groups[-1][2] | rows]
        else:
            groups.append([name, name, rows])
    while len(groups) > 1 and not _enough(y[groups[-1][2]], minimum):
        _, last, rows = groups.pop()
        groups[-1][1:] = [last, groups[-1][2] | rows]
    return [(a if a == b else f"{a} to {b}", rows) for a, b, rows in groups]


def _told(period: np.ndarray) -> np.ndarray:
    return np.array([p is not None for p in period], dtype=bool)


def _enough(y: np.ndarray, minimum: int) -> bool:
    events = int(y.sum())
    return len(y) >= minimum and min(events, len(y) - events) >= SMALLEST_SHOWN


def _sorted(period: np.ndarray) -> list[str]:
    names = sorted(set(period))
    try:
        return sorted(names, key=float)
    except ValueError:
        return names
