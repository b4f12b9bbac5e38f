"""How risks are judged and explained."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline.config.section import Section


class Evaluation(Section):
    """How the risks are judged."""

    folds: int = Field(default=5, ge=2)
    repeats: int = Field(default=2, ge=1)
    group: str | None = None
    bootstrap: int = Field(default=1000, ge=100)
    interval_level: float = Field(default=0.95, gt=0, lt=1)
    thresholds: dict[str, list[Annotated[float, Field(gt=0, lt=1)]]] = Field(default_factory=dict)
    net_benefit: tuple[float, float] = (0.01, 0.60)
    therapy_only_sd: float = Field(default=0.25, gt=0)
    minimum_cell: int = Field(default=10, ge=1)
    processes: int = Field(default=2, ge=1)

    @model_validator(mode="after")
    def _net_benefit_is_a_range(self) -> Self:
        low, high = self.net_benefit
        if not 0 < low < high < 1:
            raise ValueError("net_benefit takes the lowest and highest threshold, between 0 and 1")
        return self


class Explanation(Section):
    """What is explained and drawn."""

    leading_variables: int = Field(default=6, ge=1)
    rows: int = Field(default=1000, ge=10)
