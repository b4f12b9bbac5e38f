"""The tree learner: a small, shallow, monotone LightGBM on top of the prior log-odds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.config import Trees as Settings
from pipeline.model.booster import Booster
from pipeline.model.tuning import Tuned, choose


@dataclass(frozen=True)
class Trees:
    """A fitted ensemble, which gives the deviation from the prior in log-odds.

    Attributes
    ----------
    text : str
        LightGBM's own text format.
    leaves, trees : int
        The size that inner cross-validation chose.
    """

    text: str
    leaves: int
    trees: int

    def contributions(self, Z: np.ndarray) -> np.ndarray:
        """Exact SHAP values per column, and the base value last, shape (n, columns + 1)."""
        return Booster.of(self.text).contributions(Z)

    def margin(self, Z: np.ndarray) -> np.ndarray:
        """Deviation in log-odds, shape (n,)."""
        return Booster.of(self.text).margin(Z)


def tune_trees(
    Z: np.ndarray,
    y: np.ndarray,
    offset: np.ndarray,
    trends: list[int],
    folds: np.ndarray,
    settings: Settings,
    one_standard_error: bool,
    seed: int,
) -> Tuned:
    """Choose leaves and number of trees by inner cross-validation.

    Parameters
    ----------
    Z : ndarray, shape (n, columns)
        Model matrix, NaN where missing.
    y : ndarray of 0/1, shape (n,)
    offset : ndarray, shape (n,)
        Prior log-odds.
    trends : list of int
        Monotone constraint per column.
    folds : ndarray of int, shape (n,)
        Inner fold of each patient.

    Returns
    -------
    Tuned
        The chosen ``(leaves, trees)`` and its out-of-fold margins.
    """
    sizes = sorted(settings.trees)
    options = [(leaves, trees) for leaves in sorted(settings.leaves) for trees in sizes]
    margins = np.empty((len(options), len(y)))
    for fold in np.unique(folds):
        held = folds == fold
        for at, leaves in enumerate(sorted(settings.leaves)):
            size = (leaves, sizes[-1])
            booster = _train(Z[~held], y[~held], offset[~held], trends, size, settings, seed)
            for step, trees in enumerate(sizes):
                margins[at * len(sizes) + step, held] = booster.predict(
                    Z[held], raw_score=True, num_iteration=trees, num_threads=1
                )
    # Simplest first: fewer leaves, then fewer trees.
    order = sorted(range(len(options)), key=lambda i: options[i][0] * options[i][1])
    return choose([options[i] for i in order], margins[order], y, offset, one_standard_error)


def fit_trees(
    Z: np.ndarray,
    y: np.ndarray,
    offset: np.ndarray,
    trends: list[int],
    size: tuple[int, int],
    settings: Settings,
    seed: int,
) -> Trees:
    """Fit the ensemble of the chosen size on all patients."""
    booster = _train(Z, y, offset, trends, size, settings, seed)
    return Trees(text=_without_limits(booster.model_to_string()), leaves=size[0], trees=size[1])


def _without_limits(text: str) -> str:
    """Drop each column's smallest and largest training value: single patients' values.

    LightGBM writes them down as ``feature_infos``, asks on loading that there be one entry a
    column, and reads them no further.
    """
    return re.sub(
        r"^feature_infos=.*$",
        lambda line: "feature_infos=" + " ".join(["none"] * len(line.group().split(" "))),
        text,
        flags=re.MULTILINE,
    )


def _train(
    Z: np.ndarray,
    y: np.ndarray,
    offset: np.ndarray,
    trends: list[int],
    size: tuple[int, int],
    settings: Settings,
    seed: int,
) -> Any:
    import lightgbm  # takes seconds: imported only where a model is fitted

    leaves, trees = size

    parameters = {
        "objective": "binary",
        "num_leaves": leaves,
        "learning_rate": settings.learning_rate,
        "max_bin": settings.bins,
        "min_data_in_leaf": settings.min_patients_per_leaf,
        "lambda_l2": settings.l2,
        "feature_fraction": settings.feature_fraction,
        "bagging_fraction": settings.bagging_fraction,
        "bagging_freq": 1 if settings.bagging_fraction < 1 else 0,
        "monotone_constraints": trends,
        "boost_from_average": False,
        "deterministic": True,
        "force_row_wise": True,
        # One thread: small cohorts fit fastest so, and trees are then the same everywhere.
        "num_threads": 1,
        "seed": seed,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(np.ascontiguousarray(Z), label=y, init_score=offset)
    return lightgbm.train(parameters, data, num_boost_round=trees)
