"""Rows that belong together: of one patient, or of one group that the config names."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.config import Evaluation
from pipeline.errors import InputError, did_you_mean


def fold_groups(cohort: pd.DataFrame, settings: Evaluation) -> np.ndarray | None:
    """Return which rows stay in one fold, shape (n,), or None where each may lie anywhere.

    Rows of one patient stay together, and rows that share the value of the config's
    ``group``: whatever is linked by either.

    Raises
    ------
    InputError
        If the config names a column that the cohort lacks, or if patients with rows in
        several groups leave fewer of them apart than there are folds.
    """
    # Here, because scoring imports this module by way of the model and needs no scipy.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    keys = [key for key in (settings.patient, settings.group) if key is not None]
    if not keys:
        return None
    codes = [_labels(cohort, key) for key in keys]
    group = codes[0]
    for other in codes[1:]:
        size = int(group.max() + other.max() + 2)
        places = (group, other + group.max() + 1)
        links = coo_array((np.ones(len(group)), places), shape=(size, size))
        group = connected_components(links, directed=False)[1][group]
        before, after = len(np.unique(other)), len(np.unique(group))
        if after < settings.folds <= before:
            raise InputError(
                f"patients (column '{settings.patient}') with rows under several values of "
                f"'{settings.group}' link its {before} values to {after} that can be told apart, "
                f"for {settings.folds} folds",
                column="evaluation.group",
                expected=f"at least {settings.folds} groups that share no patient",
                mend=f"leave evaluation.group out (a patient's rows stay together all the same), "
                f"lower evaluation.folds, or correct '{settings.patient}' where one name stands "
                "for several patients",
            )
    return group


def persons(cohort: pd.DataFrame, settings: Evaluation) -> np.ndarray | None:
    """Return the patient of each row, shape (n,), or None where each row is one."""
    return None if settings.patient is None else _labels(cohort, settings.patient)


def deal_groups(
    labels: np.ndarray, codes: np.ndarray, folds: int, rng: np.random.Generator
) -> np.ndarray:
    """Give each group, large ones first, to the fold that it leaves most even.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        From 0: what to spread evenly.
    codes : ndarray of int, shape (n,)
        Group of each row, from 0; at least as many groups as folds.
    folds : int
    rng : Generator

    Returns
    -------
    ndarray of int, shape (n,)
        Fold of each row.
    """
    counts = np.zeros((int(codes.max()) + 1, int(labels.max()) + 1))
    np.add.at(counts, (codes, labels), 1)
    # Shares of each label, so that a rare one counts as much as a common one.
    shares = counts / counts.sum(axis=0)
    # Sizes are shaken, or a few unequal sites would give the same folds in every repeat.
    size = counts.sum(axis=1) * rng.uniform(0.5, 1.5, size=len(counts))
    held = np.zeros((folds, counts.shape[1]))
    fold_of_group = np.empty(len(counts), dtype=int)
    for place, group in enumerate(np.argsort(-size, kind="stable")):
        if len(counts) - place <= np.sum(held.sum(axis=1) == 0):
            choices = np.flatnonzero(held.sum(axis=1) == 0)  # no fold may stay empty
        else:
            choices = np.arange(folds)
        # Adding to a fold raises the sum of squares by 2 held * share, up to a constant.
        chosen = choices[np.argmin(held[choices] @ shares[group])]
        held[chosen] += shares[group]
        fold_of_group[group] = chosen
    return fold_of_group[codes]


def _labels(cohort: pd.DataFrame, column: str) -> np.ndarray:
    if column not in cohort:
        raise InputError(
            f"'{column}' is not in the cohort{did_you_mean(column, map(str, cohort.columns))}",
            column="evaluation",
            expected="a column of the cohort under 'patient' and 'group'",
            mend="correct the name, or leave the key out",
        )
    return pd.factorize(cohort[column], sort=True, use_na_sentinel=False)[0]
