"""A gate asks of a model alone; on the same folds it must also not be worse than the champion."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from pipeline.config_file import read_config
from pipeline.errors import InputError
from pipeline.monitoring.succession import against_champion
from pipeline.registry.champion import make_champion, model_digest, roll_back
from pipeline.registry.client import mlflow_at

Y = np.tile([1.0, 0.0], 100)


@pytest.fixture
def runs(tmp_path):
    """Run folders whose risks are 0.5 for all, right, and wrong; 'old' is champion."""
    tags = {}
    for name, risk in (
        ("old", np.full(200, 0.5)),
        ("right", np.where(Y == 1, 0.8, 0.2)),
        ("wrong", np.where(Y == 1, 0.2, 0.8)),
        ("others", np.full(199, 0.5)),
    ):
        model, evaluated = tmp_path / name / "train" / "model", tmp_path / name / "evaluate"
        model.mkdir(parents=True)
        evaluated.mkdir()
        (model / "model.json").write_text(name)
        n = len(risk)
        pd.DataFrame(
            {"outcome": "ge2", "repeat": 0, "fold": np.arange(n) % 2, "patient_id": np.arange(n),
             "observed": Y[:n], "model": risk}
        ).to_parquet(evaluated / "oof.parquet")  # fmt: skip
        tags[name] = {"run": name, "model_sha256": model_digest(model)}
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with mlflow_at(uri):
        client = MlflowClient()
        client.create_registered_model("toy")
        version = client.create_model_version("toy", f"file:{tmp_path}", tags=tags["old"]).version
        make_champion(client, "toy", str(version))
    return SimpleNamespace(folder=tmp_path, tags=tags, uri=uri)


def against(runs, name, small_run):
    config = read_config(small_run.config)
    return against_champion("toy", runs.tags[name], runs.folder, runs.uri, config)


def test_a_worse_model_does_not_displace_the_champion(runs, small_run):
    found = against(runs, "wrong", small_run)
    assert "version 1 stays champion" in found.stays
    assert "worse beyond doubt: ge2 log-loss" in found.stays


def test_a_better_one_does_and_it_is_said(runs, small_run):
    found = against(runs, "right", small_run)
    assert found.stays is None
    assert "not worse than version 1" in found.told("2", small_run.config)


def test_what_could_not_be_compared_is_said_with_the_command(runs, small_run):
    found = against(runs, "others", small_run)
    assert found.stays is None
    told = found.told("2", small_run.config)
    assert "not compared with version 1" in told
    assert "promote --challenger 2 --champion 1 --cohort FILE" in told


def test_without_a_champion_there_is_nobody_to_be_held_against(runs, small_run):
    with mlflow_at(runs.uri):
        MlflowClient().delete_registered_model_alias("toy", "champion")
    assert against(runs, "wrong", small_run) is None
    with pytest.raises(InputError, match="there is no champion of toy yet"):
        roll_back(runs.uri, "toy")
