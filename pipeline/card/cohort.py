"""The cohort in counts and quartiles, as the card's tables show it; small cells stay out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipeline.card.suppression import Guard
from pipeline.cohort.dictionary import Dictionary, Variable
from pipeline.config import Outcome

# Quartiles of few values come close to single patients' values.
_LEAST_FOR_QUARTILES = 4


def describe_cohort(
    cohort: pd.DataFrame,
    dictionary: Dictionary,
    outcomes: dict[str, Outcome],
    primary: str,
    minimum_cell: int,
) -> dict[str, Any]:
    """Count what a reviewer asks of a cohort.

    Parameters
    ----------
    cohort : DataFrame
        The canonical cohort, one row per patient.
    dictionary : Dictionary
    outcomes : dict of str to Outcome
    primary : str
        The outcome by which missing values are split.
    minimum_cell : int
        Smallest count shown.

    Returns
    -------
    dict
        ``patients``; ``groups``: number of levels, and counts per level, of the site, treatment
        and disease variables; ``variables``: per baseline variable ``known``, ``missing``,
        ``missing_with_event``, ``missing_without_event`` and, if numeric, ``quartiles``, else
        ``levels``; ``outcome_counts``: per outcome column, patients at each value, all or none.
    """
    guard = Guard(minimum_cell, len(cohort))
    chosen = outcomes[primary]
    event = (cohort[chosen.column] >= chosen.at_least).to_numpy()
    baseline = [v for v in dictionary if v.is_baseline_predictor and v.name in cohort]
    grouping = [
        v for v in dictionary
        if v.kind == "categorical" and v.role in ("site", "treatment", "disease")
        and v.timing == "baseline" and v.name in cohort
    ]  # fmt: skip
    columns = dict.fromkeys(outcome.column for outcome in outcomes.values())
    return {
        "patients": len(cohort),
        "groups": {
            v.name: {
                "label": v.label,
                "levels": int(cohort[v.name].nunique()),
                "counts": guard.table(_counts(cohort[v.name])),
            }
            for v in grouping
        },
        "variables": {v.name: _variable(cohort[v.name], v, event, guard) for v in baseline},
        "outcome_counts": {name: _grades(cohort[name], guard) for name in columns},
    }


def _variable(
    values: pd.Series, variable: Variable, event: np.ndarray, guard: Guard
) -> dict[str, Any]:
    missing = values.isna().to_numpy()
    with_event, without = int((missing & event).sum()), int((missing & ~event).sum())
    split = {
        "missing_with_event": guard.count(with_event, int(event.sum())),
        "missing_without_event": guard.count(without, int((~event).sum())),
    }
    if any(isinstance(count, dict) for count in split.values()):
        split = {key: guard.hidden() for key in split}  # one follows from the other and the sum
    found = {
        "known": guard.count(int((~missing).sum())),
        "missing": guard.count(int(missing.sum())),
        **split,
    }
    known = values.dropna()
    if variable.kind != "numeric":
        return found | {"levels": guard.table(_counts(known))}
    if len(known) < _LEAST_FOR_QUARTILES * guard.minimum:
        return found | {"quartiles": guard.hidden()}
    quartiles = np.quantile(known.to_numpy(float), [0.25, 0.5, 0.75])
    return found | {"quartiles": [float(f"{q:.4g}") for q in quartiles]}


def _grades(values: pd.Series, guard: Guard) -> dict[str, Any]:
    """Patients at each value of an outcome's column, or none of the counts.

    The numbers of events are known, and each is a sum of these counts: one small count could
    be worked out from the others, wherever it stands.
    """
    counts = values.dropna().value_counts().sort_index()
    small = bool((counts < guard.minimum).any())
    return {f"{value:g}": guard.hidden() if small else int(n) for value, n in counts.items()}


def _counts(values: pd.Series) -> dict[str, int]:
    """Patients per level: the most frequent first, then by name; 1 and 0 as yes and no."""
    known = values.dropna()
    if pd.api.types.is_numeric_dtype(known):
        known = known.map({1.0: "yes", 0.0: "no"})
    counts = known.astype(str).value_counts()
    return {name: int(counts[name]) for name in sorted(counts.index, key=lambda k: (-counts[k], k))}
