"""The tree learner: a small, shallow, monotone LightGBM on top of the prior log-odds.

It learns nested outcomes together, as one deviation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.config import Trees as Settings
from pipeline.model.booster import Booster
from pipeline.model.tuning import losses_of


@dataclass(frozen=True)
class Trees:
    """A fitted ensemble, which gives the deviation from the prior in log-odds.

    Attributes
    ----------
    text : str
        LightGBM's own text format.
    leaves, trees : int
        The size that inner cross-validation chose.
    base : float
        The ensemble's mean raw score (the base value of its SHAP values), which is taken off.
    """

    text: str
    leaves: int
    trees: int
    base: float

    def contributions(self, Z: np.ndarray) -> np.ndarray:
        """Exact SHAP values per column, shape (n, columns); they add up to the margin."""
        return Booster.of(self.text).contributions(Z)[:, :-1]

    def margin(self, Z: np.ndarray) -> np.ndarray:
        """Deviation in log-odds, shape (n,)."""
        return Booster.of(self.text).margin(Z) - self.base


def tune_trees(
    Z: np.ndarray,
    Y: np.ndarray,
    offset: np.ndarray,
    trends: list[int],
    folds: np.ndarray,
    settings: Settings,
    seed: int,
) -> tuple[tuple[int, int], np.ndarray]:
    """Choose leaves and number of trees by inner cross-validation.

    Parameters
    ----------
    Z : ndarray, shape (n, columns)
        Model matrix, NaN where missing.
    Y : ndarray of 0/1, shape (n, outcomes)
    offset : ndarray, shape (n, outcomes)
        Prior log-odds.
    trends : list of int
        Monotone constraint per column.
    folds : ndarray of int, shape (n,)
        Inner fold of each patient.

    Returns
    -------
    size : tuple of int
        Leaves and trees with the least out-of-fold log-loss, the simplest of equals.
    margin : ndarray, shape (n,)
        Its out-of-fold deviations, each fold's base taken off as in `Trees.margin`.
    """
    sizes = sorted(settings.trees)
    options = [(leaves, trees) for leaves in sorted(settings.leaves) for trees in sizes]
    margins, bases = np.empty((len(options), len(Y))), np.empty((len(options), len(Y)))
    for fold in np.unique(folds):
        held = folds == fold
        for at, leaves in enumerate(sorted(settings.leaves)):
            size = (leaves, sizes[-1])
            booster = _train(Z[~held], Y[~held], offset[~held], trends, size, settings, seed)
            for step, trees in enumerate(sizes):
                some = {"num_iteration": trees, "num_threads": 1}
                option = at * len(sizes) + step
                margins[option, held] = booster.predict(Z[held], raw_score=True, **some)
                bases[option, held] = booster.predict(Z[:1], pred_contrib=True, **some)[0, -1]
    # Simplest first: fewer leaves, then fewer trees.
    order = sorted(range(len(options)), key=lambda i: options[i][0] * options[i][1])
    each = np.broadcast_to(margins[order][:, :, None], (len(options), *Y.shape))
    best = order[int(np.argmin(losses_of(each, Y, offset).mean(axis=1)))]
    return options[best], margins[best] - bases[best]


def fit_trees(
    Z: np.ndarray,
    Y: np.ndarray,
    offset: np.ndarray,
    trends: list[int],
    size: tuple[int, int],
    settings: Settings,
    seed: int,
) -> Trees:
    """Fit the ensemble of the chosen size on all patients."""
    booster = _train(Z, Y, offset, trends, size, settings, seed)
    text = _without_limits(booster.model_to_string())
    base = float(Booster.of(text).contributions(Z[:1])[0, -1])
    return Trees(text, size[0], size[1], base)


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
    Y: np.ndarray,
    offset: np.ndarray,
    trends: list[int],
    size: tuple[int, int],
    settings: Settings,
    seed: int,
) -> Any:
    import lightgbm  # takes seconds: imported only where a model is fitted

    leaves, trees = size
    # Every patient counts once per outcome, each time with that outcome's prior.
    outcomes = Y.shape[1]
    least = min(settings.min_patients_per_leaf, max(1, int(settings.min_share_per_leaf * len(Z))))
    parameters = {
        "objective": "binary",
        "num_leaves": leaves,
        "learning_rate": settings.learning_rate,
        "max_bin": settings.bins,
        "min_data_in_leaf": least * outcomes,
        "lambda_l2": settings.l2 * outcomes,
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
    data = lightgbm.Dataset(
        np.tile(Z, (outcomes, 1)), label=Y.T.ravel(), init_score=offset.T.ravel()
    )
    return lightgbm.train(parameters, data, num_boost_round=trees)
