"""What the training cohort looked like: summaries that later cohorts are compared with.

They travel in the model's text, so they hold no patient's value and no count below ten: cut
points are rounded quantiles with at least ten patients between them, small levels are merged,
and a small number of missing values is told as none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.features.plan import FeaturePlan
from pipeline.model.head import SMALLEST_SHOWN
from pipeline.model.patients import Patients
from pipeline.model.risk_model import RiskModel

_BINS = 10
OTHER = "other"


def reference_of(
    cohort: pd.DataFrame,
    plan: FeaturePlan,
    model: RiskModel,
    patients: Patients,
    interval_level: float,
) -> dict[str, Any]:
    """Summarise the training cohort for the monitor.

    Returns
    -------
    dict
        ``patients``; ``variables``: per variable ``missing`` (a share) and ``cuts`` with
        ``shares`` of the known values between them, or ``levels`` (level to share);
        ``therapies``: canonical name to share; ``risks``: see `risks_reference`.
    """
    risks = model.predict(
        patients.Z, patients.published, patients.published_sd, patients.arms, interval_level
    ).risk
    found: dict[str, Any] = {
        "patients": len(cohort),
        "variables": {
            v.name: _summary(cohort[v.name], v.kind == "numeric")
            for v in plan.variables
            if v.name in cohort and v.name != plan.therapy
        },
        "therapies": {},
        "risks": risks_reference(risks, model.outcomes),
    }
    if patients.therapies is not None:
        found["therapies"] = _levels(pd.Series(patients.therapies))
    return found


def risks_reference(risks: np.ndarray, outcomes: Sequence[str]) -> dict[str, Any]:
    """Summarise risks, for the monitor to compare later ones with.

    Parameters
    ----------
    risks : ndarray, shape (n, outcomes)
        NaN for patients without one.
    outcomes : sequence of str

    Returns
    -------
    dict
        Per outcome ``cuts`` with ``shares`` of the risks between them, both empty where there are
        fewer than twenty, and ``patients``: how many had a risk, 0 where the rest is empty.
    """
    found = {}
    for k, outcome in enumerate(outcomes):
        known = risks[:, k][~np.isnan(risks[:, k])]
        summary = _binned(known)
        found[outcome] = summary | {"patients": len(known) if summary["shares"] else 0}
    return found


def shares_between(values: np.ndarray, cuts: list[float]) -> np.ndarray:
    """Count values between cut points, shape (cuts + 1,); a cut belongs to the bin above it."""
    return np.bincount(np.searchsorted(cuts, values, side="right"), minlength=len(cuts) + 1)


def _summary(values: pd.Series, numeric: bool) -> dict[str, Any]:
    missing = int(values.isna().sum())
    hidden = min(missing, len(values) - missing) < SMALLEST_SHOWN
    share = round(missing / len(values)) if hidden else missing / len(values)
    known = values.dropna()
    # Few distinct values (a score from 0 to 4) are levels: quantiles would fall on them.
    if numeric and known.nunique() > _BINS:
        return {"missing": float(share), **_binned(known.to_numpy(float))}
    if numeric:
        known = known.astype(float)
    return {"missing": float(share), "levels": _levels(known)}


def _binned(values: np.ndarray) -> dict[str, Any]:
    if len(values) < 2 * SMALLEST_SHOWN:
        return {"cuts": [], "shares": []}
    quantiles = np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1])
    cuts: list[float] = []
    left = len(values)
    # Rounded, so that a cut is not a patient's own value to the last digit.
    for cut in np.unique([float(f"{q:.3g}") for q in quantiles]):
        above = int((values >= cut).sum())
        if left - above >= SMALLEST_SHOWN and above >= SMALLEST_SHOWN:
            cuts.append(float(cut))
            left = above
    counts = shares_between(values, cuts)
    return {"cuts": cuts, "shares": (counts / counts.sum()).tolist()}


def _levels(values: pd.Series) -> dict[str, float]:
    """Shares of levels, the small ones merged until together they are not small."""
    counts = values.map(level_name).value_counts()
    small = counts[counts < SMALLEST_SHOWN]
    shown = counts[counts >= SMALLEST_SHOWN]
    while len(small) and small.sum() < SMALLEST_SHOWN and len(shown):
        small = pd.concat([small, shown[-1:]])
        shown = shown[:-1]
    if small.sum() >= SMALLEST_SHOWN:
        shown = pd.concat([shown, pd.Series({OTHER: small.sum()})])
    total = max(int(shown.sum()), 1)
    return {str(level): float(count / total) for level, count in shown.items()}


def level_name(value: object) -> str:
    """A level as the reference spells it: 1 and 1.0 are one."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)
