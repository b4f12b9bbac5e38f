"""The model of the small run, and the cohort it was trained on, as the monitor reads them."""

import numpy as np
import pandas as pd
import pytest

from pipeline.features.matrix import values_of
from pipeline.model.artifact import read_artifact
from pipeline.model.predict import predict


@pytest.fixture(scope="session")
def model(small_run):
    return small_run.folder / "train" / "model"


@pytest.fixture(scope="session")
def artifact(model):
    return read_artifact(model)


@pytest.fixture(scope="session")
def cohort(small_run, artifact):
    """The training patients, with grades drawn from the model's own risks: it is right of them."""
    frame = pd.read_parquet(small_run.folder / "ingest" / "cohort.parquet")
    risk = predict(artifact, values_of(frame, artifact.plan)).risk
    uniform = np.random.default_rng(12).random(len(frame))
    return frame.assign(crs_grade=(uniform[:, None] < risk).sum(axis=1).astype(float))
