"""How risks are judged and explained."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.config.section import Section


class Subgroups(Section):
    """Groups of patients that are judged by themselves.

    Attributes
    ----------
    by : dict of str to list of float
        A column of the cohort, or an attribute of the therapy such as ``therapy_modality``:
        an empty list takes its levels, limits make bands of a numeric one. What the cohort
        does not hold is skipped, and the evaluation says so.
    minimum_patients, minimum_events : int
        Smallest group, and smallest number of events and of non-events in it, that gets
        figures: below, they would be noise with a name.
    """

    by: dict[str, list[float]] = Field(
        default_factory=lambda: {
            "sex": [],
            "age": [18.0, 65.0],
            "race": [],
            "ethnicity": [],
            "disease": [],
            "therapy_modality": [],
            "site": [],
        }
    )
    minimum_patients: int = Field(default=50, ge=1)
    minimum_events: int = Field(default=20, ge=1)

    @model_validator(mode="after")
    def _limits_rise(self) -> Self:
        for name, limits in self.by.items():
            if sorted(set(limits)) != limits:
                raise ValueError(f"by.{name}: limits of bands must rise")
        return self


class Evaluation(Section):
    """How the risks are judged.

    Attributes
    ----------
    patient : str, optional
        Column that names the patient where one has several rows: they stay in one fold and
        are resampled together.
    group : str, optional
        A further column whose rows stay in one fold, such as the site.
    resample : str
        ``sites``: the bootstrap draws whole sites, if the dictionary has them and there are
        at least ``minimum_sites``; ``patients``: it draws patients.
    """

    folds: int = Field(default=5, ge=2)
    repeats: int = Field(default=2, ge=1)
    patient: str | None = None
    group: str | None = None
    resample: Literal["sites", "patients"] = "sites"
    minimum_sites: int = Field(default=5, ge=2)
    bootstrap: int = Field(default=1000, ge=100)
    interval_level: float = Field(default=0.95, gt=0, lt=1)
    thresholds: dict[str, list[Annotated[float, Field(gt=0, lt=1)]]] = Field(default_factory=dict)
    net_benefit: tuple[float, float] = (0.01, 0.60)
    coverage_levels: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        default_factory=lambda: [0.80, 0.90, 0.95]
    )
    therapy_only_sd: float = Field(default=0.25, gt=0)
    subgroups: Subgroups = Field(default_factory=Subgroups)
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
