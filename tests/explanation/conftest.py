"""A small cohort with every kind of predictor, and a model fitted on it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.cohort.dictionary import Dictionary, Variable
from pipeline.cohort.therapies import read_therapies
from pipeline.config import Config, TherapyPrior
from pipeline.explanation.contributions import explain
from pipeline.features.planning import plan_features
from pipeline.features.therapy import therapy_facts
from pipeline.model.training import train_artifact

THERAPIES = Path(__file__).parents[2] / "data" / "therapies.csv"
BASELINE = {"timing": "baseline"}
DICTIONARY = Dictionary(
    [
        Variable(name="patient_id", label="Patient", role="id", kind="text", **BASELINE),
        Variable(
            name="therapy", label="Therapy", role="treatment", kind="categorical", **BASELINE
        ),
        Variable(
            name="ldh", label="Lactate dehydrogenase", role="lab", unit="U/L", loinc="2532-0",
            range=(30, 20000), scale="log", trend="up", **BASELINE,
        ),
        Variable(
            name="platelets", label="Platelets", role="lab", unit="10*9/L", loinc="777-3",
            range=(0, 2000), scale="log", floor=1, trend="down", **BASELINE,
        ),
        Variable(name="age", label="Age", role="patient", unit="a", range=(0, 110), **BASELINE),
        Variable(name="bulky", label="Bulky disease", role="disease", kind="binary", **BASELINE),
        Variable(
            name="bridging", label="Bridging", role="treatment", kind="categorical",
            levels=["none", "response", "no response"], **BASELINE,
        ),
        Variable(name="crs_grade", label="CRS grade", role="outcome", timing="post"),
    ]
)  # fmt: skip


def draw(n, seed=3):
    """Draw n patients whose grade rises with LDH, with values missing and a rare category."""
    rng = np.random.default_rng(seed)
    ldh = np.exp(rng.normal(5.5, 0.6, n))
    lean = 1.2 * (np.log(ldh) - 5.5) + rng.logistic(size=n)
    cohort = pd.DataFrame(
        {
            "patient_id": [f"P{i:04d}" for i in range(n)],
            "therapy": rng.choice(["axicabtagene ciloleucel", "teclistamab"], n),
            "ldh": ldh,
            "platelets": np.exp(rng.normal(4.6, 0.7, n)),
            "age": np.round(rng.normal(60, 12, n)),
            "bulky": rng.integers(0, 2, n).astype(float),
            "bridging": rng.choice(["none", "response", "no response"], n, p=[0.6, 0.38, 0.02]),
            "crs_grade": np.select([lean < 0, lean < 1, lean < 2], [0.0, 1.0, 2.0], 3.0),
        }
    )
    cohort.loc[rng.random(n) < 0.2, "platelets"] = np.nan
    cohort.loc[rng.random(n) < 0.1, "bridging"] = None
    return cohort


def configure(**changes):
    """Build a config whose model is quick to fit."""
    content = {
        "name": "test",
        "source": {"kind": "synthetic"},
        "outcomes": {
            "any": {"column": "crs_grade", "at_least": 1, "label": "CRS of any grade"},
            "ge2": {"column": "crs_grade", "at_least": 2, "label": "CRS of grade 2 or higher"},
        },
        "primary_outcome": "ge2",
        "therapy_prior": {"table": "therapies.csv"},
        "model": {"trees": {"leaves": [4], "trees": [50]}, "inner_folds": 3},
        "card": dict.fromkeys(
            ("title", "intended_use", "intended_users", "horizon", "population"), "test"
        ),
        "file": Path("test.yaml"),
    }
    return Config.model_validate(content | changes)


def train(cohort, config):
    facts = None
    if config.therapy_prior:
        facts = therapy_facts(read_therapies(THERAPIES), TherapyPrior(table="therapies.csv"))
    dictionary = DICTIONARY.restricted_to(cohort)
    plan = plan_features(cohort, dictionary, config, facts)
    return train_artifact(cohort, dictionary, plan, config, provenance={})


@pytest.fixture(scope="session")
def cohort():
    return draw(400)


@pytest.fixture(scope="session")
def artifact(cohort):
    return train(cohort, configure())


@pytest.fixture(scope="session")
def explanations(artifact, cohort):
    return explain(artifact, cohort, rows=1000, seed=1)


@pytest.fixture(scope="session")
def prior_alone():
    """Explanations of too few patients, all on one therapy: every risk is the same."""
    cohort = draw(50).assign(therapy="teclistamab")
    return explain(train(cohort, configure()), cohort, rows=1000, seed=1)


@pytest.fixture(scope="session")
def without_prior():
    """Explanations of a model that knows no published rates."""
    cohort = draw(300)
    return explain(train(cohort, configure(therapy_prior=None)), cohort, rows=1000, seed=1)
