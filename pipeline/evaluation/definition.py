"""What the figures are, in the words that go beside them into the file and the card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from pipeline.config import Evaluation
from pipeline.evaluation.comparators import UNPUBLISHED_SD
from pipeline.evaluation.grouping import Grouping
from pipeline.evaluation.overall import SMALLEST_RISK
from pipeline.evaluation.performance import FIGURES


def definition(
    oof: pd.DataFrame,
    therapy: pd.Series | None,
    cluster: pd.Series | None,
    settings: Evaluation,
    groupings: Sequence[Grouping] = (),
) -> dict[str, Any]:
    """Return the definitions, with the numbers that this run used.

    Parameters
    ----------
    oof : DataFrame
        Out-of-fold risks, for the number of folds and repeats.
    therapy : Series or None
        None where no therapy is recorded.
    cluster : Series or None
        What was resampled as a whole, instead of patients.
    settings : Evaluation
    groupings : sequence of Grouping
        By which subgroups were formed.
    """
    formed = {grouping.variable for grouping in groupings}
    absent = [name for name in settings.subgroups.by if name not in formed]
    folds, repeats = oof["fold"].nunique(), oof["repeat"].nunique()
    drawn = "patients" if cluster is None else f"{cluster.nunique()} clusters, whole"
    units = "patients"
    if cluster is not None:
        units = f"clusters, whole (its patients, where it spans under {settings.minimum_sites})"
    return {
        "resampling": (
            f"{folds}-fold cross-validation, {repeats} times, stratified by outcome; the entire "
            "procedure is fitted anew in each fold"
        ),
        "estimand": (
            "performance of the procedure on new patients like these, fitted on "
            f"{1 - 1 / folds:.0%} of them; each figure from all folds' risks of one repeat "
            "(AUROCs from the pairs of one fold), averaged over repeats (risks are not)"
        ),
        "intervals": (
            f"{settings.interval_level:.0%} percentile bootstrap of the out-of-fold risks, "
            f"{settings.bootstrap} samples of {drawn}, the same in every repeat and for every "
            "model (ici, e50, e90: see there), expanded as Hesterberg does (Am Stat 2015;69:371), "
            "since percentiles of few units are too narrow; refitting is not part of the interval"
        ),
        "differences": "model minus comparator on the same samples; below 0 is better for "
        "log_loss and brier, above 0 for auroc",
        "auroc": (
            "share of pairs of patients of one fold, one with and one without the event, in which "
            "the one with the event has the higher risk. Pairs of two folds are left out: each "
            "patient's outcome was in the training of the other's model only, which lowers an "
            "AUROC (Airola, Comput Stat Data Anal 2011;55:1828)"
        ),
        "auroc_within_therapy": "the same over pairs of patients on the same therapy, pooled",
        "by_therapy": therapy is not None,
        "therapy_only": (
            "the therapy's prior rate, corrected by the training patients' own; where there is "
            f"none, their own rate by therapy, shrunk with a standard deviation of "
            f"{UNPUBLISHED_SD:g} in log-odds"
            if therapy is not None
            else "the training patients' base rate, since no therapy is recorded"
        ),
        "auprc": "average precision; its value for uninformative risks is the prevalence",
        "scaled_brier": "1 - Brier / Brier of the prevalence",
        "calibration_intercept": "intercept with the predicted log-odds as offset; ideal 0",
        "calibration_slope": "slope on the predicted log-odds with a free intercept; ideal 1",
        "calibration_slope_within_therapy": (
            "slope on the predicted log-odds with an intercept for each therapy: only differences "
            "between patients on one therapy count; ideal 1. An intercept within therapy is one "
            "number for each therapy, and no single figure"
        ),
        "ici": (
            "mean distance (e50, e90: quantiles) of the risks from the flexible calibration "
            "curve, a logistic regression on a restricted cubic spline of the predicted log-odds; "
            "chance alone raises them. Interval: the estimate plus and minus the distance that "
            "curves of resamples keep from the data's own, cut at 0; it holds 0 where chance alone "
            "explains the estimate"
        ),
        "net_benefit": (
            "TP/n - FP/n * threshold / (1 - threshold), pooled out-of-fold risks; rounded to one "
            "patient of n, since more digits would give small numbers of alerts away"
        ),
        "subgroups": (
            "the model's out-of-fold risks judged within each group; intervals from resampling "
            f"the group's own {units}; groups of fewer than "
            f"{settings.subgroups.minimum_patients} patients, or with fewer than "
            f"{settings.subgroups.minimum_events} events or non-events, have no figures; many "
            "groups are looked at, and some will stand out by chance"
        ),
        "subgroups_not_in_cohort": absent,
        "net_benefit_classification": (
            "what an alert at each threshold of the decision curve would mean; null where one of "
            f"the four cells of alert by outcome holds fewer than {settings.minimum_cell} "
            "patients; whole per cent, or the few between neighbouring thresholds could be counted"
        ),
        "truth": (
            "outcomes as drawn: those that this cohort happened to have; mean over outcomes: every "
            "pair of patients i, j counted p_i (1 - p_j) times by their true risks p, as if each "
            "patient's outcome were drawn over and over"
        ),
        "clipped": f"risks nearer to 0 or 1 than {SMALLEST_RISK:g}, moved there for log-loss and "
        "calibration only; counted as patients, over all models",
        "suppression": f"counts under {settings.minimum_cell}, and what would reveal them, "
        "are not given; an outcome with fewer events or non-events has no figure at all",
        "interval_level": settings.interval_level,
        "bootstrap": settings.bootstrap,
        "folds": int(folds),
        "repeats": int(repeats),
        "figures": list(FIGURES),
    }
