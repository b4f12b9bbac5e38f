"""What the card says, where the model is registered, and when it is silent."""

from __future__ import annotations

from pydantic import Field

from pipeline.config.section import Section


class Card(Section):
    """What only people can know, printed on the model card as it stands here.

    What is "not stated" or "not assessed" is printed as not assessed.
    """

    title: str
    intended_use: str
    intended_users: str
    out_of_scope: list[str] = Field(default_factory=list)
    horizon: str
    population: str
    owner: str = "not stated"
    licence: str = "not stated"
    ethics: str = "not assessed"
    inequalities: str = "not stated"
    bias_mitigation: str = "not stated"
    risk_level: str = "not stated"
    funding: str = "not stated"
    interests: str = "not stated"
    protocol: str = "not stated"
    patient_involvement: str = "not stated"
    maintenance: str = "not stated"


class Gate(Section):
    """What a model must show before it may become champion.

    Attributes
    ----------
    subgroup_alpha : float
        Probability, over all groups and outcomes together, of refusing a model that is level
        with the therapy alone in each: groups are many, and some look bad by chance.
    subgroup_power : float
        A group is called without gain only if the gain of all patients would have shown in it
        with this probability.
    """

    minimum_events: int = Field(default=100, ge=0)
    calibration_slope: tuple[float, float] = (0.8, 1.25)
    calibration_intercept: tuple[float, float] = (-0.2, 0.2)
    better_than_therapy_only: bool = True
    subgroup_alpha: float = Field(default=0.05, gt=0, lt=1)
    subgroup_power: float = Field(default=0.95, gt=0, lt=1)


class Registry(Section):
    """Where the model is registered, and under which name."""

    model_name: str = "crs-risk"
    experiment: str = "crs-risk"
    store: str = "../models/mlflow.db"
    gate: Gate = Field(default_factory=Gate)


class Scoring(Section):
    """When a served model gives no risk, or warns."""

    leading_variables: int = Field(default=5, ge=1)
    minimum_leading_present: int = Field(default=2, ge=0)
    warn_missing_share: float = Field(default=0.5, ge=0, le=1)
