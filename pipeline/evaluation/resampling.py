"""Repeated stratified cross-validation around a whole procedure, parallel over folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import joblib
import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipeline.errors import InputError


class FitPredict(Protocol):
    """The whole procedure: fit on some patients, return risks for others.

    It must be picklable (a function of a module, or a ``functools.partial`` of one), and
    everything learned from data happens inside: imputation, tuning, calibration.
    """

    def __call__(
        self, train_rows: np.ndarray, test_rows: np.ndarray, seed: int
    ) -> Mapping[str, np.ndarray]:
        """Return, for each model, risks of the test rows, shape (test rows, outcomes)."""


def assign_folds(
    labels: np.ndarray,
    folds: int,
    repeats: int,
    seed: int,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """Deal patients into folds, anew for each repeat.

    Parameters
    ----------
    labels : ndarray, shape (n,)
        What to spread evenly; for nested outcomes the number of them that the patient reached.
    folds, repeats : int
    seed : int
    groups : ndarray, shape (n,), optional
        Patient or site; the rows of a group stay in one fold.

    Returns
    -------
    ndarray of int, shape (repeats, n)
        Fold of each row. Without groups, folds differ by at most one row overall and by at
        most one row of each label.

    Raises
    ------
    InputError
        If there are fewer rows, or fewer groups, than folds.
    """
    labels = np.unique(labels, return_inverse=True)[1]
    codes = None if groups is None else np.unique(groups, return_inverse=True)[1]
    units = len(labels) if codes is None else int(codes.max()) + 1
    if units < folds:
        found = "patients" if codes is None else "groups"
        raise InputError(
            f"{folds} folds for {units} {found}",
            column="evaluation.folds",
            expected=f"at most one fold per {found.rstrip('s')}",
            mend="lower evaluation.folds, or leave evaluation.group out",
        )
    rng = np.random.default_rng(seed)
    if codes is None or units == len(labels):
        return np.stack([_deal_rows(labels, folds, rng) for _ in range(repeats)])
    return np.stack([_deal_groups(labels, codes, folds, rng) for _ in range(repeats)])


def out_of_fold(
    fit_predict: FitPredict,
    folds: np.ndarray,
    seed: int,
    processes: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, np.ndarray]:
    """Return every patient's risk from models that were fitted without the patient.

    Parameters
    ----------
    fit_predict : FitPredict
    folds : ndarray of int, shape (repeats, n)
        As `assign_folds` returns it.
    seed : int
        Each fold of each repeat gets its own seed from it, whatever the processes.
    processes : int
        Folds fitted at a time; each on one thread, which also keeps sums in one order.
    on_progress : callable, optional
        Called with the number of folds done and their total after each fold.

    Returns
    -------
    dict of ndarray, shape (repeats, n, outcomes)
        By model; NaN where a fold did not give the model.
    """
    tasks = [(r, int(f)) for r in range(len(folds)) for f in np.unique(folds[r])]
    calls = [
        joblib.delayed(_one_fold)(fit_predict, folds[r], r, f, _fold_seed(seed, r, f))
        for r, f in tasks
    ]
    risks: dict[str, np.ndarray] = {}
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        results = joblib.Parallel(
            n_jobs=min(processes, len(tasks)), return_as="generator_unordered"
        )(calls)
        for done, (repeat, rows, found) in enumerate(results, start=1):
            for name, values in found.items():
                if name not in risks:
                    risks[name] = np.full((*folds.shape, values.shape[1]), np.nan)
                risks[name][repeat, rows] = values
            if on_progress is not None:
                on_progress(done, len(tasks))
    # Folds end in any order; names come out in the same one.
    return {name: risks[name] for name in sorted(risks)}


def _one_fold(
    fit_predict: FitPredict, fold_of: np.ndarray, repeat: int, fold: int, seed: int
) -> tuple[int, np.ndarray, Mapping[str, np.ndarray]]:
    test = np.flatnonzero(fold_of == fold)
    with threadpool_limits(1):
        return repeat, test, fit_predict(np.flatnonzero(fold_of != fold), test, seed)


def _fold_seed(seed: int, repeat: int, fold: int) -> int:
    # LightGBM takes signed 32-bit seeds.
    return int(np.random.SeedSequence([seed, repeat, fold]).generate_state(1)[0] >> 1)


def _deal_rows(labels: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """Deal like cards: label after label in random order, going on where the last one ended."""
    order = np.lexsort((rng.random(len(labels)), labels))
    fold = np.empty(len(labels), dtype=int)
    fold[order] = rng.permutation(folds)[np.arange(len(labels)) % folds]
    return fold


def _deal_groups(
    labels: np.ndarray, codes: np.ndarray, folds: int, rng: np.random.Generator
) -> np.ndarray:
    """Give each group, large ones first, to the fold that it leaves most even."""
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
