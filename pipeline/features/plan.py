"""Which columns the model matrix has, as it is kept with the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.cohort.dictionary import Variable
from pipeline.features.therapy import TherapyFacts

# Sources of the matrix that come from the table of therapies, and their labels.
THERAPY_SOURCES = {
    "therapy": "Therapy, beyond its prior rate",
    "therapy_modality": "Therapy: modality",
    "therapy_target": "Therapy: target",
    "therapy_costimulation": "Therapy: costimulation",
    "therapy_step_up": "Therapy: step-up dosing",
}


class Column(BaseModel):
    """One column of the model matrix.

    Attributes
    ----------
    name, source : str
        The column, and the variable, score or attribute it comes from; the contributions of
        all columns with one source are summed in explanations.
    level : str or None
        For a coded category: 1 where the source has this level.
    log_floor : float or None
        For a logarithm: the smallest value it takes.
    trend : int
        +1 (-1) where risk must not fall (rise) with the column, 0 where nothing is known.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    source: str
    level: str | None = None
    log_floor: float | None = None
    trend: Literal[-1, 0, 1] = 0


class ScorePlan(BaseModel):
    """A score of the matrix: its inputs' variables, and the factors to the formula's units."""

    model_config = ConfigDict(frozen=True)

    name: str
    variables: list[str]
    factors: list[float]


class FeaturePlan(BaseModel):
    """Everything that turns canonical values into the model matrix, as plain text.

    Attributes
    ----------
    variables : list of Variable
        The baseline variables read, in order.
    scores : list of ScorePlan
    columns : list of Column
        The columns of the matrix, in order.
    labels : dict
        What people read for each source.
    therapy, disease : str or None
        The variables that find the therapy prior; None where there is none.
    facts : TherapyFacts or None
    grades : list of float or None
        Per outcome, the grade whose published rate is its prior; None where it has none.
    left_out : dict
        Variable or score to the reason why it is not a predictor.
    """

    model_config = ConfigDict(frozen=True)

    variables: list[Variable]
    scores: list[ScorePlan]
    columns: list[Column]
    labels: dict[str, str]
    therapy: str | None = None
    disease: str | None = None
    facts: TherapyFacts | None = None
    grades: list[float | None]
    left_out: dict[str, str]

    def columns_of(self, attribute: str) -> np.ndarray:
        """Columns that code an attribute of the therapy, shape (columns,) of bool.

        The product itself is ``therapy``. None where there are no published rates.
        """
        own = [self.facts is not None and column.source == attribute for column in self.columns]
        return np.array(own, dtype=bool)

    @property
    def listed_levels(self) -> dict[str, frozenset[str]]:
        """Levels of each categorical variable; another level tells nothing, and is missing.

        Not of therapy and disease, by which published rates are found: what is not known of
        them has rules of its own.
        """
        return {
            v.name: frozenset(v.levels)
            for v in self.variables
            if v.kind == "categorical" and v.levels and v.name not in (self.therapy, self.disease)
        }

    @property
    def prior_label(self) -> str:
        """What people read of where a patient's risk starts."""
        return "Therapy: prior rate" if self.facts is not None else "Base rate"

    @property
    def therapy_columns(self) -> list[int]:
        """Positions of the columns that the table of therapies fills."""
        if self.facts is None or self.therapy is None:
            return []
        return [at for at, c in enumerate(self.columns) if c.source in THERAPY_SOURCES]

    @property
    def sources(self) -> list[str]:
        """Sources of the columns, each once, in order."""
        return list(dict.fromkeys(column.source for column in self.columns))

    def without(self, reasons: Mapping[str, str]) -> Self:
        """Return the plan less some variables, and less the scores computed from them.

        Parameters
        ----------
        reasons : mapping of str to str
            Variable to the reason why it is no predictor, kept in ``left_out``.

        Returns
        -------
        FeaturePlan
            Without a column where every predictor is left out.
        """
        left_out = dict(reasons)
        for score in self.scores:
            lost = [self.labels.get(name, name) for name in score.variables if name in reasons]
            if lost:
                left_out[score.name] = f"computed from {' and '.join(lost)}, which is left out"
        scores = [score for score in self.scores if score.name not in left_out]
        columns = [column for column in self.columns if column.source not in left_out]
        read = {column.source for column in columns} | {v for s in scores for v in s.variables}
        return self.model_copy(
            update={
                "variables": [v for v in self.variables if v.name in read],
                "scores": scores,
                "columns": columns,
                "labels": {k: label for k, label in self.labels.items() if k not in left_out},
                "left_out": self.left_out | left_out,
            }
        )
