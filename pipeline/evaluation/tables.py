"""Tables of the evaluation, ready for JSON and safe to share: small cells are not shown."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.evaluation.bootstrap import summary
from pipeline.evaluation.calibration import risk_groups
from pipeline.evaluation.performance import UNDEFINED
from pipeline.evaluation.suppression import hidden_groups, suppressed, unless_small


def curve_table(risks: np.ndarray, values: np.ndarray, level: float) -> list[dict[str, Any]]:
    """Return the calibration curve with its band: ``risk``, ``observed``, ``low``, ``high``.

    Parameters
    ----------
    risks : ndarray, shape (k,)
    values : ndarray, shape (1 + replicates, k)
        Observed risk by the curve, in the data and in each replicate.
    level : float
    """
    points = []
    for k, risk in enumerate(risks):
        point = summary(values[:, k], level, UNDEFINED["ici"])
        points.append({"risk": float(risk), "observed": point.pop("estimate"), **point})
    return points


def group_table(observed: np.ndarray, risk: np.ndarray, minimum: int) -> list[dict[str, Any]]:
    """Return tenths of patients by risk, without events where a cell is small.

    Parameters
    ----------
    observed, risk : ndarray, shape (n,)
        Of one repeat: pooled repeats would count each patient several times.
    minimum : int
        Smallest number of events, and of patients without the event, that may be shown.
    """
    groups = risk_groups(observed, risk)
    n = np.array([group["n"] for group in groups], dtype=int)
    events = np.array([group["events"] for group in groups], dtype=int)
    hidden = hidden_groups(n, events[None, :], minimum)[0]
    return [
        {
            **group,
            "n": unless_small(int(group["n"]), minimum),
            "events": None,
            "observed": None,
            "reason": suppressed(minimum),
        }
        if hide
        else dict(group)
        for group, hide in zip(groups, hidden, strict=True)
    ]


def threshold_table(
    thresholds: np.ndarray,
    figures: dict[str, np.ndarray],
    smallest: np.ndarray,
    level: float,
    minimum: int,
) -> list[dict[str, Any]]:
    """Return one row per threshold, of figures with intervals.

    A row is hidden as a whole where one of the four cells of alert by outcome is small: from
    the totals and the other figures that cell could be worked out. Figures are rounded as along
    the decision curve, whose thresholds lie between these.

    Parameters
    ----------
    thresholds : ndarray, shape (k,)
    figures : dict of ndarray, shape (1 + replicates, k)
    smallest : ndarray of int, shape (k,)
        Smallest cell at each threshold, and between it and the lower ones shown.
    level : float
    minimum : int
    """
    hidden = {"estimate": None, "low": None, "high": None, "reason": suppressed(minimum)}
    return [
        {
            "threshold": float(threshold),
            **{
                name: dict(hidden)
                if smallest[k] < minimum
                else _whole(name, summary(values[:, k], level, "no patient to divide by"))
                for name, values in figures.items()
            },
        }
        for k, threshold in enumerate(thresholds)
    ]


def classification_bands(
    figures: dict[str, np.ndarray], smallest: np.ndarray, level: float, minimum: int
) -> dict[str, dict[str, list[float | None]]]:
    """Return sensitivity, PPV and others along a grid of thresholds, each with its band.

    Parameters
    ----------
    figures : dict of ndarray, shape (1 + replicates, k)
    smallest : ndarray of int, shape (k,)
        Smallest of the four cells of alert by outcome at each threshold: where it is small,
        or the figure undefined, None stands.
    level : float
    minimum : int

    Notes
    -----
    Shares are rounded to whole per cent and alerts to whole patients in 100. The grid is fine:
    from all digits the few patients between two neighbouring thresholds could be counted.
    """
    nothing = {"estimate": None, "low": None, "high": None}
    bands: dict[str, dict[str, list[float | None]]] = {}
    for name, values in figures.items():
        points = [
            _whole(name, summary(values[:, k], level)) if cell >= minimum else nothing
            for k, cell in enumerate(smallest)
        ]
        bands[name] = {end: [point[end] for point in points] for end in nothing}
    return bands


def _whole(name: str, figure: dict[str, Any]) -> dict[str, Any]:
    """Round a share to whole per cent, and alerts to whole patients in 100."""
    digits = 0 if name == "alerts_per_100" else 2
    ends = ("estimate", "low", "high")
    return figure | {e: None if figure[e] is None else round(figure[e], digits) for e in ends}


def band(values: np.ndarray, level: float) -> dict[str, list[float]]:
    """Return a curve with its band; values of shape (1 + replicates, k), all defined."""
    low, high = np.quantile(values[1:], [(1 - level) / 2, (1 + level) / 2], axis=0)
    return {"estimate": values[0].tolist(), "low": low.tolist(), "high": high.tolist()}
