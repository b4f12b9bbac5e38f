"""The learned deviation f(x) of one outcome: the mean, in log-odds, of three learners."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.config import Model as Settings
from pipeline.model.linear import LinearLearner, fit_linear, tune_linear
from pipeline.model.trees import Trees, fit_trees, tune_trees
from pipeline.model.tuning import inner_folds


@dataclass(frozen=True)
class Cases:
    """Training patients of one outcome.

    Attributes
    ----------
    Z, filled : ndarray, shape (n, columns)
        Model matrix, with missing values and with them filled.
    coded : ndarray of bool, shape (columns,)
        Which columns are 0/1.
    trends : list of int
        Monotone constraint per column.
    y : ndarray of 0/1, shape (n,)
    offset : ndarray, shape (n,)
        Prior log-odds.
    """

    Z: np.ndarray
    filled: np.ndarray
    coded: np.ndarray
    trends: list[int]
    y: np.ndarray
    offset: np.ndarray

    def part(self, rows: np.ndarray) -> Cases:
        """The same for some of the patients."""
        return Cases(
            self.Z[rows], self.filled[rows], self.coded, self.trends, self.y[rows],
            self.offset[rows],
        )  # fmt: skip


@dataclass(frozen=True)
class Deviation:
    """Three fitted learners with equal weights; averaging log-odds keeps reasons exact."""

    trees: Trees
    ridge: LinearLearner
    elastic_net: LinearLearner

    def margins(self, Z: np.ndarray, filled: np.ndarray) -> np.ndarray:
        """Deviation in log-odds by each learner, shape (n, 3); f is their mean."""
        return np.column_stack(
            [self.trees.margin(Z), self.ridge.margin(filled), self.elastic_net.margin(filled)]
        )

    def contributions(self, Z: np.ndarray, filled: np.ndarray) -> np.ndarray:
        """Parts of it per column, and the base value last, shape (n, columns + 1)."""
        linear = self.ridge.contributions(filled) + self.elastic_net.contributions(filled)
        return (self.trees.contributions(Z) + linear) / 3


def fit_deviation(
    cases: Cases, tuning_rows: np.ndarray, settings: Settings, seed: int
) -> tuple[Deviation, np.ndarray]:
    """Tune each learner on some patients, and fit it on all.

    Parameters
    ----------
    cases : Cases
    tuning_rows : ndarray of int
        Patients on whom sizes and penalties are chosen.

    Returns
    -------
    deviation : Deviation
    margin : ndarray, shape (len(tuning_rows),)
        Out-of-fold f of the tuning patients.
    """
    inner = cases.part(tuning_rows)
    folds = inner_folds(inner.y, settings.inner_folds, seed)
    simpler = settings.one_standard_error
    linear = (inner.filled, inner.coded, inner.y, inner.offset, folds)
    trees = tune_trees(
        inner.Z, inner.y, inner.offset, inner.trends, folds, settings.trees, simpler, seed
    )
    ridge = tune_linear(*linear, settings.ridge, simpler)
    net = tune_linear(*linear, settings.elastic_net, simpler)
    everyone = (cases.filled, cases.coded, cases.y, cases.offset)
    fitted = Deviation(
        fit_trees(
            cases.Z, cases.y, cases.offset, cases.trends, trees.setting, settings.trees, seed
        ),
        fit_linear(*everyone, ridge.setting, settings.ridge),
        fit_linear(*everyone, net.setting, settings.elastic_net),
    )
    return fitted, (trees.margin + ridge.margin + net.margin) / 3
