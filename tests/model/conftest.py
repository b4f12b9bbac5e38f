"""Small synthetic cohorts, and models fitted on them quickly."""

from pathlib import Path

import pytest

from pipeline.cohort.dictionary import read_dictionary
from pipeline.cohort.therapies import read_therapies
from pipeline.config import Config
from pipeline.features.planning import plan_features
from pipeline.features.therapy import therapy_facts
from pipeline.ingest.synthetic import draw_cohort
from pipeline.model.artifact import write_artifact
from pipeline.model.training import train_artifact

ROOT = Path(__file__).parents[2]
CARD = dict.fromkeys(("title", "intended_use", "intended_users", "horizon", "population"), "test")
OUTCOMES = {
    name: {"column": "crs_grade", "at_least": grade, "label": name}
    for name, grade in (("any", 1), ("ge2", 2), ("ge3", 3))
}
# One choice per learner: what is chosen is tested with the tuning.
QUICK = {
    "inner_folds": 3,
    "trees": {"leaves": [4], "trees": [30]},
    "ridge": {"penalties": [100], "l1_ratio": 0.0, "knots": 4},
    "elastic_net": {"penalties": [20], "l1_ratio": 0.5, "knots": 0},
}
PREDICTORS = ["ldh", "platelets", "ferritin", "crp", "age", "disease", "bridging", "tumour_burden"]


def _configure(**changes):
    content = {
        "name": "test",
        "source": {"kind": "synthetic", "patients": 300},
        "outcomes": OUTCOMES,
        "primary_outcome": "ge2",
        "therapy_prior": {"table": "therapies.csv"},
        "predictors": {"include": PREDICTORS},
        "card": CARD,
        "file": ROOT / "configs" / "test.yaml",
    }
    changes["model"] = QUICK | changes.get("model", {})
    return Config.model_validate(content | changes)


def _draw(config, patients, seed):
    source = config.source.model_copy(update={"patients": patients})
    cohort, truth, _ = draw_cohort(source, seed, config.outcomes, ROOT / "data")
    return cohort, truth[[f"risk_{name}" for name in config.outcomes]].to_numpy()


def _train(cohort, config):
    dictionary = read_dictionary(ROOT / "configs" / "variables.yaml").restricted_to(cohort)
    facts = None
    if config.therapy_prior:
        facts = therapy_facts(read_therapies(ROOT / "data" / "therapies.csv"), config.therapy_prior)
    plan = plan_features(cohort, dictionary, config, facts)
    return train_artifact(cohort, dictionary, plan, config, {"run": "test"})


@pytest.fixture(scope="session")
def configure():
    """Build a config: ``configure(**changes)``; ``model`` is changed key by key."""
    return _configure


@pytest.fixture(scope="session")
def draw():
    """Draw ``(cohort, true risks)``: ``draw(config, patients, seed)``."""
    return _draw


@pytest.fixture(scope="session")
def train():
    """Fit an artifact: ``train(cohort, config)``."""
    return _train


@pytest.fixture(scope="session")
def cohort():
    """300 patients on several therapies, with values missing. Nobody may change it."""
    return _draw(_configure(), 300, 11)[0]


@pytest.fixture(scope="session")
def artifact(cohort):
    """A model of any CRS and grade 2; grade 3 stays below the minimum."""
    return _train(cohort, _configure(model={"minimum_events": 60}))


@pytest.fixture(scope="session")
def written(artifact, tmp_path_factory):
    """The model's folder, and the model that was written into it."""
    folder = tmp_path_factory.mktemp("written") / "model"
    folder.mkdir()
    write_artifact(artifact, folder)
    return folder, artifact
