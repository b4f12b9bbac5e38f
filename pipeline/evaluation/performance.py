"""Every figure of one model on one group of patients, under many sets of weights."""

from __future__ import annotations

import numpy as np

from pipeline.evaluation.calibration import (
    calibration_intercept,
    calibration_slope,
    curve_distances,
    flexible_curve,
    observed_expected,
)
from pipeline.evaluation.discrimination import auroc, average_precision, concordance_within
from pipeline.evaluation.overall import brier, log_loss, scaled_brier

# Why a figure may be undefined, in the words that stand beside its null.
UNDEFINED = {
    "auroc": "one class only",
    "auroc_within_therapy": "no therapy has patients of both classes",
    "auprc": "no events",
    "scaled_brier": "one class only",
    "calibration_intercept": "one class only",
    "calibration_slope": "one class only, or risks that separate the classes",
    "ici": "one class only, or the curve cannot be fitted",
    "e50": "one class only, or the curve cannot be fitted",
    "e90": "one class only, or the curve cannot be fitted",
}
# Figures of ranking, which risks that are constant within folds do not have.
RANKING = ("auroc", "auroc_within_therapy", "auprc", "calibration_slope")
# The one that risks that are constant within therapy and fold do not have.
RANKING_WITHIN = ("auroc_within_therapy",)
FIGURES = (
    "auroc",
    "auroc_within_therapy",
    "auprc",
    "brier",
    "scaled_brier",
    "log_loss",
    "calibration_intercept",
    "calibration_slope",
    "observed_expected",
    "ici",
    "e50",
    "e90",
)


def performance(
    observed: np.ndarray,
    risks: np.ndarray,
    strata: np.ndarray | None,
    weights: np.ndarray,
    *,
    curve_at: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return each figure of `FIGURES` under each row of weights.

    A figure is computed within each repeat of the cross-validation, from the risks of all its
    folds together, and averaged over repeats. A patient's risks are not averaged over repeats
    first: that would judge an ensemble of more models than will be served, and flatter.

    Parameters
    ----------
    observed : ndarray of 0 and 1, shape (n,)
    risks : ndarray, shape (repeats, n)
    strata : ndarray of int, shape (n,), or None
        Therapy of each patient, negative where unknown; None where the cohort has none.
    weights : ndarray, shape (B, n)
    curve_at : ndarray, shape (k,), optional
        Risks at which the calibration curve is wanted too.

    Returns
    -------
    dict of ndarray, shape (B,)
        NaN where undefined in any repeat; with ``curve_at`` also ``curve``, shape (B, k).
    """
    at = np.empty(0) if curve_at is None else curve_at
    repeats = [_one_repeat(observed, risk, strata, weights, at) for risk in risks]
    names = FIGURES if curve_at is None else (*FIGURES, "curve")
    return {name: np.mean([figures[name] for figures in repeats], axis=0) for name in names}


def _one_repeat(
    observed: np.ndarray,
    risk: np.ndarray,
    strata: np.ndarray | None,
    weights: np.ndarray,
    curve_at: np.ndarray,
) -> dict[str, np.ndarray]:
    within = (
        np.full(len(weights), np.nan)
        if strata is None
        else concordance_within(observed, risk, strata, weights)
    )
    curve = flexible_curve(observed, risk, weights)
    return {
        "auroc": auroc(observed, risk, weights),
        "auroc_within_therapy": within,
        "auprc": average_precision(observed, risk, weights),
        "brier": brier(observed, risk, weights),
        "scaled_brier": scaled_brier(observed, risk, weights),
        "log_loss": log_loss(observed, risk, weights),
        "calibration_intercept": calibration_intercept(observed, risk, weights),
        "calibration_slope": calibration_slope(observed, risk, weights),
        "observed_expected": observed_expected(observed, risk, weights),
        **curve_distances(curve, risk, weights),
        "curve": curve(curve_at),
    }
