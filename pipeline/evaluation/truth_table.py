"""How near the risks and their intervals come to the truth, as the evaluation reports it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from pipeline.evaluation.bootstrap import Replicates, summaries, summary
from pipeline.evaluation.oof import OutOfFold
from pipeline.evaluation.truth import (
    calibration_to_truth,
    coverage_by_therapy,
    distance_to_truth,
    expected_discrimination,
    interval_coverage,
    oracle,
)


def truth_measures(
    data: OutOfFold, truth: np.ndarray, strata: np.ndarray | None
) -> dict[str, Callable[[np.ndarray], Replicates]]:
    """Name what is computed under each block of weights where the true risk is known.

    Parameters
    ----------
    data : OutOfFold
    truth : ndarray, shape (n,)
    strata : ndarray of int, shape (n,), or None
    """
    folds = data.folds
    true = np.broadcast_to(truth, folds.shape)
    measures: dict[str, Callable[[np.ndarray], Replicates]] = {
        "oracle": partial(oracle, data.observed, truth, folds, strata),
        "expected.oracle": partial(expected_discrimination, truth, true, folds, strata),
        "calibration_to_truth": partial(calibration_to_truth, truth, data.risks["model"]),
    }
    for name, risk in data.risks.items():
        measures[f"truth.{name}"] = partial(distance_to_truth, truth, risk)
        measures[f"expected.{name}"] = partial(expected_discrimination, truth, risk, folds, strata)
    for level, (low, high) in data.intervals.items():
        measures[f"coverage.{level}"] = partial(interval_coverage, truth, low, high)
        if strata is not None:
            measures[f"therapies.{level}"] = partial(coverage_by_therapy, truth, low, high, strata)
    return measures


def truth_table(
    drawn: dict[str, Replicates],
    models: list[str],
    strata: np.ndarray | None,
    names: list[str],
    level: float,
    undefined: Mapping[str, str],
    minimum: int,
) -> dict[str, Any]:
    """Summarise the replicates of `truth_measures`.

    Parameters
    ----------
    drawn : dict of dict of ndarray
        By measure and figure.
    models : list of str
    strata : ndarray of int, shape (n,), or None
    names : list of str
        Of the therapies that ``strata`` numbers.
    level : float
        Of the bootstrap's intervals.
    undefined : mapping of str to str
        Why a figure is, as `why_undefined` says.
    minimum : int
        Therapies of fewer patients are not looked at by themselves.

    Returns
    -------
    dict
        ``oracle`` and ``models``: AUROCs and what a model lacks of the oracle's, each for the
        outcomes that were drawn and, as ``expected_``, averaged over what might have been
        drawn; ``calibration``; ``interval``: coverage and width of the
        interval that is served; and ``coverage``: the same by nominal level, with the therapy
        in which the interval holds the true risk least often, its patients and its coverage.
    """
    of_oracle = drawn["oracle"] | drawn["expected.oracle"]
    below = {
        name: {
            figure: of_oracle[figure] - own[figure]
            for figure in (
                "expected_auroc_within_therapy",
                "auroc_within_therapy",
                "expected_auroc",
                "auroc",
            )
        }
        for name in models
        for own in [drawn[f"models.{name}"] | drawn[f"expected.{name}"]]
    }
    intervals = [key.removeprefix("coverage.") for key in drawn if key.startswith("coverage.")]
    return {
        "oracle": summaries(of_oracle, level, undefined),
        "models": {
            name: {
                **summaries(drawn[f"truth.{name}"], level, undefined),
                **{
                    f"{figure}_below_oracle": summary(gap, level, "the model or oracle has none")
                    for figure, gap in below[name].items()
                },
            }
            for name in models
        },
        "calibration": summaries(drawn["calibration_to_truth"], level, undefined),
        "interval": summaries(drawn["coverage.served"], level, undefined)
        if "served" in intervals
        else None,
        "coverage": [
            {
                "level": float(nominal) / 100,
                **summaries(drawn[f"coverage.{nominal}"], level, undefined),
                "lowest": None
                if strata is None
                else _lowest(
                    drawn[f"therapies.{nominal}"]["coverage"], strata, names, level, minimum
                ),
            }
            for nominal in intervals
            if nominal != "served"
        ],
    }


def _lowest(
    coverage: np.ndarray, strata: np.ndarray, names: list[str], level: float, minimum: int
) -> dict[str, Any] | None:
    """The therapy whose patients' true risks the intervals hold least often."""
    n = np.bincount(strata[strata >= 0], minlength=len(names))
    if not (n >= minimum).any():
        return None
    worst = int(np.argmin(np.where(n >= minimum, coverage[0], np.inf)))
    found = summary(coverage[:, worst], level, "no patient")
    return {"therapy": names[worst], "n": int(n[worst]), "coverage": found}
