"""The entire procedure inside each fold: what the audit finds at fault is dropped there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.cohort.dictionary import read_dictionary
from pipeline.cohort.therapies import read_therapies
from pipeline.config import Config
from pipeline.errors import InputError
from pipeline.evaluation.procedure import Procedure
from pipeline.evaluation.resampling import assign_folds, out_of_fold
from pipeline.features.planning import plan_features
from pipeline.features.therapy import therapy_facts
from pipeline.ingest.synthetic import draw_cohort
from pipeline.model.training import summarise, train_artifact

ROOT = Path(__file__).parents[2]
LABS = ["ldh", "platelets", "creatinine", "ferritin", "crp", "albumin", "d_dimer"]
CONFIG = Config.model_validate(
    {
        "name": "test",
        "source": {"kind": "synthetic", "patients": 500},
        "outcomes": {"ge2": {"column": "crs_grade", "at_least": 2, "label": "ge2"}},
        "primary_outcome": "ge2",
        "therapy_prior": {"table": "therapies.csv"},
        "predictors": {"include": [*LABS, "age", "tumour_burden"]},
        "model": {
            "inner_folds": 3,
            "trees": {"leaves": [4], "trees": [30]},
            "ridge": {"penalties": [100]},
            "elastic_net": {"penalties": [20]},
        },
        "card": dict.fromkeys(
            ("title", "intended_use", "intended_users", "horizon", "population"), "test"
        ),
        "file": ROOT / "configs" / "test.yaml",
    }
)


def golden(cohort, rng):
    """A ferritin that is in truth the peak: it follows the grade."""
    noise = rng.lognormal(0, 0.3, len(cohort))
    return cohort.assign(ferritin=100 * np.exp(1.2 * cohort["crs_grade"]) * noise)


def filled_by_grade(cohort, rng):
    """Missing values of a lab that is often missing filled with the median of the own grade."""
    values = cohort["d_dimer"].mask(rng.random(len(cohort)) < 0.4)
    medians = values.groupby(cohort["crs_grade"]).transform("median")
    return cohort.assign(d_dimer=values.fillna(medians))


def missing_by_outcome(cohort, rng):
    """A lab that is measured because CRS is under way."""
    kept = np.where(cohort["crs_grade"] >= 2, 0.95, 0.25)
    return cohort.assign(albumin=cohort["albumin"].where(rng.random(len(cohort)) < kept))


LEAKS = {"ferritin": golden, "d_dimer": filled_by_grade, "albumin": missing_by_outcome}


@pytest.fixture(scope="module")
def clean():
    return draw_cohort(CONFIG.source, 4, CONFIG.outcomes, ROOT / "data")[0]


def prepared(cohort, config=CONFIG):
    dictionary = read_dictionary(ROOT / "configs" / "variables.yaml").restricted_to(cohort)
    facts = therapy_facts(read_therapies(ROOT / "data" / "therapies.csv"), config.therapy_prior)
    return dictionary, plan_features(cohort, dictionary, config, facts)


def keeping(config):
    kept = config.predictors.model_copy(update={"drop_audited": []})
    return config.model_copy(update={"predictors": kept})


def auroc(cohort, config):
    procedure = Procedure.of(cohort, *prepared(cohort), config)
    observed = procedure.patients.Y[:, 0]
    folds = assign_folds(observed, 3, 1, seed=1)
    risks = out_of_fold(procedure, folds, seed=2)
    return {name: roc_auc_score(observed, risks[name][0, :, 0]) for name in ("model", "easix")}


@pytest.fixture(scope="module")
def honest(clean):
    return auroc(clean, CONFIG)["model"]


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_does_not_flatter_the_figures(clean, honest, name):
    leaky = LEAKS[name](clean, np.random.default_rng(1))
    assert auroc(leaky, keeping(CONFIG))["model"] > honest + 0.06  # it would have
    # Without the variable's honest part the model may lose a little, and must not gain.
    assert honest - 0.06 < auroc(leaky, CONFIG)["model"] < honest + 0.01


def test_a_clean_cohort_loses_nothing(clean, honest):
    assert auroc(clean, keeping(CONFIG))["model"] == honest


def test_faults_are_found_in_the_training_patients_alone(clean):
    """A leak among the held-out patients of one fold is unknown to the fold that fits."""
    rows = np.arange(len(clean))
    leaky = clean.copy()
    leaky.loc[rows >= 300, "ferritin"] = golden(clean, np.random.default_rng(1)).loc[
        rows >= 300, "ferritin"
    ]
    procedure = Procedure.of(leaky, *prepared(leaky), CONFIG)
    assert "ferritin" not in procedure._faults(rows[rows < 300])
    whole = replace(procedure, cohort=golden(clean, np.random.default_rng(1)))
    assert "ferritin" in whole._faults(rows)


def test_a_comparator_computed_from_a_fault_knows_the_base_rate_only(clean):
    rng = np.random.default_rng(1)
    noise = rng.lognormal(0, 0.3, len(clean))
    leaky = clean.assign(creatinine=np.exp(0.8 * clean["crs_grade"]) * noise)
    assert auroc(leaky, keeping(CONFIG))["easix"] > 0.8
    assert auroc(leaky, CONFIG)["easix"] < 0.55


def test_training_drops_and_records_the_same(clean):
    leaky = golden(clean, np.random.default_rng(1))
    dictionary, plan = prepared(leaky)
    artifact = train_artifact(leaky, dictionary, plan, CONFIG, {})
    assert "ferritin" not in artifact.plan.sources
    assert "ferritin" not in {v.name for v in artifact.dictionary}
    dropped = summarise(artifact)["dropped"]
    assert {"name": "ferritin", "label": "Ferritin",
            "because": "the audit found a fault (golden feature)"} in dropped  # fmt: skip
    assert not any(character.isdigit() for entry in dropped for character in entry["because"])


def test_where_every_predictor_is_at_fault_a_fold_gets_the_base_rate(clean):
    rng = np.random.default_rng(2)
    config = CONFIG.model_copy(
        update={
            "therapy_prior": None,
            "predictors": CONFIG.predictors.model_copy(
                update={"include": ["ferritin"], "scores": []}
            ),
        }
    )
    cohort = golden(clean, rng)
    dictionary = read_dictionary(ROOT / "configs" / "variables.yaml").restricted_to(cohort)
    plan = plan_features(cohort, dictionary, config, None)
    procedure = Procedure.of(cohort, dictionary, plan, config)
    rows = np.arange(len(cohort))
    risks = procedure(rows[:400], rows[400:], seed=3)
    events = (cohort["crs_grade"].to_numpy()[:400] >= 2).sum()
    observed = (events + 0.5) / (400 + 1)  # Jeffreys: no cohort's base rate is 0
    assert risks["model"] == pytest.approx(observed)
    assert np.all((risks["low"] < observed) & (observed < risks["high"]))
    # There is no model to keep of such a cohort.
    with pytest.raises(InputError, match="fault in every predictor"):
        train_artifact(cohort, dictionary, plan, config, {})


def test_who_each_row_is_reaches_the_fit(clean):
    """Each patient twice: rows of one are not to tune, or to calibrate, with one another."""
    twice = pd.concat([clean, clean], ignore_index=True).assign(
        patient_id=lambda rows: [f"r{k}" for k in range(len(rows))],
        who=np.tile(np.arange(len(clean)), 2),
    )
    evaluation = CONFIG.evaluation.model_copy(update={"patient": "who"})
    config = CONFIG.model_copy(update={"evaluation": evaluation})
    dictionary, plan = prepared(clean)
    patients = Procedure.of(twice, dictionary, plan, config).patients.part(np.arange(400, 600))
    np.testing.assert_array_equal(patients.persons, np.r_[400:500, 0:100])
    weights = [
        sum(train_artifact(twice, dictionary, plan, c, {}).model.heads[0].b)
        for c in (CONFIG, config)
    ]
    assert weights[1] < weights[0]  # with the same patients in all folds, findings seem to tell all
