"""The default run's model, on fewer patients and with one choice per learner."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.cohort.dictionary import read_dictionary
from pipeline.cohort.therapies import read_therapies
from pipeline.config_file import read_config
from pipeline.features.planning import plan_features
from pipeline.features.therapy import therapy_facts
from pipeline.ingest.synthetic import draw_cohort
from pipeline.model.training import train_artifact

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def default():
    """Config, cohort of 400, dictionary and fitted artifact; nobody may change them."""
    config = read_config(ROOT / "configs" / "default.yaml")
    one = config.model.model_copy(
        update={
            "inner_folds": 3,
            "trees": config.model.trees.model_copy(update={"leaves": [4], "trees": [60]}),
            "ridge": config.model.ridge.model_copy(update={"penalties": [100]}),
            "elastic_net": config.model.elastic_net.model_copy(update={"penalties": [20]}),
        }
    )
    source = config.source.model_copy(update={"patients": 400})
    config = config.model_copy(update={"model": one, "source": source})
    cohort, _, _ = draw_cohort(source, 5, config.outcomes, ROOT / "data")
    dictionary = read_dictionary(ROOT / "configs" / "variables.yaml").restricted_to(cohort)
    facts = therapy_facts(read_therapies(ROOT / "data" / "therapies.csv"), config.therapy_prior)

    def train(patients):
        plan = plan_features(patients, dictionary, config, facts)
        return train_artifact(patients, dictionary, plan, config, {})

    return SimpleNamespace(
        config=config, cohort=cohort, dictionary=dictionary, train=train, artifact=train(cohort)
    )


@pytest.fixture(scope="session")
def artifact(default):
    return default.artifact


@pytest.fixture(scope="session")
def cohort(default):
    return default.cohort
