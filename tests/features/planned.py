"""A small cohort with two therapies, and what is planned for it."""

import numpy as np
import pandas as pd

from pipeline.cohort.dictionary import Dictionary, Variable
from pipeline.config import Config
from pipeline.features.plan import FeaturePlan
from pipeline.features.planning import plan_features
from pipeline.features.therapy import Rate, TherapyFacts

BASELINE, POST = {"timing": "baseline"}, {"timing": "post"}
VARIABLES = [
    Variable(name="patient_id", label="Patient", role="id", kind="text", **BASELINE),
    Variable(name="site", label="Site", role="site", kind="categorical", **BASELINE),
    Variable(name="remark", label="Remark", role="disease", kind="text", **BASELINE),
    Variable(name="therapy", label="Therapy", role="treatment", kind="categorical", **BASELINE),
    Variable(name="disease", label="Disease", role="disease", kind="categorical", **BASELINE),
    Variable(name="age", label="Age", role="patient", unit="a", **BASELINE),
    Variable(name="bulky", label="Bulky", role="disease", kind="binary", trend="up", **BASELINE),
    Variable(name="ldh", label="LDH", role="lab", unit="U/L", scale="log", range=(30, 20000),
             loinc="2532-0", trend="up", **BASELINE),
    Variable(name="platelets", label="Platelets", role="lab", unit="10*9/L", scale="log", floor=1,
             loinc="777-3", trend="down", **BASELINE),
    Variable(name="peak_crp", label="Peak CRP", role="lab", unit="mg/L", loinc="1988-5", **POST),
    Variable(name="toci", label="Tocilizumab", role="treatment", kind="binary", **POST),
    Variable(name="crs_grade", label="CRS grade", role="outcome", **POST),
    Variable(name="icans_grade", label="ICANS grade", role="outcome", **POST),
]  # fmt: skip


def rates(*log_odds):
    return {
        str(grade): Rate(log_odds=value, sd=0.3, basis="own", evidence="published")
        for grade, value in zip((1, 2, 3), log_odds, strict=True)
    }


FACTS = TherapyFacts(
    aliases={"alpha": "alpha", "brand a": "alpha", "beta": "beta", "gamma": "gamma"},
    attributes={
        "alpha": {"modality": "car_t", "target": "CD19", "costimulation": "CD28", "step_up": "0"},
        "beta": {"modality": "car_t", "target": "BCMA", "costimulation": "4-1BB", "step_up": "0"},
        "gamma": {"modality": "til", "target": "none", "costimulation": "none", "step_up": "0"},
    },
    rates={
        "alpha": {"": rates(2, 0, -2), "MM": rates(1, -1, -3)},
        "beta": {"": rates(1, 0, -1)},
        "gamma": {"": {}},
    },
)


def make_cohort(n=12, **columns):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "patient_id": [f"P-{i:03d}" for i in range(n)],
            "site": ["north", "south"] * (n // 2),
            "remark": "well",
            "therapy": ["alpha", "beta"] * (n // 2),
            "disease": ["LBCL", "MM", "FL"] * (n // 3),
            "age": rng.uniform(40, 80, n),
            "bulky": [0.0, 1.0] * (n // 2),
            "ldh": rng.uniform(100, 900, n),
            "platelets": rng.uniform(20, 300, n),
            "peak_crp": rng.uniform(1, 300, n),
            "toci": [1.0, 0.0] * (n // 2),
            "crs_grade": [0.0, 1.0, 2.0, 3.0] * (n // 4),
            "icans_grade": [0.0, 0.0, 1.0, 2.0] * (n // 4),
        }
    )
    return frame.assign(**columns)


def plan_for(cohort=None, variables=(), predictors=None, prior=True, outcomes=None, facts=FACTS):
    cohort = make_cohort() if cohort is None else cohort
    if isinstance(prior, dict):
        prior = {"table": "therapies.csv"} | prior
    elif prior:
        prior = {"table": "therapies.csv"}
    config = Config.model_validate(
        {
            "name": "test",
            "source": {"kind": "synthetic"},
            "outcomes": outcomes
            or {
                "any": {"column": "crs_grade", "at_least": 1, "label": "any"},
                "icans": {"column": "icans_grade", "at_least": 2, "label": "ICANS"},
            },
            "primary_outcome": "any" if outcomes is None else next(iter(outcomes)),
            "therapy_prior": prior or None,
            "predictors": predictors or {},
            "card": dict.fromkeys(
                ("title", "intended_use", "intended_users", "horizon", "population"), "test"
            ),
            "file": "test.yaml",
        }
    )
    replaced = {v.name: v for v in VARIABLES} | {v.name: v for v in variables}
    dictionary = Dictionary(replaced.values(), "variables.yaml").restricted_to(cohort)
    return plan_features(cohort, dictionary, config, facts if prior else None)


def names(plan: FeaturePlan) -> list[str]:
    return [column.name for column in plan.columns]
