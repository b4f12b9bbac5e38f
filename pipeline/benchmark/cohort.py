"""A table as the compared procedures see it: our model's own columns, categories left whole."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd

from pipeline.config import Config
from pipeline.config import Model as ModelSettings
from pipeline.features.plan import FeaturePlan
from pipeline.model.patients import Patients

NO_LEVEL = "none"
PRIOR = "prior"


@dataclass(frozen=True)
class Cohort:
    """Patients of one table.

    Attributes
    ----------
    patients : Patients
        As our own procedure reads them.
    frame : DataFrame
        The same columns for the others: logarithms, scores and therapy attributes included,
        one-hot codes turned back into categories, the therapy itself as a category. The
        prior's log-odds join per outcome, see ``features``.
    settings : ModelSettings
        Of our own procedure.
    therapy_only_sd : float
    """

    patients: Patients
    frame: pd.DataFrame
    settings: ModelSettings
    therapy_only_sd: float

    @classmethod
    def of(cls, config: Config) -> Self:
        """Read what the stages ``ingest`` and ``features`` of a run left."""
        run = config.run_folder
        cohort = pd.read_parquet(run / "ingest" / "cohort.parquet")
        plan = FeaturePlan.model_validate_json(
            (run / "features" / "features.json").read_text(encoding="utf-8")
        )
        patients = Patients.of(cohort, plan, config.outcomes, config.evaluation)
        frame = whole_categories(patients, plan)
        return cls(patients, frame, config.model, config.evaluation.therapy_only_sd)

    def __len__(self) -> int:
        return len(self.patients)

    @property
    def has_prior(self) -> bool:
        """Whether any outcome starts from published rates."""
        return bool(np.isfinite(self.patients.published).any())

    def part(self, rows: np.ndarray) -> Self:
        """The same for some of the patients."""
        return replace(self, patients=self.patients.part(rows), frame=self.frame.iloc[rows])

    def features(self, outcome: int) -> pd.DataFrame:
        """The frame, with the prior's log-odds of the outcome where it has any."""
        prior = self.patients.published[:, outcome]
        return self.frame.assign(**{PRIOR: prior}) if np.isfinite(prior).any() else self.frame

    @property
    def digest(self) -> str:
        """SHA-256 of all that a procedure may read."""
        patients, found = self.patients, hashlib.sha256()
        for part in (patients.Z, patients.Y, patients.published, patients.published_sd):
            found.update(np.ascontiguousarray(part).tobytes())
        for units in (patients.persons, patients.groups):
            if units is not None:
                found.update(units.tobytes())
        found.update(json.dumps([list(self.frame), list(patients.outcomes)]).encode())
        found.update(pd.util.hash_pandas_object(self.frame).to_numpy().tobytes())
        return found.hexdigest()


def whole_categories(patients: Patients, plan: FeaturePlan) -> pd.DataFrame:
    """Turn one-hot codes of the model matrix back into categories.

    Returns
    -------
    DataFrame
        float64 and category columns, named ``x0``, ``x1``, ...: some libraries refuse names
        with brackets or quotes. Missing values stay missing.
    """
    found: list[pd.Series] = []
    levels = [c.level for c in plan.columns]
    sources = [c.source for c in plan.columns]
    for source in plan.sources:
        at = [j for j, name in enumerate(sources) if name == source]
        if levels[at[0]] is None:
            found += [pd.Series(patients.Z[:, j]) for j in at]
            continue
        codes = patients.Z[:, at]
        names = np.array([*(str(levels[j]) for j in at), NO_LEVEL], dtype=object)
        place = np.where(codes.sum(axis=1) > 0, np.nan_to_num(codes).argmax(axis=1), len(at))
        values = pd.Series(names[place]).mask(np.isnan(codes).any(axis=1))
        found.append(values.astype(pd.CategoricalDtype(sorted(set(names)))))
    return pd.DataFrame({f"x{j}": column for j, column in enumerate(found)})
