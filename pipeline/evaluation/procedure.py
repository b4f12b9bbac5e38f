"""The whole modelling procedure, and its comparators, as one function of training rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from pipeline.cohort.dictionary import Dictionary
from pipeline.config import Audit, Config, Evaluation, Predictors
from pipeline.config import Model as ModelSettings
from pipeline.evaluation.comparators import (
    PublishedScore,
    published_scores,
    score_only,
    therapy_only,
)
from pipeline.evaluation.oof import oof_frame
from pipeline.evaluation.resampling import assign_folds, out_of_fold, outcome_strata
from pipeline.features.faults import faulty_predictors
from pipeline.features.plan import FeaturePlan
from pipeline.model.fitting import fit_risk_model
from pipeline.model.patients import Patients
from pipeline.model.risk_model import Risks


@dataclass(frozen=True)
class Procedure:
    """Data of the cohort and settings of the fit; calling it is one fold.

    Attributes
    ----------
    cohort : DataFrame
        Canonical values and outcomes, for the audit of the training patients.
    dictionary : Dictionary
    plan : FeaturePlan
    patients : Patients
    scores : list of PublishedScore
        Comparators.
    seed : int
        Of the audit, the same in every fold and in training.
    predictors : Predictors
    audit : Audit
    model : ModelSettings
    therapy_only_sd : float
        How far the therapy-only comparator may leave the published rates, in log-odds.
    coverage_levels : tuple of float
        Further levels at which the risk interval is recorded.
    decide_by_cohort : bool
        Whether enough patients are there to fit anything is decided once for the cohort, or
        (False) anew for the training rows, as if there were no others.
    """

    cohort: pd.DataFrame
    dictionary: Dictionary
    plan: FeaturePlan
    patients: Patients
    scores: list[PublishedScore]
    seed: int
    predictors: Predictors
    audit: Audit
    model: ModelSettings
    therapy_only_sd: float
    coverage_levels: tuple[float, ...] = ()
    decide_by_cohort: bool = True

    @classmethod
    def of(
        cls, cohort: pd.DataFrame, dictionary: Dictionary, plan: FeaturePlan, config: Config
    ) -> Self:
        """Prepare a cohort; nothing here is learned from outcomes.

        Reads the config's ``seed``, ``outcomes``, ``predictors``, ``audit``, ``model`` and
        ``evaluation``.
        """
        return cls(
            cohort,
            dictionary,
            plan,
            Patients.of(cohort, plan, config.outcomes, config.evaluation),
            published_scores(cohort, dictionary),
            config.seed,
            config.predictors,
            config.audit,
            config.model,
            config.evaluation.therapy_only_sd,
            tuple(config.evaluation.coverage_levels),
        )

    def __call__(
        self, train_rows: np.ndarray, test_rows: np.ndarray, seed: int
    ) -> Mapping[str, np.ndarray]:
        """Fit on some patients; risks of the others, each of shape (test rows, outcomes)."""
        faults = self._faults(train_rows)
        sources = set(self.plan.without(faults).sources)
        sound = np.array([column.source in sources for column in self.plan.columns])
        patients = self.patients.with_columns(sound)
        train, test = patients.part(train_rows), patients.part(test_rows)
        whole = self.patients.Y if self.decide_by_cohort else None
        model = fit_risk_model(train, self.model, seed, whole=whole)

        def predict(level: float) -> Risks:
            return model.predict(test.Z, test.published, test.published_sd, test.arms, level)

        found = predict(self.model.interval_level)
        risks = {"model": found.risk, "low": found.low, "high": found.high}
        for level in self.coverage_levels:
            found = predict(level)
            risks |= {f"low_{100 * level:g}": found.low, f"high_{100 * level:g}": found.high}
        risks["therapy_only"] = np.column_stack(
            [self._therapy_only(train, test, k) for k in range(len(train.outcomes))]
        )
        for score in self.scores:
            # Computed from a variable at fault, a score is at fault too.
            at_fault = not faults.keys().isdisjoint(score.inputs)
            values = np.full(len(score.values), np.nan) if at_fault else score.values
            risks[score.name] = np.column_stack(
                [score_only(values[train_rows], y, values[test_rows]) for y in train.Y.T]
            )
        return risks

    def _faults(self, train_rows: np.ndarray) -> dict[str, str]:
        """What the audit finds at fault in the training patients."""
        return faulty_predictors(
            self.cohort.iloc[train_rows],
            self.dictionary,
            self.plan,
            self.patients.outcomes,
            self.predictors.drop_audited,
            self.audit,
            self.seed,
        )

    def _therapy_only(self, train: Patients, test: Patients, k: int) -> np.ndarray:
        nobody = np.full(len(self.patients), None, dtype=object)
        return therapy_only(
            train.Y[:, k],
            train.published[:, k],
            nobody[: len(train)] if train.therapies is None else train.therapies,
            test.published[:, k],
            nobody[: len(test)] if test.therapies is None else test.therapies,
            self.therapy_only_sd,
        )


def out_of_fold_table(
    procedure: Procedure,
    patient_id: np.ndarray,
    settings: Evaluation,
    seed: int,
    progress: Callable[[str, int, int], None],
    scratch: Path | None = None,
) -> pd.DataFrame:
    """Risks of every patient from models fitted without the patient.

    ``scratch`` keeps the folds that are done, as `out_of_fold` says.

    Returns
    -------
    DataFrame
        As ``oof_frame``: a row per outcome, repeat and patient; a column per model.
    """
    strata = outcome_strata(procedure.patients.Y, settings.folds)
    groups = procedure.patients.groups
    folds = assign_folds(strata, settings.folds, settings.repeats, seed, groups)
    risks = out_of_fold(
        procedure,
        folds,
        seed,
        settings.processes,
        lambda done, total: progress("evaluate: folds", done, total),
        scratch,
    )
    observed = {
        name: procedure.patients.Y[:, k] for k, name in enumerate(procedure.patients.outcomes)
    }
    return oof_frame(patient_id, folds, observed, risks)
