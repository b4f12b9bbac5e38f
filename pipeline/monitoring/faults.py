"""Faults of the data feed that must be mended before anything is said of the model.

A laboratory that reports in another unit makes the model wrong without the model being so: to
recalibrate or retrain on such values would build the fault in. The values are converted back
for the monitor's own judgement, and the fault is named with the unit and the site.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.cohort.audit.unit_shifts import Reading, readings
from pipeline.cohort.dictionary import Variable
from pipeline.config import Monitoring
from pipeline.model.artifact import Artifact
from pipeline.model.reference import shares_between
from pipeline.monitoring.drift import homogeneity, population_stability
from pipeline.monitoring.observations import Observations

# A median may move this many times without a fault of the feed.
_CONCEIVABLE = 3.0


def unit_faults(
    observations: Observations, artifact: Artifact, settings: Monitoring
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Find values in another unit, in the whole cohort, at one site or in one period.

    A variable is at fault where its distribution differs from training's, notably and beyond
    chance, and nearly all of the difference is gone once values are converted from a unit that
    the dictionary knows, or by a power of ten. What is left is judged as a share: a factor of two
    moves a widely spread variable (ferritin) no further than an ordinary drift, but drifts do not
    end in training's shape.

    Returns
    -------
    faults : list of dict
        ``kind`` (``unit``), ``variable``, ``label``, ``place`` (everywhere, a site, a period),
        ``unit``, ``factor``, ``psi`` as given and ``psi_mended``, and ``sentence``.
    mended : dict of str to ndarray, shape (n,)
        Values of the variables at fault, converted.
    """
    reference = artifact.facts["reference"]
    faults: list[dict[str, Any]] = []
    mended: dict[str, np.ndarray] = {}
    groups = _groups(observations)
    binned = {
        name: summary
        for name, summary in reference["variables"].items()
        if len(summary.get("cuts", ())) >= 3
    }
    alpha = settings.unit_alpha / max(len(groups) * len(binned), 1)
    for variable in artifact.dictionary:
        summary = binned.get(variable.name)
        if summary is None:
            continue
        trained = np.array(summary["shares"]) * reference["patients"] * (1 - summary["missing"])
        values = observations.values[variable.name]
        # A value is mended once: a fault of the whole cohort is not one of each site as well.
        left = ~np.isnan(values)
        for place, rows in groups:
            rows = rows & left
            if rows.sum() < settings.minimum_group:
                continue
            found = _reading(values[rows], variable, summary["cuts"], trained, alpha, settings)
            if found is None:
                continue
            reading, before, after = found
            changed = mended.setdefault(variable.name, values.copy())
            changed[rows] = reading.factor * values[rows] + reading.offset
            left &= ~rows
            faults.append(_fault(variable, place, reading, before, after))
    return faults, mended


def _groups(observations: Observations) -> list[tuple[str, np.ndarray]]:
    """The whole cohort, then each site, then each period."""
    groups = [("", np.ones(len(observations), dtype=bool))]
    for labels, word in ((observations.site, "at"), (observations.period, "in")):
        names = (
            sorted({label for label in labels if label is not None}) if labels is not None else []
        )
        if len(names) > 1:
            groups += [(f" {word} '{name}'", labels == name) for name in names]
    return groups


def _reading(
    values: np.ndarray,
    variable: Variable,
    cuts: list[float],
    trained: np.ndarray,
    alpha: float,
    settings: Monitoring,
) -> tuple[Reading, float, float] | None:
    """The unit that brings values back to training's distribution, with PSI before and after."""
    given = shares_between(values, cuts).astype(float)
    before = population_stability(trained, given)
    if before < settings.unit_psi or homogeneity(trained, given) > alpha:
        return None
    best: tuple[Reading, float, float] | None = None
    for reading in readings(variable):
        converted = reading.factor * values + reading.offset
        after = population_stability(trained, shares_between(converted, cuts).astype(float))
        if after <= settings.unit_left * before and (best is None or after < best[2]):
            best = (reading, before, after)
    return best


def _fault(
    variable: Variable, place: str, reading: Reading, before: float, after: float
) -> dict[str, Any]:
    # So small a factor may be the patients' own: the laboratory knows.
    change = 1 / reading.factor
    doubt = (
        f", unless values have truly {'risen' if change > 1 else 'fallen'} to {change:.2g} times "
        "training's"
        if 1 / _CONCEIVABLE < change < _CONCEIVABLE
        else ""
    )
    return {
        "kind": "unit",
        "variable": variable.name,
        "label": variable.label,
        "place": place.strip() or "everywhere",
        "unit": reading.name,
        "factor": reading.factor,
        "psi": before,
        "psi_mended": after,
        "sentence": (
            f"'{variable.name}'{place} seems to be given in {reading.name} instead of "
            f"{variable.unit or 'its unit'}: mend the unit at its source{doubt}"
        ),
    }
