"""The whole config: one YAML file is one run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline.config.audit import Audit
from pipeline.config.evaluation import Evaluation, Explanation
from pipeline.config.modelling import Model, Outcome, Predictors, TherapyPrior
from pipeline.config.monitoring import Monitoring, Promotion, Updating
from pipeline.config.release import Card, Registry, Scoring
from pipeline.config.section import Section
from pipeline.config.serving import Serving
from pipeline.config.source import SyntheticSource, TableSource, Window
from pipeline.config.transport import Learning, Transport
from pipeline.errors import did_you_mean


class Config(Section):
    """One run. Paths are relative to the config file."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    seed: int = Field(default=20260, ge=0)
    runs: str = "../models"
    dictionary: str = "variables.yaml"
    source: Annotated[SyntheticSource | TableSource, Field(discriminator="kind")]
    window: Window = Field(default_factory=Window)
    outcomes: dict[str, Outcome] = Field(min_length=1)
    primary_outcome: str
    therapy_prior: TherapyPrior | None = None
    predictors: Predictors = Field(default_factory=Predictors)
    model: Model = Field(default_factory=Model)
    audit: Audit = Field(default_factory=Audit)
    evaluation: Evaluation = Field(default_factory=Evaluation)
    transport: Transport = Field(default_factory=Transport)
    learning: Learning = Field(default_factory=Learning)
    explanation: Explanation = Field(default_factory=Explanation)
    card: Card
    registry: Registry = Field(default_factory=Registry)
    scoring: Scoring = Field(default_factory=Scoring)
    monitoring: Monitoring = Field(default_factory=Monitoring)
    updating: Updating = Field(default_factory=Updating)
    promotion: Promotion = Field(default_factory=Promotion)
    serving: Serving = Field(default_factory=Serving)
    file: Path = Field(exclude=True)

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        if self.primary_outcome not in self.outcomes:
            hint = did_you_mean(self.primary_outcome, self.outcomes)
            raise ValueError(f"primary_outcome '{self.primary_outcome}' is no outcome{hint}")
        for name in self.outcomes:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
                raise ValueError(
                    f"outcomes: '{name}' names files and columns: take letters, digits, _ . or -"
                )
        for name in self.evaluation.thresholds:
            if name not in self.outcomes:
                hint = did_you_mean(name, self.outcomes)
                raise ValueError(f"evaluation.thresholds names '{name}', which is no outcome{hint}")
        return self

    def path(self, relative: str) -> Path:
        """Return a path of the config, which is written relative to the config's folder."""
        return (self.file.parent / relative).resolve()

    @property
    def run_folder(self) -> Path:
        """Where the run's stages leave their outputs."""
        return self.path(self.runs) / self.name
