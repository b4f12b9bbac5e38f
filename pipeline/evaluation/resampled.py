"""Intervals of one unit's figures where its rows are not independent: whole sites are drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipeline.config import Evaluation
from pipeline.evaluation.bootstrap import Replicates, expanded_level, replicates, summaries
from pipeline.evaluation.performance import UNDEFINED, performance
from pipeline.evaluation.unit_figures import SCALES


def enough_apart(
    candidates: Sequence[np.ndarray | None], settings: Evaluation
) -> np.ndarray | None:
    """Return the first of several clusterings of the same rows with clusters enough to draw.

    As in the evaluation, at least ``minimum_sites``; None where there is no such clustering.
    """
    for codes in candidates:
        if codes is not None and len(np.unique(codes)) >= settings.minimum_sites:
            return codes
    return None


def with_resampled(
    row: Mapping[str, Any],
    y: np.ndarray,
    risk: np.ndarray,
    gaps: Mapping[str, np.ndarray],
    strata: np.ndarray | None,
    clusters: np.ndarray,
    settings: Evaluation,
    seed: int,
) -> dict[str, Any]:
    """Return a row of figures with the intervals of a bootstrap of whole clusters.

    Parameters
    ----------
    row : mapping
        ``figures`` and ``differences``, with analytic intervals. What has none keeps its reason.
    y : ndarray of 0 and 1, shape (n,)
    risk : ndarray, shape (n,)
    gaps : mapping of str to ndarray, shape (n,)
        Each patient's difference of log-loss, by comparator.
    strata : ndarray of int, shape (n,), or None
        Therapy of each patient.
    clusters : ndarray, shape (n,)
    settings : Evaluation
    seed : int
    """

    def differences(weights: np.ndarray) -> Replicates:
        return {name: weights @ gap / weights.sum(axis=1) for name, gap in gaps.items()}

    one_fit = np.zeros((1, len(y)), dtype=int)
    measures: dict[str, Callable[[np.ndarray], Replicates]] = {
        "figures": partial(performance, y, risk[None], one_fit, strata, figures=tuple(SCALES)),
        "differences": differences,
    }
    with threadpool_limits(1):  # one thread, so that sums are taken in the same order
        drawn = replicates(measures, len(y), settings.bootstrap, seed, clusters)
    level = expanded_level(settings.interval_level, len(np.unique(clusters)))
    figures, apart = (summaries(drawn[part], level, UNDEFINED) for part in measures)
    return {
        **row,
        "figures": {
            name: analytic if analytic["low"] is None else figures[name]
            for name, analytic in row["figures"].items()
        },
        "differences": {
            name: found if found["log_loss"]["low"] is None else {"log_loss": apart[name]}
            for name, found in row["differences"].items()
        },
    }
