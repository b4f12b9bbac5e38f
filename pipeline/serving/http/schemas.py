"""What requests may hold. Answers are what ``Scorer.score`` returns, shown by example."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

Plain = float | str | bool | None


class Quantity(BaseModel):
    """A value with its unit and day."""

    model_config = ConfigDict(extra="forbid")

    value: Plain = None
    unit: str | None = Field(
        default=None,
        max_length=30,
        description="One that the dictionary accepts, in UCUM's or another usual spelling; empty "
        "for the dictionary's own.",
    )
    day: float | None = Field(
        default=None,
        description="Relative to infusion: day 0 is its day, -1 the day before, 1 is too late.",
    )


class Patient(BaseModel):
    """One patient before infusion."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "values": {
                        "therapy": "axi-cel",
                        "disease": "LBCL",
                        "age": 61,
                        "tumour_burden": 80,
                        "ldh": 410,
                        "platelets": 95,
                        "crp": {"value": 3.5, "unit": "mg/dL", "day": -1},
                    }
                }
            ]
        },
    )

    id: str | None = Field(
        default=None, max_length=100, description="Given back as it came; never logged."
    )
    values: dict[str, Plain | Quantity] = Field(
        description="Variable of the dictionary (GET /v1/model) to its value: plain, in the "
        "dictionary's unit, or with a unit and the day it was measured. Null is missing, and so "
        "is NaN, which some write into JSON."
    )


class Patients(BaseModel):
    """Several patients at once."""

    model_config = ConfigDict(extra="forbid")

    patients: list[Patient] = Field(min_length=1)


class Risk(BaseModel):
    """Risk of one outcome."""

    risk: float | None = Field(description="Null where the status is abstain.")
    low: float | None = Field(description="Interval of the risk, not of the outcome.")
    high: float | None
    prior: float | None = Field(description="By the therapy's rate alone.")
    evidence: str | None = Field(
        description="What the prior is: published (confirmed studies of the therapy), assumed "
        "(none is confirmed), pooled (of similar therapies), interpolated (between grades), or "
        "base (the training cohort's rate)."
    )


class Answer(BaseModel):
    """What is said of one patient."""

    id: str | None = None
    status: str = Field(description="ok, or abstain where the model gives no risk.")
    because: list[str] = Field(description="Why there is no risk.")
    warnings: list[str]
    therapy: str | None
    risks: dict[str, Risk]
    reasons: dict[str, Any] | None = Field(
        default=None,
        description="Per outcome: base, contributions by source (they add up to the risk's "
        "log-odds) and the outcome whose head gave the risk.",
    )


class Answers(BaseModel):
    """Answers in the order of the patients, and the model that gave them."""

    model: str
    research_use_only: bool
    answers: list[Answer]


class Fault(BaseModel):
    """Why a request was refused; what was sent is not repeated."""

    detail: Any
