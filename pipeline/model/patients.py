"""What a fit reads of a cohort: one preparation for training and for resampling."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd

from pipeline.config import Evaluation, Outcome
from pipeline.features.matrix import arm_names, build_matrix, prior_log_odds, values_of
from pipeline.features.plan import FeaturePlan
from pipeline.model.linked_rows import fold_groups, persons


@dataclass(frozen=True)
class Patients:
    """Patients as the fit sees them. Nothing here is learned from outcomes.

    Attributes
    ----------
    Z : ndarray, shape (n, columns)
        Model matrix, NaN where missing.
    Y : ndarray of 0/1, shape (n, outcomes)
    published, published_sd : ndarray, shape (n, outcomes)
        Therapy prior on the logit scale, NaN where there is none, and its standard deviation:
        a rate of which little is published may move further.
    therapies : ndarray of str, shape (n,), or None
        Canonical names.
    arms : ndarray of str, shape (n,), or None
        Therapy in a disease, which is what a published rate speaks of.
    trends : tuple of int
        Direction in which risk is known to move with each column: 1, -1, or 0 for unknown.
    therapy_columns : ndarray of bool, shape (columns,)
        Columns that code the therapy: each gets a random intercept around its published rate.
    modality_columns : ndarray of bool, shape (columns,)
        Columns that code the therapy's modality: how far each follows the common deviation is
        learned.
    outcomes : dict of Outcome
        In the order of the columns of ``Y``.
    persons : ndarray of int, shape (n,), or None
        Who each row is, where some have several.
    groups : ndarray of int, shape (n,), or None
        Which rows stay in one fold: a person's, and those of the config's group.
    """

    Z: np.ndarray
    Y: np.ndarray
    published: np.ndarray
    published_sd: np.ndarray
    therapies: np.ndarray | None
    arms: np.ndarray | None
    trends: tuple[int, ...]
    therapy_columns: np.ndarray
    modality_columns: np.ndarray
    outcomes: dict[str, Outcome]
    persons: np.ndarray | None = None
    groups: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        cohort: pd.DataFrame,
        plan: FeaturePlan,
        outcomes: dict[str, Outcome],
        evaluation: Evaluation,
    ) -> Self:
        """Prepare a cohort of canonical values and outcomes.

        Of ``evaluation``, ``patient`` and ``group`` are read.
        """
        values = values_of(cohort, plan)
        published, published_sd = prior_log_odds(values, plan)
        therapies = None
        if plan.facts is not None and plan.therapy is not None:
            therapies = plan.facts.names(values[plan.therapy])
        return cls(
            build_matrix(values, plan),
            observed_outcomes(cohort, outcomes),
            published,
            published_sd,
            therapies,
            arm_names(values, plan),
            tuple(column.trend for column in plan.columns),
            plan.columns_of("therapy"),
            plan.columns_of("therapy_modality"),
            outcomes,
            persons(cohort, evaluation),
            fold_groups(cohort, evaluation),
        )

    def __len__(self) -> int:
        return len(self.Z)

    def part(self, rows: np.ndarray) -> Self:
        """The same for some of the patients."""
        return replace(
            self,
            Z=self.Z[rows],
            Y=self.Y[rows],
            published=self.published[rows],
            published_sd=self.published_sd[rows],
            therapies=None if self.therapies is None else self.therapies[rows],
            arms=None if self.arms is None else self.arms[rows],
            persons=None if self.persons is None else self.persons[rows],
            groups=None if self.groups is None else self.groups[rows],
        )

    def together(self, rows: np.ndarray, outcomes: list[int], folds: int) -> np.ndarray | None:
        """Return which rows inner folds keep together, shape (n,); None: each is alone.

        The groups, as in the outer folds, if among ``rows`` as many as there are folds hold
        events of each of the outcomes, and as many patients without; else the persons alone,
        whose rows never part.
        """
        Y = self.Y[rows][:, outcomes]
        if self.groups is not None and _units_of_each_class(self.groups[rows], Y) >= folds:
            return self.groups
        return self.persons

    def reached(self, outcome: int) -> np.ndarray:
        """Whether each person reached an outcome in any row, 0/1 of shape (persons,)."""
        y = self.Y[:, outcome]
        if self.persons is None:
            return y
        codes = np.unique(self.persons, return_inverse=True)[1]
        return (np.bincount(codes, weights=y) > 0).astype(float)

    def with_columns(self, kept: np.ndarray) -> Self:
        """The same with some of the matrix's columns, given as a mask."""
        return replace(
            self,
            Z=self.Z[:, kept],
            trends=tuple(trend for trend, keep in zip(self.trends, kept, strict=True) if keep),
            therapy_columns=self.therapy_columns[kept],
            modality_columns=self.modality_columns[kept],
        )


def _units_of_each_class(units: np.ndarray, Y: np.ndarray) -> int:
    """Units that hold a class, of the class and outcome that fewest hold."""
    return min(len(np.unique(units[y == value])) for y in Y.T for value in (0, 1))


def observed_outcomes(cohort: pd.DataFrame, outcomes: dict[str, Outcome]) -> np.ndarray:
    """Whether each patient reached each outcome, 0/1 of shape (n, outcomes)."""
    return np.column_stack(
        [(cohort[o.column].to_numpy(float) >= o.at_least).astype(float) for o in outcomes.values()]
    )
