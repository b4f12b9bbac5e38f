"""Canonical values to model matrix: the same code for a cohort and for one new patient."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pipeline.features.plan import THERAPY_SOURCES, Column, FeaturePlan
from pipeline.features.scores import BY_NAME, compute

Values = Mapping[str, np.ndarray]


def values_of(frame: pd.DataFrame, plan: FeaturePlan) -> dict[str, np.ndarray]:
    """Take the plan's variables from a frame of canonical values.

    Column order does not matter, further columns are ignored, and an absent column is
    missing throughout.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        float64 for numeric and binary variables, object for text.
    """
    values = {}
    for variable in plan.variables:
        text = variable.kind == "categorical"
        values[variable.name] = _column(frame, variable.name, text)
    for name in (plan.therapy, plan.disease):
        if name is not None and name not in values:
            values[name] = _column(frame, name, text=True)
    return values


def build_matrix(values: Values, plan: FeaturePlan) -> np.ndarray:
    """Build the model matrix.

    Parameters
    ----------
    values : mapping of str to ndarray, shape (n,)
        Canonical values of the plan's variables; NaN or None where missing.
    plan : FeaturePlan

    Returns
    -------
    ndarray of float64, shape (n, len(plan.columns))
        NaN where a value, or any input of a score, is missing, and where a level is unlisted.
    """
    sources = dict(values) | score_values(values, plan)
    if plan.facts is not None and plan.therapy is not None:
        names = plan.facts.names(values[plan.therapy])
        sources |= {source: plan.facts.values(names, source) for source in THERAPY_SOURCES}
    for name, listed in plan.listed_levels.items():
        is_listed = np.isin(sources[name].astype(str), list(listed))
        sources[name] = np.where(is_listed, sources[name], np.array(None, dtype=object))
    n = len(next(iter(sources.values())))
    matrix = np.empty((n, len(plan.columns)))
    for j, column in enumerate(plan.columns):
        matrix[:, j] = _transformed(sources[column.source], column)
    return matrix


def score_values(values: Values, plan: FeaturePlan) -> dict[str, np.ndarray]:
    """The plan's scores as published, not as logarithms, each of shape (n,)."""
    return {
        score.name: compute(
            BY_NAME[score.name],
            [values[v] * f for v, f in zip(score.variables, score.factors, strict=True)],
        )
        for score in plan.scores
    }


def prior_log_odds(values: Values, plan: FeaturePlan) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds of the therapy prior and their standard deviation, shape (n, outcomes).

    NaN where an outcome has no published rates, and where a therapy is unknown.
    """
    n = len(next(iter(values.values())))
    log_odds = np.full((n, len(plan.grades)), np.nan)
    sd = np.full((n, len(plan.grades)), np.nan)
    published = [k for k, grade in enumerate(plan.grades) if grade is not None]
    if plan.facts is not None and plan.therapy is not None and published:
        names = plan.facts.names(values[plan.therapy])
        diseases = values[plan.disease] if plan.disease else None
        grades = [grade for grade in plan.grades if grade is not None]
        log_odds[:, published], sd[:, published] = plan.facts.prior(names, diseases, grades)
    return log_odds, sd


def arm_names(values: Values, plan: FeaturePlan) -> np.ndarray | None:
    """Therapy in a disease, which is what a published rate speaks of, shape (n,).

    None where the plan has no therapy prior.
    """
    if plan.facts is None or plan.therapy is None:
        return None
    therapies = plan.facts.names(values[plan.therapy]).astype(str)
    if plan.disease is None:
        return therapies
    diseases = values[plan.disease].astype(str)
    return np.char.add(np.char.add(therapies, " in "), diseases)


def _transformed(values: np.ndarray, column: Column) -> np.ndarray:
    if column.level is not None:
        missing = pd.isna(values)
        return np.where(missing, np.nan, (values == column.level).astype(float))
    if column.log_floor is not None:
        return np.log(np.maximum(values, column.log_floor))
    return values


def _column(frame: pd.DataFrame, name: str, text: bool) -> np.ndarray:
    if name not in frame:
        return np.full(len(frame), None if text else np.nan, dtype=object if text else float)
    column = frame[name]
    if text:
        values = column.astype(object).to_numpy(dtype=object, copy=True)
        values[pd.isna(values)] = None
        return values
    return pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan)
