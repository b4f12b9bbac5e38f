"""Fits the risk model: the whole procedure that resampling repeats in every fold."""

from __future__ import annotations

import numpy as np

from pipeline.config import Model as Settings
from pipeline.config import Outcome
from pipeline.model.deviation import Cases, Deviation, fit_deviation
from pipeline.model.head import (
    Head,
    choose_prior,
    information_by_arm,
    recalibrate,
    shown_events,
    too_few,
)
from pipeline.model.imputation import fit_imputer
from pipeline.model.interval import fit_uncertainty
from pipeline.model.linear import is_coded
from pipeline.model.patients import Patients
from pipeline.model.recalibration import fit_shrunk
from pipeline.model.risk_model import RiskModel, expit


def fit_risk_model(
    patients: Patients, settings: Settings, seed: int, whole: np.ndarray | None = None
) -> RiskModel:
    """Fit all heads.

    Parameters
    ----------
    patients : Patients
    settings : Settings
    seed : int
    whole : ndarray of 0/1, shape (cohort, outcomes), optional
        Outcomes of the whole cohort, where these patients are a resampling fold of it:
        whether enough is known to fit anything is then decided as for the whole.
    """
    Z, Y, published, outcomes = patients.Z, patients.Y, patients.published, patients.outcomes
    therapy_columns, trends = patients.therapy_columns, list(patients.trends)
    imputer = fit_imputer(Z, settings.factors, seed)
    filled, coded = imputer.fill(Z), is_coded(Z)
    rows = _tuning_rows(len(Z), settings.tuning_patients, seed)
    minimum = (settings.minimum_patients, settings.minimum_events)
    whole = Y if whole is None else whole
    reasons, cases, effects, deviations = [], [], [], []
    # What is believed of a therapy's own rate is wider than of any other effect; 0/1 columns
    # are scaled by a half.
    belief_sd = np.where(therapy_columns, settings.therapy_sd / 2, settings.coefficient_sd)
    margins = np.zeros((len(rows), len(outcomes)))
    for k in range(len(outcomes)):
        # A column of a matrix is a view, which LightGBM would copy with a warning.
        y = np.ascontiguousarray(Y[:, k])
        offset = choose_prior(y, published[:, k]).log_odds(published[:, k])
        # Each inner fold needs an event, too.
        inner = (settings.inner_folds, settings.inner_folds)
        reasons.append(too_few(whole[:, k], minimum) or too_few(y, inner))
        effects.append(np.zeros(Z.shape[1]))
        if reasons[k] is None and therapy_columns.any():
            codes = np.nan_to_num(Z[:, therapy_columns])
            sd = _therapy_sd(codes, patients.published_sd[:, k], settings.therapy_sd)
            found = fit_shrunk(y, offset, codes, settings.deviation.intercept_sd, sd)
            effects[k][therapy_columns] = found
            offset = offset + codes @ found
        cases.append(Cases(Z, filled, coded, trends, y, np.ascontiguousarray(offset)))
        fitted: Deviation | None = None
        if reasons[k] is None:
            fitted, margins[:, k] = fit_deviation(cases[k], rows, settings, seed)
        deviations.append(fitted)
    nested = _nested(outcomes) & np.array([d is not None for d in deviations])
    heads = tuple(
        _head(name, k, cases[k], effects[k], deviations, margins, nested[k], rows, published,
              belief_sd, settings, reasons[k], patients.arms)
        for k, name in enumerate(outcomes)
    )  # fmt: skip
    therapies = patients.therapies
    seen = sorted({str(t) for t in therapies}) if therapies is not None else []
    return RiskModel(heads, imputer, _capped_by(outcomes), tuple(seen))


def _head(
    name: str,
    k: int,
    cases: Cases,
    effects: np.ndarray,
    deviations: list[Deviation | None],
    margins: np.ndarray,
    lends: np.ndarray,
    rows: np.ndarray,
    published: np.ndarray,
    belief_sd: np.ndarray,
    settings: Settings,
    why_not_fitted: str | None,
    arms: np.ndarray | None,
) -> Head:
    y, offset = cases.y, cases.offset
    prior = choose_prior(y, published[:, k])
    own = deviations[k]
    if own is None:
        lends = np.zeros(len(lends), dtype=bool)
    if own is None and prior.kind == "base rate":
        a, b = 0.0, (0.0,) * len(lends)
    else:
        tuned = cases.part(rows)
        a, b = recalibrate(tuned.y, tuned.offset, margins, k, lends, prior, settings.deviation)
    F = [
        w * d.margins(cases.Z, cases.filled).mean(axis=1)
        for w, d in zip(b, deviations, strict=True)
        if d and w
    ]
    risk = expit(offset + a + np.sum(F, axis=0))
    return Head(
        outcome=name,
        prior=prior,
        deviation=own,
        a=a,
        b=b,
        # Where nothing was fitted, what the predictors might do is uncertain all the same.
        uncertainty=fit_uncertainty(cases.filled, cases.coded, risk, belief_sd),
        patients=len(y),
        events=shown_events(y),
        why_not_fitted=why_not_fitted,
        therapy_effects=tuple(float(u) for u in effects) if effects.any() else (),
        information=information_by_arm(arms, risk) if own is not None else {},
    )


def _therapy_sd(codes: np.ndarray, published_sd: np.ndarray, therapy_sd: float) -> np.ndarray:
    """How far each therapy's rate may lie from the published one in this cohort.

    The published rate's own uncertainty, averaged over the therapy's patients, and the spread
    between cohorts add up.
    """
    patients = np.maximum(codes.sum(axis=0), 1)
    variance = codes.T @ np.nan_to_num(published_sd) ** 2 / patients
    return np.sqrt(variance + therapy_sd**2)


def _tuning_rows(n: int, most: int, seed: int) -> np.ndarray:
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


def _nested(outcomes: dict[str, Outcome]) -> np.ndarray:
    """Which outcomes are thresholds of one column, shape (outcomes, outcomes)."""
    columns = np.array([outcome.column for outcome in outcomes.values()])
    return columns[:, None] == columns[None, :]


def _capped_by(outcomes: dict[str, Outcome]) -> tuple[int | None, ...]:
    """Per outcome, the position of the next lower threshold on the same column."""
    found: list[int | None] = []
    for outcome in outcomes.values():
        below = [
            (other.at_least, k)
            for k, other in enumerate(outcomes.values())
            if other.column == outcome.column and other.at_least < outcome.at_least
        ]
        found.append(max(below)[1] if below else None)
    return tuple(found)
