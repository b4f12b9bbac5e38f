"""Who trains each point of the learning curve: nested parts of every fold's training patients."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.evaluation.resampling import Split


def training_sizes(folds: np.ndarray, fewest: int, most: int) -> list[int]:
    """Return training sizes, rising: a fold's, its half and so on, none below ``fewest``."""
    sizes = [full_size(folds)]
    while len(sizes) < most and sizes[0] // 2 >= fewest:
        sizes.insert(0, sizes[0] // 2)
    return sizes


def nested_subsets(
    folds: np.ndarray,
    sizes: list[int],
    subsets: int,
    seed: int,
    persons: np.ndarray | None = None,
) -> dict[str, Split]:
    """Draw the training patients of every fit, the costly ones first.

    Parameters
    ----------
    folds : ndarray of int, shape (repeats, n)
    sizes : list of int
        Rising; a larger part of the same draw holds the smaller ones.
    subsets : int
        Draws for each fold.
    seed : int
    persons : ndarray, shape (n,), optional
        Who each row is, where some have several: persons are drawn with all their rows, as
        many as do not exceed the size. Whole sites would make the sizes too coarse.

    Returns
    -------
    dict of str to Split
        As `fit_splits` takes them.
    """
    found = {}
    for r, fold_of in enumerate(folds):
        for fold in np.unique(fold_of):
            train, test = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
            for s in range(subsets):
                rng = np.random.default_rng([seed, r, int(fold), s])
                order = rng.permutation(train)
                ends = np.arange(1, len(order) + 1)
                if persons is not None:
                    order, ends = _side_by_side(order, persons)
                for size in sizes:
                    whole = max(1, int((ends <= size).sum()))
                    rows = np.sort(order[: ends[whole - 1]])
                    part = Split(rows, test, int(rng.integers(2**31)))
                    found[_fit_name(size, r, int(fold), s)] = part
    by_size = sorted(found, key=lambda name: -len(found[name].train))
    return {name: found[name] for name in by_size}


def _side_by_side(order: np.ndarray, persons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Put each person's rows where the first of them stands, and say where each person ends."""
    _, first, codes = np.unique(persons[order], return_index=True, return_inverse=True)
    by_person = np.argsort(first[codes], kind="stable")
    _, counts = np.unique(first[codes], return_counts=True)
    return order[by_person], np.cumsum(counts)


def _fit_name(size: int, repeat: int, fold: int, subset: int) -> str:
    return f"{size}_repeat_{repeat}_fold_{fold}_part_{subset}"


def _size_of(fit_name: str) -> int:
    """The size that was asked for; the rows of whole persons may be fewer."""
    return int(fit_name.split("_")[0])


def risks_by_size(
    fits: dict[str, Any],
    drawn: dict[str, Split],
    folds: np.ndarray,
    sizes: list[int],
    k: int,
    subsets: int,
) -> dict[int, np.ndarray]:
    """Return the risks of outcome ``k`` by size, each of shape (subsets, repeats, n)."""
    risks = {}
    for size in sizes[:-1]:
        table = np.full((subsets, *folds.shape), np.nan)
        for r, fold_of in enumerate(folds):
            for fold in np.unique(fold_of):
                for s in range(subsets):
                    name = _fit_name(size, r, int(fold), s)
                    table[s, r, drawn[name].test] = fits[name]["model"][:, k]
        risks[size] = table
    return risks


def training_rows(
    drawn: dict[str, Split], folds: np.ndarray, sizes: list[int]
) -> list[list[np.ndarray]]:
    """Return the training patients of every fit of each size; the last size is whole folds."""
    rows: dict[int, list[np.ndarray]] = {size: [] for size in sizes}
    for name, split in drawn.items():
        rows[_size_of(name)].append(split.train)
    rows[sizes[-1]] = [np.flatnonzero(row != f) for row in folds for f in np.unique(row)]
    return [rows[size] for size in sizes]


def full_size(folds: np.ndarray) -> int:
    """Return the training patients that every fold has at least."""
    return int(folds.shape[1] - max(np.bincount(row).max() for row in folds))
