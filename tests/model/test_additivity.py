"""Contributions are exact: they add up, and each learner's are its Shapley values."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.cohort.dictionary import read_dictionary
from pipeline.cohort.therapies import read_therapies
from pipeline.config import Config
from pipeline.features.matrix import build_matrix, values_of
from pipeline.features.planning import plan_features
from pipeline.features.therapy import therapy_facts
from pipeline.ingest.synthetic import draw_cohort
from pipeline.model.artifact import read_artifact, write_artifact
from pipeline.model.predict import predict_with_reasons
from pipeline.model.training import train_artifact

ROOT = Path(__file__).parents[2]
CARD = dict.fromkeys(("title", "intended_use", "intended_users", "horizon", "population"), "test")
OUTCOMES = {
    name: {"column": "crs_grade", "at_least": grade, "label": name}
    for name, grade in (("any", 1), ("ge2", 2), ("ge3", 3))
}


@pytest.fixture(scope="module")
def fitted():
    """A model of three nested outcomes on a synthetic cohort, ge3 being too rare to fit."""
    config = Config.model_validate(
        {
            "name": "test",
            "source": {"kind": "synthetic", "patients": 500},
            "outcomes": OUTCOMES,
            "primary_outcome": "ge2",
            "therapy_prior": {"table": "therapies.csv"},
            "predictors": {
                "include": ["ldh", "platelets", "ferritin", "age", "disease", "bridging", "ecog"]
            },
            "model": {
                "trees": {"leaves": [4], "trees": [50]},
                "inner_folds": 3,
                "minimum_events": 100,
            },
            "card": CARD,
            "file": ROOT / "configs" / "test.yaml",
        }
    )
    cohort, _, _ = draw_cohort(config.source, 4, config.outcomes, ROOT / "data")
    dictionary = read_dictionary(ROOT / "configs" / "variables.yaml").restricted_to(cohort)
    facts = therapy_facts(read_therapies(ROOT / "data" / "therapies.csv"), config.therapy_prior)
    plan = plan_features(cohort, dictionary, config, facts)
    return train_artifact(cohort, dictionary, plan, config, provenance={}), cohort


def logit(risk):
    return np.log(risk / (1 - risk))


def assert_exact(artifact, frame):
    found = predict_with_reasons(artifact, values_of(frame, artifact.plan))
    total = found.base + found.contributions.sum(axis=1)
    np.testing.assert_allclose(total, logit(found.risks.risk), rtol=0, atol=1e-9)
    return found


def test_the_cohort_exercises_what_is_hard(fitted):
    artifact, cohort = fitted
    kinds = {variable.kind for variable in artifact.plan.variables}
    assert {"numeric", "categorical"} <= kinds
    assert cohort[["ldh", "ferritin"]].isna().any().all()
    heads = {head.outcome: head for head in artifact.model.heads}
    assert heads["any"].deviation
    assert heads["ge2"].deviation is heads["any"].deviation
    assert heads["ge3"].deviation is None


def test_contributions_add_up_for_every_patient(fitted):
    assert_exact(*fitted)


def test_they_add_up_for_patients_of_whom_nothing_is_known(fitted):
    artifact, cohort = fitted
    nothing = cohort[["therapy"]].head(20)
    assert_exact(artifact, nothing)


def test_they_add_up_far_outside_the_training_range(fitted):
    artifact, cohort = fitted
    assert_exact(artifact, cohort.assign(ldh=1e6, platelets=0.0, ferritin=1e7, age=120.0))


def test_where_the_cap_binds_they_are_the_lower_grades(fitted):
    artifact, cohort = fitted
    # Grade 3 alone keeps its published rate, while patients without LDH, tumour and the
    # rest lower the others: the cap binds for some.
    easy = cohort.assign(ldh=40.0, platelets=900.0, ferritin=5.0, ecog=0.0)
    found = assert_exact(artifact, easy)
    capped = found.risks.bound_by[:, 2] != 2
    assert (found.risks.risk[:, 2] <= found.risks.risk[:, 1] + 1e-12).all()
    assert capped.any()
    lower = found.risks.bound_by[capped, 2]
    rows = np.flatnonzero(capped)
    np.testing.assert_array_equal(
        found.contributions[rows, :, 2], found.contributions[rows, :, lower]
    )


def test_they_are_the_same_after_writing_and_reading(fitted, tmp_path):
    artifact, cohort = fitted
    write_artifact(artifact, tmp_path)
    values = values_of(cohort, artifact.plan)
    before = predict_with_reasons(artifact, values)
    after = predict_with_reasons(read_artifact(tmp_path), values)
    np.testing.assert_array_equal(after.contributions, before.contributions)
    np.testing.assert_array_equal(after.base, before.base)


def test_the_trees_part_is_that_of_shaps_tree_explainer(fitted):
    import lightgbm
    import shap

    artifact, cohort = fitted
    Z = build_matrix(values_of(cohort, artifact.plan), artifact.plan)
    trees = artifact.model.heads[0].deviation.trees
    explainer = shap.TreeExplainer(lightgbm.Booster(model_str=trees.text))
    expected = np.asarray(explainer.shap_values(Z))
    found = trees.contributions(Z)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(trees.base, np.ravel(explainer.expected_value)[-1], atol=1e-9)


@pytest.mark.parametrize("learner", ["ridge", "elastic_net"])
def test_the_linear_part_is_what_the_column_adds_to_the_average_patient(fitted, learner):
    # For a sum of terms the Shapley value of a column is its term less the term's mean over
    # the background: f(x) less the mean of f over patients whose column is replaced.
    artifact, cohort = fitted
    linear = getattr(artifact.model.heads[0].deviation, learner)
    Z = build_matrix(values_of(cohort, artifact.plan), artifact.plan)
    Z = artifact.model.imputer.fill(Z)
    found = linear.contributions(Z)
    for j in range(Z.shape[1]):
        swapped = np.repeat(Z[:1], len(Z), axis=0)
        swapped[:, j] = Z[:, j]
        alone = linear.margin(swapped)
        np.testing.assert_allclose(
            found[:, j] - found[:, j].mean(), alone - alone.mean(), rtol=0, atol=1e-9
        )
    np.testing.assert_allclose(found.sum(axis=1), linear.margin(Z), rtol=0, atol=1e-9)


def test_the_published_rate_contributes_its_distance_from_the_mean_rate(fitted):
    artifact, cohort = fitted
    found = predict_with_reasons(artifact, values_of(cohort, artifact.plan))
    own = found.risks.bound_by == np.arange(3)
    prior = logit(found.risks.prior)
    for k in range(3):
        part = found.contributions[own[:, k], -1, k]
        np.testing.assert_allclose(part, prior[own[:, k], k] - prior[:, k].mean(), atol=1e-9)


def test_where_only_the_prior_is_known_nothing_else_contributes(fitted):
    artifact, cohort = fitted
    found = predict_with_reasons(artifact, values_of(cohort, artifact.plan))
    own = found.risks.bound_by[:, 2] == 2
    assert own.any()
    np.testing.assert_array_equal(found.contributions[own, :-1, 2], 0)
