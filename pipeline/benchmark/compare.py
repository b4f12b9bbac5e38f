"""From finished cells to figures with intervals, paired differences, ranks and verdicts."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from pipeline.evaluation.bootstrap import replicates as replicates_of
from pipeline.evaluation.bootstrap import summaries, summary, weight_blocks
from pipeline.evaluation.overall import clipped
from pipeline.evaluation.performance import RANKING, UNDEFINED, performance

OURS = "ours"
LOSSES = ("log_loss", "brier")
SHOWN = ("auroc", "log_loss", "brier", "calibration_slope", "ici")


def figures(
    observed: np.ndarray,
    risks: np.ndarray,
    folds: np.ndarray,
    replicates: int,
    level: float,
    seed: int,
) -> dict[str, Any]:
    """Figures of one procedure on one outcome of one table, each with its interval.

    Parameters
    ----------
    observed : ndarray of 0 and 1, shape (n,)
    risks : ndarray, shape (repeats, n)
        Out of fold.
    folds : ndarray of int, shape (repeats, n)
        Risks that are constant within folds rank nobody: they have no AUROC and no slope.
    """
    measure = partial(performance, observed, risks, folds, None, figures=SHOWN)
    drawn = replicates_of({"figures": measure}, len(observed), replicates, seed)["figures"]
    constant = all(
        np.ptp(risk[fold == f]) < 1e-12
        for risk, fold in zip(risks, folds, strict=True)
        for f in np.unique(fold)
    )
    if constant:
        drawn |= {k: np.full(1 + replicates, np.nan) for k in RANKING if k in drawn}
    return summaries(drawn, level, UNDEFINED)


def losses(observed: np.ndarray, risks: np.ndarray) -> dict[str, np.ndarray]:
    """Each patient's log-loss and squared error, averaged over the repeats, shape (n,)."""
    p = clipped(risks)
    log_loss = -(observed * np.log(p) + (1 - observed) * np.log1p(-p))
    return {"log_loss": log_loss.mean(axis=0), "brier": ((risks - observed) ** 2).mean(axis=0)}


def difference(
    ours: np.ndarray, theirs: np.ndarray, replicates: int, level: float, seed: int
) -> dict[str, Any]:
    """Mean of ours minus theirs, with the interval of a bootstrap of patients.

    ``verdict`` is ``win`` or ``loss`` where the interval leaves out 0, and else ``tie``.
    """
    paired = ours - theirs
    means = [
        (weights @ paired) / weights.sum(axis=1)
        for weights in weight_blocks(len(paired), replicates, seed)
    ]
    found = summary(np.concatenate(means), level)
    verdict = "win" if found["high"] < 0 else "loss" if found["low"] > 0 else "tie"
    return {**found, "verdict": verdict}


def ranks(table: pd.DataFrame) -> pd.DataFrame:
    """Rank of each procedure by each loss within each table and outcome, 1 the least.

    Parameters
    ----------
    table : DataFrame
        ``table``, ``outcome``, ``procedure`` and the losses.

    Returns
    -------
    DataFrame
        Mean rank per procedure, a column per loss and ``mean``, over the tables on which all
        of these procedures ran; best first.
    """
    wide = {
        loss: table.pivot_table(index=["table", "outcome"], columns="procedure", values=loss)
        for loss in LOSSES
    }
    found = pd.DataFrame(
        {
            loss: values.dropna(axis=1).rank(axis=1, method="average").mean()
            for loss, values in wide.items()
        }
    )
    found["mean"] = found.mean(axis=1)
    return found.sort_values("mean")


def against_the_best(rows: list[dict[str, Any]], loss: str) -> dict[str, Any]:
    """Ours against the procedure that did best on one outcome of one table.

    Parameters
    ----------
    rows : list of dict
        Entries of one table and outcome, each with ``procedure``, ``figures`` and, for all but
        ours, ``ours_minus_theirs``.

    Returns
    -------
    dict
        ``best`` other procedure, ours minus it, and the ``verdict``.
    """
    others = [row for row in rows if row["procedure"] != OURS]
    best = min(others, key=lambda row: row["figures"][loss]["estimate"])
    return {"best": best["procedure"], **best["ours_minus_theirs"][loss]}
