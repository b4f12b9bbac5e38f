"""The model against a published score among the patients for whom the score is known.

Elsewhere those without it get the base rate, so that every model is judged on the same patients:
that is fair to a clinic, where inputs are missing, and too hard on the score itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from pipeline.config import Evaluation
from pipeline.evaluation.bootstrap import expanded_level, replicates, summaries
from pipeline.evaluation.comparators import PublishedScore
from pipeline.evaluation.oof import OutOfFold, aligned, read_outcome
from pipeline.evaluation.performance import performance, ranks_nobody, why_undefined
from pipeline.evaluation.subgroups import drawn_together
from pipeline.evaluation.suppression import suppressed

FIGURES = ("log_loss", "brier", "auroc", "auroc_within_therapy")


def complete_cases(
    oof: pd.DataFrame,
    scores: Sequence[PublishedScore],
    patients: np.ndarray,
    therapy: np.ndarray | None,
    clusters: np.ndarray | None,
    settings: Evaluation,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Judge model and score where the score is known, for the scores that some patients lack.

    Parameters
    ----------
    oof : DataFrame
        As `oof_frame` lays it out.
    scores : sequence of PublishedScore
    patients : ndarray of str, shape (n,)
        In the order of the scores' values, and so the next two.
    therapy, clusters : ndarray, shape (n,), or None
        As `evaluate` takes them.
    settings : Evaluation
    seed : int

    Returns
    -------
    dict of dict
        By score and outcome: ``n`` and ``differences``, the model minus the score; or
        ``reason`` why there is none.
    """
    labels = {"therapy": therapy, "clusters": clusters}
    codes = {
        name: None if own is None else pd.Series(pd.factorize(own)[0], index=patients, name=name)
        for name, own in labels.items()
    }
    found: dict[str, dict[str, Any]] = {}
    for score in scores:
        known = pd.Series(np.isfinite(score.values), index=patients, name=score.name)
        if known.all():
            continue
        found[score.name] = {}
        for outcome in dict.fromkeys(oof["outcome"]):
            data = read_outcome(oof, outcome)
            strata, drawn = (
                None if own is None else aligned(own, data.patient_id) for own in codes.values()
            )
            rows = aligned(known, data.patient_id)
            found[score.name][str(outcome)] = (
                _compared(data, score.name, rows, strata, drawn, settings, seed)
                if score.name in data.risks
                else {"reason": "the score was not evaluated"}
            )
    return found


def _compared(
    whole: OutOfFold,
    score: str,
    rows: np.ndarray,
    strata: np.ndarray | None,
    clusters: np.ndarray | None,
    settings: Evaluation,
    seed: int,
) -> dict[str, Any]:
    # Events among those with and without the score: either follows from the other and the total.
    cells = [np.sum(side & (whole.observed == y)) for side in (rows, ~rows) for y in (0, 1)]
    if min(cells) < settings.minimum_cell:
        return {"reason": suppressed(settings.minimum_cell)}
    data, n = whole.part(rows), int(rows.sum())
    therapy = None if strata is None else strata[rows]
    together = drawn_together(clusters, None, rows, settings)
    drawn = replicates(
        {
            name: partial(
                performance, data.observed, data.risks[name], data.folds, therapy, figures=FIGURES
            )
            for name in ("model", score)
        },
        n,
        settings.bootstrap,
        seed,
        together,
    )
    level = expanded_level(
        settings.interval_level, n if together is None else len(np.unique(together))
    )
    flat = ranks_nobody(data, "model", therapy) | ranks_nobody(data, score, therapy)
    gaps = {
        name: np.where(name in flat, np.nan, drawn["model"][name] - drawn[score][name])
        for name in FIGURES
    }
    reasons = why_undefined(data.observed, therapy) | flat
    return {"n": n, "differences": summaries(gaps, level, reasons)}
