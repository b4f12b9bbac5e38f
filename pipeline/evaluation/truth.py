"""Distance to the truth, where a synthetic cohort knows each patient's true risk."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.evaluation.calibration import calibration_intercept, calibration_slope
from pipeline.evaluation.discrimination import (
    concordance_within,
    expected_concordance,
    within_folds,
)
from pipeline.evaluation.overall import clipped, log_loss, weighted_mean


def oracle(
    observed: np.ndarray,
    truth: np.ndarray,
    folds: np.ndarray,
    strata: np.ndarray | None,
    weights: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return what a model that knew the true risks would show on these patients.

    Its AUROCs are of the same pairs as those of the models: of one fold, averaged over repeats.

    Parameters
    ----------
    observed : ndarray of 0 and 1, shape (n,)
    truth : ndarray, shape (n,)
        Risk given what is observed at baseline.
    folds : ndarray of int, shape (repeats, n)
    strata : ndarray of int, shape (n,), or None
    weights : ndarray, shape (B, n)

    Returns
    -------
    dict of ndarray, shape (B,)
        ``auroc``, ``auroc_within_therapy`` (NaN without strata), ``log_loss``.
    """
    ranked = _ranked(
        concordance_within, observed, np.broadcast_to(truth, folds.shape), folds, strata, weights
    )
    return {**ranked, "log_loss": log_loss(observed, truth, weights)}


def distance_to_truth(
    truth: np.ndarray, risks: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Compare out-of-fold risks with the true ones, free of the outcomes' chance.

    Parameters
    ----------
    truth : ndarray, shape (n,)
    risks : ndarray, shape (repeats, n)
    weights : ndarray, shape (B, n)

    Returns
    -------
    dict of ndarray, shape (B,)
        ``regret``, the expected log-loss above the oracle's (the Kullback-Leibler divergence
        of the risk from the truth), and ``mean_absolute_error`` of the risk, averaged over
        repeats.
    """
    true = clipped(truth)
    predicted = clipped(risks)
    loss = -(true * np.log(predicted) + (1 - true) * np.log1p(-predicted)).mean(axis=0)
    entropy = -(true * np.log(true) + (1 - true) * np.log1p(-true))
    return {
        "regret": weighted_mean(loss - entropy, weights),
        "mean_absolute_error": weighted_mean(np.abs(risks - truth).mean(axis=0), weights),
    }


def expected_discrimination(
    truth: np.ndarray,
    risks: np.ndarray,
    folds: np.ndarray,
    strata: np.ndarray | None,
    weights: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return the AUROCs that the risks would show on average over the outcomes' chance.

    The patients and their true risks are these; their outcomes are not. With few events the
    AUROC of the outcomes that happened strays from this by far more than models differ.

    Shapes as in `distance_to_truth` and `oracle`; pairs of one fold, averaged over repeats.

    Returns
    -------
    dict of ndarray, shape (B,)
        ``expected_auroc``, ``expected_auroc_within_therapy`` (NaN without strata).
    """
    ranked = _ranked(expected_concordance, truth, risks, folds, strata, weights)
    return {f"expected_{name}": values for name, values in ranked.items()}


def _ranked(
    concordance: Callable[..., np.ndarray],
    outcome: np.ndarray,
    risks: np.ndarray,
    folds: np.ndarray,
    strata: np.ndarray | None,
    weights: np.ndarray,
) -> dict[str, np.ndarray]:
    """AUROCs over the pairs of one fold, averaged over repeats; NaN within unknown strata."""

    def over_repeats(codes: np.ndarray | None) -> np.ndarray:
        each = [
            concordance(outcome, risk, within_folds(fold, codes), weights)
            for risk, fold in zip(risks, folds, strict=True)
        ]
        return np.asarray(np.mean(each, axis=0))

    nothing = np.full(len(weights), np.nan)
    return {
        "auroc": over_repeats(None),
        "auroc_within_therapy": nothing if strata is None else over_repeats(strata),
    }


def calibration_to_truth(
    truth: np.ndarray, risks: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Return calibration intercept and slope with the true risk in the outcome's place.

    Shapes as in `distance_to_truth`; averaged over repeats.
    """
    return {
        "calibration_intercept": np.mean(
            [calibration_intercept(truth, risk, weights) for risk in risks], axis=0
        ),
        "calibration_slope": np.mean(
            [calibration_slope(truth, risk, weights) for risk in risks], axis=0
        ),
    }


def interval_coverage(
    truth: np.ndarray, low: np.ndarray, high: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Return how often a risk's interval holds the true risk, and how wide it is.

    Parameters
    ----------
    truth : ndarray, shape (n,)
    low, high : ndarray, shape (repeats, n)
    weights : ndarray, shape (B, n)

    Returns
    -------
    dict of ndarray, shape (B,)
        ``coverage`` and ``mean_width``, averaged over repeats.
    """
    inside = ((low <= truth) & (truth <= high)).mean(axis=0)
    return {
        "coverage": weighted_mean(inside, weights),
        "mean_width": weighted_mean((high - low).mean(axis=0), weights),
    }


def coverage_by_therapy(
    truth: np.ndarray, low: np.ndarray, high: np.ndarray, strata: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Return how often the interval holds the true risk, for each therapy.

    An interval may be right for nine in ten patients on the whole and miss a whole therapy.

    Parameters
    ----------
    truth, low, high, weights
        As in `interval_coverage`.
    strata : ndarray of int, shape (n,)
        Therapy of each patient, negative where unknown.

    Returns
    -------
    dict of ndarray, shape (B, therapies)
        ``coverage``; NaN in replicates without a patient of the therapy.
    """
    inside = ((low <= truth) & (truth <= high)).mean(axis=0)
    member = (strata[:, None] == np.arange(strata.max(initial=0) + 1)).astype(float)
    patients = weights @ member
    covered = weights @ (member * inside[:, None])
    share = np.full(patients.shape, np.nan)
    return {"coverage": np.divide(covered, patients, out=share, where=patients > 0)}
