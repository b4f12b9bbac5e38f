"""Every figure of one model on one group of patients, under many sets of weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.evaluation.bootstrap import MOVED
from pipeline.evaluation.calibration import (
    calibration_intercept,
    calibration_slope,
    calibration_slope_within,
    curve_distances,
    flexible_curve,
    observed_expected,
)
from pipeline.evaluation.discrimination import (
    average_precision,
    concordance_within,
    within_folds,
)
from pipeline.evaluation.oof import OutOfFold
from pipeline.evaluation.overall import brier, log_loss, scaled_brier

# Why a figure may be undefined in patients of both classes, in the words that stand beside its
# null; patients of one class have no figures at all.
UNDEFINED = {
    "auroc": "no fold has patients of both classes",
    "auroc_within_therapy": "no therapy has patients of both classes in one fold",
    "calibration_slope": "the risks separate the classes",
    "calibration_slope_within_therapy": "no therapy has patients of both classes",
    "ici": "the curve cannot be fitted",
    "e50": "the curve cannot be fitted",
    "e90": "the curve cannot be fitted",
}
NO_THERAPY = "no therapy is recorded"
# Figures of ranking, which risks that are constant within folds do not have.
RANKING = (
    "auroc",
    "auroc_within_therapy",
    "auprc",
    "calibration_slope",
    "calibration_slope_within_therapy",
)
# Those that risks that are constant within therapy and fold do not have.
RANKING_WITHIN = ("auroc_within_therapy", "calibration_slope_within_therapy")
FIGURES = (
    "auroc",
    "auroc_within_therapy",
    "auprc",
    "brier",
    "scaled_brier",
    "log_loss",
    "calibration_intercept",
    "calibration_slope",
    "calibration_slope_within_therapy",
    "observed_expected",
    "ici",
    "e50",
    "e90",
)
# Those that read the flexible calibration curve.
OF_CURVE = ("ici", "e50", "e90")


def performance(
    observed: np.ndarray,
    risks: np.ndarray,
    folds: np.ndarray,
    strata: np.ndarray | None,
    weights: np.ndarray,
    *,
    figures: Sequence[str] = FIGURES,
    curve_at: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return each figure under each row of weights.

    A figure is computed within each repeat of the cross-validation, from the risks of all its
    folds together (the AUROCs from the pairs of one fold), and averaged over repeats. A
    patient's risks are not averaged over repeats first: that would judge an ensemble of more
    models than will be served, and flatter.

    Parameters
    ----------
    observed : ndarray of 0 and 1, shape (n,)
    risks : ndarray, shape (repeats, n)
    folds : ndarray of int, shape (repeats, n)
    strata : ndarray of int, shape (n,), or None
        Therapy of each patient, negative where unknown; None where the cohort has none.
    weights : ndarray, shape (B, n)
    figures : sequence of str
        Some of `FIGURES`.
    curve_at : ndarray, shape (k,), optional
        Risks at which the calibration curve is wanted too.

    Returns
    -------
    dict of ndarray, shape (B,)
        NaN where undefined in any repeat; what the curve's distances have beside them, see
        `curve_distances`; with ``curve_at`` also ``curve``, shape (B, k).
    """
    repeats = [
        _one_repeat(observed, risk, fold, strata, weights, figures, curve_at)
        for risk, fold in zip(risks, folds, strict=True)
    ]
    return {name: np.mean([found[name] for found in repeats], axis=0) for name in repeats[0]}


def why_undefined(observed: np.ndarray, strata: np.ndarray | None) -> dict[str, str]:
    """Return, by figure, why it is undefined in these patients if it is.

    Parameters
    ----------
    observed : ndarray of 0 and 1, shape (n,)
        Of both classes.
    strata : ndarray of int, shape (n,), or None
        Therapy of each patient, negative where unknown; None where none is recorded.
    """
    if strata is None or not (strata >= 0).any():
        return UNDEFINED | dict.fromkeys(RANKING_WITHIN, NO_THERAPY)
    events = np.bincount(strata[strata >= 0], weights=observed[strata >= 0])
    patients = np.bincount(strata[strata >= 0])
    if not ((events > 0) & (events < patients)).any():
        return dict(UNDEFINED)
    return UNDEFINED | {"calibration_slope_within_therapy": UNDEFINED["calibration_slope"]}


def ranks_nobody(data: OutOfFold, model: str, strata: np.ndarray | None) -> dict[str, str]:
    """Return the figures of ranking that a model's risks do not have, each with the reason."""
    if data.constant_within_folds(model):
        return dict.fromkeys(RANKING, "risks are constant within folds")
    if strata is not None and data.constant_within_folds(model, strata):
        return dict.fromkeys(RANKING_WITHIN, "risks are constant within therapy and fold")
    return {}


def _one_repeat(
    observed: np.ndarray,
    risk: np.ndarray,
    fold: np.ndarray,
    strata: np.ndarray | None,
    weights: np.ndarray,
    figures: Sequence[str],
    curve_at: np.ndarray | None,
) -> dict[str, np.ndarray]:
    found = {name: _FUNCTIONS[name](observed, risk, weights) for name in figures
             if name in _FUNCTIONS}  # fmt: skip
    nothing = np.full(len(weights), np.nan)
    if "auroc" in figures:
        found["auroc"] = concordance_within(observed, risk, within_folds(fold), weights)
    if "auroc_within_therapy" in figures:
        found["auroc_within_therapy"] = (
            nothing
            if strata is None
            else concordance_within(observed, risk, within_folds(fold, strata), weights)
        )
    if "calibration_slope_within_therapy" in figures:
        found["calibration_slope_within_therapy"] = (
            nothing if strata is None else calibration_slope_within(observed, risk, strata, weights)
        )
    if curve_at is not None or any(name in OF_CURVE for name in figures):
        curve = flexible_curve(observed, risk, weights)
        found |= curve_distances(curve, risk)
        if curve_at is not None:
            found["curve"] = curve.in_replicates(curve_at)
    moved = [f"{name}{MOVED}" for name in figures if name in OF_CURVE]
    order = [*figures, *moved, *(["curve"] if curve_at is not None else [])]
    return {name: found[name] for name in order}


_FUNCTIONS = {
    "auprc": average_precision,
    "brier": brier,
    "scaled_brier": scaled_brier,
    "log_loss": log_loss,
    "calibration_intercept": calibration_intercept,
    "calibration_slope": calibration_slope,
    "observed_expected": observed_expected,
}
