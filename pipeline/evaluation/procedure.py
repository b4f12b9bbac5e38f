"""The whole modelling procedure, and its comparators, as one function of training rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from pipeline.config import Evaluation, Outcome
from pipeline.config import Model as ModelSettings
from pipeline.evaluation.comparators import score_only, therapy_only
from pipeline.evaluation.oof import oof_frame
from pipeline.evaluation.resampling import assign_folds, out_of_fold
from pipeline.features.matrix import (
    arm_names,
    build_matrix,
    prior_log_odds,
    score_values,
    values_of,
)
from pipeline.features.plan import FeaturePlan
from pipeline.model.fitting import fit_risk_model
from pipeline.model.training import observed_outcomes

# Scores that are judged beside the model, each alone.
COMPARATOR_SCORES = ("easix", "m_easix")


@dataclass(frozen=True)
class Procedure:
    """Data of the cohort and settings of the fit; calling it is one fold.

    Attributes
    ----------
    Z : ndarray, shape (n, columns)
    Y : ndarray of 0/1, shape (n, outcomes)
    published, published_sd : ndarray, shape (n, outcomes)
    therapies, arms : ndarray of str, shape (n,), or None
    scores : dict of ndarray, shape (n,)
        Published scores that serve as comparators, by name.
    trends : list of int
    therapy_columns : ndarray of bool, shape (columns,)
    outcomes : dict of Outcome
    settings : ModelSettings
    """

    Z: np.ndarray
    Y: np.ndarray
    published: np.ndarray
    published_sd: np.ndarray
    therapies: np.ndarray | None
    arms: np.ndarray | None
    scores: dict[str, np.ndarray]
    trends: list[int]
    therapy_columns: np.ndarray
    outcomes: dict[str, Outcome]
    settings: ModelSettings
    therapy_only_sd: float

    @classmethod
    def of(
        cls,
        cohort: pd.DataFrame,
        plan: FeaturePlan,
        outcomes: dict[str, Outcome],
        settings: ModelSettings,
        therapy_only_sd: float,
    ) -> Self:
        """Prepare a cohort; nothing here is learned from outcomes."""
        values = values_of(cohort, plan)
        Z = build_matrix(values, plan)
        published, published_sd = prior_log_odds(values, plan)
        therapies = None
        if plan.facts is not None and plan.therapy is not None:
            therapies = plan.facts.names(values[plan.therapy])
        found = score_values(values, plan)
        scores = {name: found[name] for name in found if name in COMPARATOR_SCORES}
        trends: list[int] = [column.trend for column in plan.columns]
        Y = observed_outcomes(cohort, outcomes)
        return cls(
            Z,
            Y,
            published,
            published_sd,
            therapies,
            arm_names(values, plan),
            scores,
            trends,
            plan.therapy_columns,
            outcomes,
            settings,
            therapy_only_sd,
        )

    def __call__(
        self, train_rows: np.ndarray, test_rows: np.ndarray, seed: int
    ) -> Mapping[str, np.ndarray]:
        """Fit on some patients; risks of the others, each of shape (test rows, outcomes)."""
        therapies = None if self.therapies is None else self.therapies[train_rows]
        model = fit_risk_model(
            self.Z[train_rows],
            self.Y[train_rows],
            self.published[train_rows],
            self.trends,
            therapies,
            self.outcomes,
            self.settings,
            seed,
            cohort=self.Y,
            therapy_columns=self.therapy_columns,
            published_sd=self.published_sd[train_rows],
            arms=None if self.arms is None else self.arms[train_rows],
        )
        found = model.predict(
            self.Z[test_rows],
            self.published[test_rows],
            self.published_sd[test_rows],
            None if self.arms is None else self.arms[test_rows],
            self.settings.interval_level,
        )
        risks = {"model": found.risk, "low": found.low, "high": found.high}
        risks["therapy_only"] = np.column_stack(
            [self._therapy_only(k, train_rows, test_rows) for k in range(len(self.outcomes))]
        )
        for name, score in self.scores.items():
            risks[name] = np.column_stack(
                [score_only(score[train_rows], y, score[test_rows]) for y in self.Y[train_rows].T]
            )
        return risks

    def _therapy_only(self, k: int, train: np.ndarray, test: np.ndarray) -> np.ndarray:
        prior = self.published[:, k]
        known = self.therapies
        if known is None:
            known = np.full(len(prior), None, dtype=object)
        return therapy_only(
            self.Y[train, k], prior[train], known[train], prior[test], known[test],
            self.therapy_only_sd,
        )  # fmt: skip


def out_of_fold_table(
    procedure: Procedure,
    patient_id: np.ndarray,
    groups: np.ndarray | None,
    settings: Evaluation,
    seed: int,
    progress: Callable[[str, int, int], None],
) -> pd.DataFrame:
    """Risks of every patient from models fitted without the patient.

    Returns
    -------
    DataFrame
        As ``oof_frame``: a row per outcome, repeat and patient; a column per model.
    """
    reached = procedure.Y.sum(axis=1).astype(int)
    folds = assign_folds(reached, settings.folds, settings.repeats, seed, groups)
    risks = out_of_fold(
        procedure,
        folds,
        seed,
        settings.processes,
        lambda done, total: progress("evaluate: folds", done, total),
    )
    observed = {name: procedure.Y[:, k] for k, name in enumerate(procedure.outcomes)}
    return oof_frame(patient_id, folds, observed, risks)
