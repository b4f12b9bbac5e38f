"""What every check reads: the cohort, what is known of its columns, and its outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from pipeline.cohort.dictionary import Dictionary, Variable
from pipeline.config import Audit, Outcome

# A level of fewer patients joins the other rare levels: it cannot be adjusted for.
RARE_LEVEL = 5
GROUP_RIDGE = 10.0
# Values of fewer distinct kinds are counts or classes, not measurements.
FEW_DISTINCT = 12
# Expected risks nearer to 0 or 1 would give a single surprise the weight of many patients.
LEAST_RISK = 0.2


@dataclass(frozen=True)
class Material:
    """A cohort with everything the checks need to judge it.

    Attributes
    ----------
    cohort : DataFrame
        One row per patient.
    dictionary : Dictionary
        The variables that the cohort holds.
    outcomes : dict of str to Outcome
        Binary outcomes, each a threshold on a column.
    primary : str
        Name of the primary outcome.
    settings : Audit
        Thresholds.
    ingest_report : dict
        What ingest counted.
    seed : int
        Of the random sample and of the permutations.
    chosen : list of Variable, optional
        Variables that the config lets a model use, where that is known.
    """

    cohort: pd.DataFrame
    dictionary: Dictionary
    outcomes: dict[str, Outcome]
    primary: str
    settings: Audit
    ingest_report: dict[str, Any]
    seed: int
    chosen: list[Variable] | None = None

    def generator(self, stream: int) -> np.random.Generator:
        """Return a random generator of the check's own: no check disturbs another."""
        return np.random.default_rng([self.seed, stream])

    @cached_property
    def predictors(self) -> list[Variable]:
        """Variables that may become predictors."""
        return [v for v in self.dictionary if v.is_baseline_predictor]

    @property
    def candidates(self) -> list[Variable]:
        """Variables that count towards the sample size: the chosen ones, or all predictors."""
        return self.predictors if self.chosen is None else self.chosen

    @cached_property
    def numeric(self) -> list[Variable]:
        """Numeric variables that may become predictors and hold a value."""
        return [v for v in self.predictors if v.kind == "numeric" and self._held(v)]

    @cached_property
    def measured(self) -> list[Variable]:
        """Numeric labs and vital signs: of one scale, while age spans children and adults."""
        return [v for v in self.numeric if v.role in ("lab", "vital")]

    @cached_property
    def sample(self) -> pd.DataFrame:
        """Patients with known outcomes, at most ``permutation_patients`` of them, in order."""
        columns = list({outcome.column for outcome in self.outcomes.values()})
        known = self.cohort.loc[self.cohort[columns].notna().all(axis=1)]
        if len(known) > self.settings.permutation_patients:
            rows = self.generator(0).choice(
                len(known), self.settings.permutation_patients, replace=False
            )
            known = known.iloc[np.sort(rows)]
        return known

    @cached_property
    def sampled(self) -> str:
        """A clause for messages when not every patient was read."""
        of = self.settings.permutation_patients
        return f" (in a random sample of {of:,} patients)" if len(self.cohort) > of else ""

    @cached_property
    def events(self) -> pd.DataFrame:
        """Outcomes of the sample that have both classes: bool, patients x outcomes."""
        reached = {
            name: self.sample[outcome.column] >= outcome.at_least
            for name, outcome in self.outcomes.items()
        }
        frame = pd.DataFrame(reached, index=self.sample.index)
        return frame.loc[:, frame.any() & ~frame.all()]

    @cached_property
    def partitions(self) -> dict[str, np.ndarray]:
        """Ways to divide the sample by outcome: each binary outcome, and the grades."""
        parts = {str(name): self.events[name].to_numpy().astype(int) for name in self.events}
        for column in dict.fromkeys(outcome.column for outcome in self.outcomes.values()):
            levels, codes = np.unique(self.sample[column].to_numpy(), return_inverse=True)
            if 2 < len(levels) <= 12:
                parts[column] = codes
        return parts

    @cached_property
    def strata(self) -> np.ndarray:
        """Stratum of each patient of the sample: the cross of the settings' columns."""
        columns = [c for c in self.settings.strata if c in self.sample]
        if not columns:
            return np.zeros(len(self.sample), dtype=int)
        groups = self.sample[columns].astype(object).where(self.sample[columns].notna(), "?")
        return groups.groupby(columns, sort=True).ngroup().to_numpy()

    @cached_property
    def adjustment(self) -> tuple[np.ndarray, np.ndarray]:
        """What missingness and outcome may both depend on, and its ridge projection.

        Indicators of the strata's columns and of the sites, centred: (n, k) and (k, n).
        """
        parts = [np.zeros((len(self.sample), 1))]
        for variable in self.dictionary:
            groups = variable.name in self.settings.strata or variable.role == "site"
            if groups and variable.kind == "categorical" and variable.timing == "baseline":
                parts.append(_indicators(self.sample[variable.name]))
        design = np.column_stack(parts)
        design = design - design.mean(axis=0)
        penalised = design.T @ design + GROUP_RIDGE * np.eye(design.shape[1])
        return design, np.linalg.solve(penalised, design.T)

    def adjusted(self, values: np.ndarray) -> np.ndarray:
        """Return residuals given the adjustment: what groups do not explain, column by column.

        A ridge penalty of ten patients a group: groups of five say little, and fitting each
        of them fully would cost the small cohorts their power.
        """
        centred = values - values.mean(axis=0)
        design, projection = self.adjustment
        return centred - design @ (projection @ centred)

    @cached_property
    def scaled_events(self) -> np.ndarray:
        """Residual outcomes of equal spread: patients x outcomes with both classes.

        The outcome less its expectation given the adjustment, over its binomial standard
        deviation: therapies with rates near 0 or 1 are then exchangeable with the others.
        """
        observed = self.events.to_numpy(dtype=float)
        expected = np.clip(observed - self.adjusted(observed), LEAST_RISK, 1 - LEAST_RISK)
        return (observed - expected) / np.sqrt(expected * (1 - expected))

    @cached_property
    def transformed(self) -> tuple[np.ndarray, list[str]]:
        """Labs and vital signs of many distinct values, and their names: patients x columns.

        Logarithms where the dictionary's scale is ``log``; missing values stay missing.
        """
        held = [v for v in self.measured if self.sample[v.name].nunique() >= FEW_DISTINCT]
        values = self.sample[[v.name for v in held]].to_numpy(dtype=float, copy=True)
        for column, variable in enumerate(held):
            if variable.scale == "log":
                values[:, column] = np.log(np.maximum(values[:, column], variable.log_floor))
        return _scaled(values), [v.name for v in held]

    @cached_property
    def scores(self) -> tuple[np.ndarray, list[str]]:
        """The same, less what therapy and site explain."""
        values, names = self.transformed
        missing = np.isnan(values)
        if not names:
            return values, names
        residual = self.adjusted(np.where(missing, 0.0, values))
        return _scaled(np.where(missing, np.nan, residual)), names

    def adjusted_ranks(self, values: np.ndarray) -> np.ndarray:
        """Return the ranks that the adjustment leaves over; missing values stay missing."""
        ranks = pd.Series(values).rank(pct=True)
        residual = self.adjusted(ranks.fillna(ranks.mean()).to_numpy()) if ranks.any() else ranks
        # Patients alike in value and groups stay tied despite rounding.
        return np.where(ranks.isna(), np.nan, np.round(residual, 9))

    def _held(self, variable: Variable) -> bool:
        return bool(self.cohort[variable.name].notna().any())


def _scaled(values: np.ndarray) -> np.ndarray:
    """Centre columns at the median, scale by quartiles, bound at four spreads."""
    if not values.size:
        return values
    low, middle, high = np.nanquantile(values, [0.25, 0.5, 0.75], axis=0)
    return np.clip((values - middle) / np.maximum((high - low) / 1.349, 1e-9), -4, 4)


def _indicators(labels: pd.Series) -> np.ndarray:
    text = labels.astype(object).where(labels.notna(), "?").astype(str)
    counts = text.value_counts()
    text = text.where(text.map(counts) >= RARE_LEVEL, "rare")
    return pd.get_dummies(text).to_numpy(dtype=float)
