"""Repeated stratified cross-validation around a whole procedure, parallel over folds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from zipfile import BadZipFile

import joblib
import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipeline.errors import InputError
from pipeline.model.linked_rows import deal_groups


class FitPredict(Protocol):
    """The whole procedure: fit on some patients, return risks for others.

    It must be picklable (a function of a module, or a ``functools.partial`` of one), and
    everything learned from data happens inside: imputation, tuning, calibration.
    """

    def __call__(
        self, train_rows: np.ndarray, test_rows: np.ndarray, seed: int
    ) -> Mapping[str, np.ndarray]:
        """Return, for each model, risks of the test rows, shape (test rows, outcomes)."""


@dataclass(frozen=True)
class Split:
    """Patients to fit on and patients to predict, as row numbers, and the seed of the fit."""

    train: np.ndarray
    test: np.ndarray
    seed: int


def outcome_strata(Y: np.ndarray, folds: int) -> np.ndarray:
    """Label the patients by what is to be spread evenly over the folds, shape (n,).

    Nested outcomes: the number of them that a patient reached. Others: their joint pattern,
    split by the outcome with the smallest class first, so that this one is spread best. Where
    a further split would leave fewer patients than folds on a side, it is not made: they stay
    with those who share the rarer outcomes.

    Parameters
    ----------
    Y : ndarray of 0 and 1, shape (n, outcomes)
    folds : int
    """
    events = Y.sum(axis=0)
    by_events = Y[:, np.argsort(events)]
    if (by_events[:, :-1] <= by_events[:, 1:]).all():
        return Y.sum(axis=1).astype(int)
    strata = np.zeros(len(Y), dtype=int)
    for k in np.argsort(np.minimum(events, len(Y) - events), kind="stable"):
        reached = Y[:, k].astype(int)
        sides = np.stack([np.bincount(strata[reached == v], minlength=strata.max() + 1)
                          for v in (0, 1)])  # fmt: skip
        split = sides.min(axis=0) >= folds
        strata = np.unique(2 * strata + split[strata] * reached, return_inverse=True)[1]
    return strata


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
        What to spread evenly, such as `outcome_strata`.
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
    return np.stack([deal_groups(labels, codes, folds, rng) for _ in range(repeats)])


def out_of_fold(
    fit_predict: FitPredict,
    folds: np.ndarray,
    seed: int,
    processes: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
    scratch: Path | None = None,
) -> dict[str, np.ndarray]:
    """Return every patient's risk from models that were fitted without the patient.

    Parameters
    ----------
    fit_predict : FitPredict
    folds : ndarray of int, shape (repeats, n)
        As `assign_folds` returns it.
    seed : int
        Each fold of each repeat gets its own seed from it, whatever the processes.
    processes, on_progress, scratch
        As in `fit_splits`.

    Returns
    -------
    dict of ndarray, shape (repeats, n, outcomes)
        By model; NaN where a fold did not give the model.
    """
    splits = {
        f"repeat_{r}_fold_{fold}": Split(
            np.flatnonzero(folds[r] != fold),
            np.flatnonzero(folds[r] == fold),
            _fold_seed(seed, r, int(fold)),
        )
        for r in range(len(folds))
        for fold in np.unique(folds[r])
    }
    found = fit_splits(fit_predict, splits, processes, on_progress, scratch)
    risks: dict[str, np.ndarray] = {}
    for name, split in splits.items():
        repeat = int(name.split("_")[1])
        for model, values in found[name].items():
            if model not in risks:
                risks[model] = np.full((*folds.shape, values.shape[1]), np.nan)
            risks[model][repeat, split.test] = values
    return {model: risks[model] for model in sorted(risks)}


def fit_splits(
    fit_predict: FitPredict,
    splits: Mapping[str, Split],
    processes: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
    scratch: Path | None = None,
) -> dict[str, Mapping[str, np.ndarray]]:
    """Fit on each split's training patients and predict its others, in parallel, resumably.

    Parameters
    ----------
    fit_predict : FitPredict
    splits : mapping of str to Split
        The name of each also names its file in ``scratch``.
    processes : int
        Splits fitted at a time; each on one thread, which also keeps sums in one order.
    on_progress : callable, optional
        Called with the number of splits done and their total after each.
    scratch : Path, optional
        Folder where each split's risks are kept as soon as they are there, and found again
        after an interruption. Whoever gives it answers for everything behind the risks
        having stayed the same; see ``Job.scratch``.

    Returns
    -------
    dict of dict of ndarray, shape (test rows, outcomes)
        By split and model, in the order of ``splits``.
    """
    found = {} if scratch is None else dict(_kept(scratch, splits))
    missing = [name for name in splits if name not in found]
    if found and on_progress is not None:
        on_progress(len(found), len(splits))
    calls = [joblib.delayed(_one_split)(fit_predict, name, splits[name]) for name in missing]
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        results = joblib.Parallel(
            n_jobs=max(1, min(processes, len(missing))), return_as="generator_unordered"
        )(calls)
        for name, risks in results:
            found[name] = risks
            if scratch is not None:
                _keep(scratch / f"{name}.npz", risks)
            if on_progress is not None:
                on_progress(len(found), len(splits))
    # Splits end in any order; they come out in the same one.
    return {name: found[name] for name in splits}


def _one_split(
    fit_predict: FitPredict, name: str, split: Split
) -> tuple[str, Mapping[str, np.ndarray]]:
    with threadpool_limits(1):
        return name, fit_predict(split.train, split.test, split.seed)


def _kept(
    scratch: Path, splits: Mapping[str, Split]
) -> Iterator[tuple[str, Mapping[str, np.ndarray]]]:
    for name in splits:
        try:
            with np.load(scratch / f"{name}.npz", allow_pickle=False) as file:
                yield name, {model: file[model] for model in file.files}
        except (OSError, EOFError, ValueError, BadZipFile):
            continue  # not there, or damaged: it is fitted again


def _keep(path: Path, risks: Mapping[str, np.ndarray]) -> None:
    """Write whole or not at all: a stop may come at any time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".new")
    with aside.open("wb") as file:
        np.savez(file, **dict(risks))  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def _fold_seed(seed: int, repeat: int, fold: int) -> int:
    # LightGBM takes signed 32-bit seeds.
    return int(np.random.SeedSequence([seed, repeat, fold]).generate_state(1)[0] >> 1)


def _deal_rows(labels: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """Deal like cards: label after label in random order, going on where the last one ended."""
    order = np.lexsort((rng.random(len(labels)), labels))
    fold = np.empty(len(labels), dtype=int)
    fold[order] = rng.permutation(folds)[np.arange(len(labels)) % folds]
    return fold
