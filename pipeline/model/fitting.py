"""Fits the risk model: the whole procedure that resampling repeats in every fold."""

from __future__ import annotations

import numpy as np

from pipeline.config import Model as Settings
from pipeline.config import Outcome
from pipeline.model.deviation import Cases, Deviation, fit_deviation
from pipeline.model.head import Head, choose_prior, recalibrate, too_few
from pipeline.model.imputation import fit_imputer
from pipeline.model.interval import Uncertainty, fit_uncertainty
from pipeline.model.linear import is_coded
from pipeline.model.risk_model import RiskModel, expit


def fit_risk_model(
    Z: np.ndarray,
    Y: np.ndarray,
    published: np.ndarray,
    trends: list[int],
    therapies: np.ndarray | None,
    outcomes: dict[str, Outcome],
    settings: Settings,
    seed: int,
    share: float = 1.0,
) -> RiskModel:
    """Fit all heads.

    Parameters
    ----------
    Z : ndarray, shape (n, columns)
        Model matrix, NaN where missing.
    Y : ndarray of 0/1, shape (n, outcomes)
    published : ndarray, shape (n, outcomes)
        Therapy prior on the logit scale, NaN where there is none.
    trends : list of int
        Monotone constraint per column.
    therapies : ndarray of str, shape (n,), or None
        Canonical names.
    share : float
        Share of the cohort that these patients are. Inside a resampling fold the minimum of
        patients and events shrinks with it, so that a fold decides as the whole cohort did.
    """
    imputer = fit_imputer(Z, settings.factors, seed)
    filled, coded = imputer.fill(Z), is_coded(Z)
    rows = _tuning_rows(len(Z), settings.tuning_patients, seed)
    minimum = (settings.minimum_patients * share, settings.minimum_events * share)
    reasons, cases, deviations = [], [], []
    margins = np.zeros((len(rows), len(outcomes)))
    for k in range(len(outcomes)):
        # A column of a matrix is a view, which LightGBM would copy with a warning.
        y = np.ascontiguousarray(Y[:, k])
        offset = choose_prior(y, published[:, k]).log_odds(published[:, k])
        cases.append(Cases(Z, filled, coded, trends, y, np.ascontiguousarray(offset)))
        events = int(y.sum())
        reasons.append(too_few(len(y), min(events, len(y) - events), minimum))
        fitted: Deviation | None = None
        if reasons[k] is None:
            fitted, margins[:, k] = fit_deviation(cases[k], rows, settings, seed)
        deviations.append(fitted)
    nested = _nested(outcomes) & np.array([d is not None for d in deviations])
    heads = tuple(
        _head(name, k, cases[k], deviations, margins, nested[k], rows, published, settings,
              reasons[k])
        for k, name in enumerate(outcomes)
    )  # fmt: skip
    seen = sorted({str(t) for t in therapies}) if therapies is not None else []
    return RiskModel(heads, imputer, _capped_by(outcomes), tuple(seen))


def _head(
    name: str,
    k: int,
    cases: Cases,
    deviations: list[Deviation | None],
    margins: np.ndarray,
    lends: np.ndarray,
    rows: np.ndarray,
    published: np.ndarray,
    settings: Settings,
    why_not_fitted: str | None,
) -> Head:
    y, offset = cases.y, cases.offset
    prior = choose_prior(y, published[:, k])
    uncertainty: Uncertainty | None = None
    own = deviations[k]
    if own is None:
        lends = np.zeros(len(lends), dtype=bool)
    if own is None and prior.kind == "base rate":
        a, b = 0.0, (0.0,) * len(lends)
    else:
        tuned = cases.part(rows)
        a, b = recalibrate(tuned.y, tuned.offset, margins, k, lends, prior, settings.deviation)
    if own is not None:
        F = [
            w * d.margins(cases.Z, cases.filled).mean(axis=1)
            for w, d in zip(b, deviations, strict=True)
            if d
        ]
        risk = expit(offset + a + np.sum(F, axis=0))
        uncertainty = fit_uncertainty(cases.filled, cases.coded, risk, settings.coefficient_sd)
    risk_in_the_large = expit(offset + a)
    information = float(np.sum(risk_in_the_large * (1 - risk_in_the_large)))
    return Head(
        outcome=name,
        prior=prior,
        deviation=own,
        a=a,
        b=b,
        uncertainty=uncertainty,
        intercept_sd=(information + settings.deviation.intercept_sd**-2.0) ** -0.5,
        patients=len(y),
        events=int(y.sum()),
        why_not_fitted=why_not_fitted,
    )


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
