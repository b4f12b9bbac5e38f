"""The model of the small run, and the records it was trained on."""

import pandas as pd
import pytest

import pipeline


@pytest.fixture(scope="session")
def model(small_run):
    return small_run.folder / "train" / "model"


@pytest.fixture(scope="session")
def scorer(model):
    return pipeline.load(str(model))


@pytest.fixture(scope="session")
def cohort(small_run):
    return pd.read_parquet(small_run.folder / "ingest" / "cohort.parquet")


@pytest.fixture(scope="session")
def risks(scorer, cohort):
    return scorer.predict(cohort)
