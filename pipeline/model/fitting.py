"""Fits the risk model: the whole procedure that resampling repeats in every fold."""

from __future__ import annotations

import numpy as np

from pipeline.config import Model as Settings
from pipeline.config import Outcome
from pipeline.model.deviation import LEARNERS, Cases, Deviation, fit_deviation
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
from pipeline.model.one_thread import one_thread
from pipeline.model.patients import Patients
from pipeline.model.recalibration import fit_shrunk
from pipeline.model.risk_model import RiskModel, expit


@one_thread()
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
    imputer = fit_imputer(Z, settings.factors, seed)
    filled, coded = imputer.fill(Z), is_coded(Z)
    rows = _tuning_rows(len(Z), settings.tuning_patients, seed)
    whole = Y if whole is None else whole
    reasons = [_why_not(patients, whole, k, settings) for k in range(len(outcomes))]
    effects = np.zeros((len(outcomes), Z.shape[1]))
    offset = np.empty(Y.shape)
    for k in range(len(outcomes)):
        offset[:, k] = choose_prior(Y[:, k], published[:, k]).log_odds(published[:, k])
        if reasons[k] is None and patients.therapy_columns.any():
            codes = np.nan_to_num(Z[:, patients.therapy_columns])
            sd = _therapy_sd(codes, patients.published_sd[:, k], settings.therapy_sd)
            found = fit_shrunk(Y[:, k], offset[:, k], codes, settings.deviation.intercept_sd, sd)
            effects[k, patients.therapy_columns] = found
            offset[:, k] += codes @ found
    deviations: list[Deviation | None] = [None] * len(outcomes)
    margins = np.zeros((len(outcomes), len(rows), len(LEARNERS)))
    for nested in _nested(outcomes):
        fitted = [k for k in nested if reasons[k] is None]
        if fitted:
            trends = list(patients.trends)
            together = patients.together(rows, fitted, settings.inner_folds)
            cases = Cases(Z, filled, coded, trends, Y[:, fitted], offset[:, fitted], together)
            found_deviation, found_margins = fit_deviation(cases, rows, settings, seed)
            for k in fitted:
                deviations[k], margins[k] = found_deviation, found_margins
    modalities = np.nan_to_num(Z[:, patients.modality_columns])
    heads = []
    for k, name in enumerate(outcomes):
        y, own, prior = Y[:, k], deviations[k], choose_prior(Y[:, k], published[:, k])
        a, m = 0.0, np.ones(modalities.shape[1])
        b: tuple[float, ...] = (0.0,) * len(LEARNERS)
        if own is not None or prior.kind == "published":
            a, b, m = recalibrate(
                y[rows], offset[rows, k], margins[k], modalities[rows], settings.deviation
            )
        F = np.zeros((len(y), len(LEARNERS))) if own is None else own.margins(Z, filled)
        risk = expit(offset[:, k] + a + (1 + modalities @ (m - 1)) * (F @ np.array(b)))
        heads.append(
            Head(
                outcome=name,
                prior=prior,
                deviation=own,
                a=a,
                b=b,
                # Where nothing was fitted, what predictors might do is uncertain all the same.
                uncertainty=fit_uncertainty(
                    filled, coded, risk, _belief_sd(patients, own is not None, settings)
                ),
                patients=len(y),
                events=shown_events(y),
                why_not_fitted=reasons[k],
                therapy_effects=_by_column(effects[k], np.ones(Z.shape[1], dtype=bool)),
                modality_effects=_by_column(m - 1, patients.modality_columns),
                information=information_by_arm(patients.arms, risk) if own is not None else {},
            )
        )
    therapies = patients.therapies
    seen = sorted({str(t) for t in therapies}) if therapies is not None else []
    return RiskModel(tuple(heads), imputer, _capped_by(outcomes), tuple(seen))


def _belief_sd(patients: Patients, fitted: bool, settings: Settings) -> np.ndarray:
    """Belief about effects behind the interval, per column: their spread in log-odds.

    What is believed of a therapy's own rate is wider than of any other effect; 0/1 columns are
    scaled by a half.
    """
    effect = settings.coefficient_sd if fitted else settings.coefficient_sd_unfitted
    return np.where(patients.therapy_columns, settings.therapy_sd / 2, effect)


def _by_column(effects: np.ndarray, columns: np.ndarray) -> tuple[float, ...]:
    """Effects laid out over all columns of the matrix; empty where there is none."""
    laid_out = np.zeros(len(columns))
    laid_out[columns] = effects
    return tuple(float(effect) for effect in laid_out) if laid_out.any() else ()


def _why_not(patients: Patients, whole: np.ndarray, k: int, settings: Settings) -> str | None:
    """Why nothing may be fitted for an outcome, in words, or None where it may."""
    if not patients.Z.shape[1]:
        return "no predictor is left: the risk is the prior alone, recalibrated at most"
    # Each inner fold needs a person with an event, too.
    inner = (settings.inner_folds, settings.inner_folds)
    minimum = (settings.minimum_patients, settings.minimum_events)
    return too_few(whole[:, k], minimum) or too_few(patients.reached(k), inner)


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


def _nested(outcomes: dict[str, Outcome]) -> list[list[int]]:
    """Positions of the outcomes that are thresholds of one column, column by column."""
    columns = [outcome.column for outcome in outcomes.values()]
    return [[k for k, c in enumerate(columns) if c == column] for column in dict.fromkeys(columns)]


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
