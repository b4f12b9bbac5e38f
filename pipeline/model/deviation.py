"""The learned deviation of nested outcomes: three learners of what moves them all.

Outcomes that are thresholds of one column (CRS of any grade, of grade 2, of grade 3) tell of
the same severity. One deviation is learned from all of them together, each with its own prior
and intercept: a rare outcome alone would show little. How far each outcome follows it is the
head's matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.config import Model as Settings
from pipeline.model.linear import LinearLearner, fit_linear, tune_linear
from pipeline.model.trees import Trees, fit_trees, tune_trees
from pipeline.model.tuning import inner_folds

LEARNERS = ("trees", "ridge", "elastic_net")


@dataclass(frozen=True)
class Cases:
    """Training patients of one or more nested outcomes.

    Attributes
    ----------
    Z, filled : ndarray, shape (n, columns)
        Model matrix, with missing values and with them filled.
    coded : ndarray of bool, shape (columns,)
        Which columns are 0/1.
    trends : list of int
        Direction in which risk is known to move with each column: 1, -1, or 0 for unknown. The
        trees obey it, and the linear learners shrink such a column less.
    Y : ndarray of 0/1, shape (n, outcomes)
    offset : ndarray, shape (n, outcomes)
        Prior log-odds.
    together : ndarray, shape (n,), or None
        Which rows an inner fold holds or leaves as a whole.
    """

    Z: np.ndarray
    filled: np.ndarray
    coded: np.ndarray
    trends: list[int]
    Y: np.ndarray
    offset: np.ndarray
    together: np.ndarray | None = None

    def part(self, rows: np.ndarray) -> Cases:
        """The same for some of the patients."""
        return Cases(
            self.Z[rows], self.filled[rows], self.coded, self.trends, self.Y[rows],
            self.offset[rows], None if self.together is None else self.together[rows],
        )  # fmt: skip


@dataclass(frozen=True)
class Deviation:
    """Three fitted learners; a weighted sum of log-odds keeps reasons exact."""

    trees: Trees
    ridge: LinearLearner
    elastic_net: LinearLearner

    def margins(self, Z: np.ndarray, filled: np.ndarray) -> np.ndarray:
        """Deviation in log-odds by each learner, shape (n, 3), about 0 on average."""
        return np.column_stack(
            [self.trees.margin(Z), self.ridge.margin(filled), self.elastic_net.margin(filled)]
        )

    def contributions(
        self, Z: np.ndarray, filled: np.ndarray, weights: tuple[float, ...]
    ) -> np.ndarray:
        """Parts of the weighted sum of margins per column, shape (n, columns)."""
        trees, ridge, net = weights
        parts = ridge * self.ridge.contributions(filled)
        parts += net * self.elastic_net.contributions(filled)
        return parts + trees * self.trees.contributions(Z) if trees else parts


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
    margins : ndarray, shape (len(tuning_rows), 3)
        Out-of-fold deviations of the tuning patients, by learner.
    """
    inner = cases.part(tuning_rows)
    folds = inner_folds(inner.Y.sum(axis=1), settings.inner_folds, seed, inner.together)
    own = (inner.Y, inner.offset)
    size, by_trees = tune_trees(inner.Z, *own, inner.trends, folds, settings.trees, seed)
    linear = (inner.filled, inner.coded, inner.trends, *own, folds)
    ridge, by_ridge = tune_linear(*linear, settings.ridge, seed)
    net, by_net = tune_linear(*linear, settings.elastic_net, seed)
    everyone = (cases.filled, cases.coded, cases.trends, cases.Y, cases.offset)
    fitted = Deviation(
        fit_trees(cases.Z, cases.Y, cases.offset, cases.trends, size, settings.trees, seed),
        fit_linear(*everyone, ridge, settings.ridge),
        fit_linear(*everyone, net, settings.elastic_net),
    )
    return fitted, np.column_stack([by_trees, by_ridge, by_net])
