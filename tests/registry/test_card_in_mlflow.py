"""The card reaches the registry, and an earlier version can be read from it again."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline.errors import InputError
from pipeline.model.artifact import read_artifact
from pipeline.registry.attach import DESCRIPTION_LENGTH, attach_card
from pipeline.registry.client import mlflow_at
from pipeline.registry.register import Entry, register
from pipeline.registry.snapshot import latest_two


@pytest.fixture(scope="module")
def registry(small_run, tmp_path_factory):
    """Versions 1 and 2 of a name, and one of another name between them."""
    folder = tmp_path_factory.mktemp("registry")
    uri, model = f"sqlite:///{folder / 'own.db'}", small_run.folder / "train" / "model"
    package = next((small_run.folder.parent / "mlartifacts").glob("**/code/pipeline"))
    evaluation, features = (
        small_run.folder / "evaluate" / "evaluation.json",
        small_run.folder / "features" / "features.json",
    )
    entry = Entry(
        run_name="a", model_name="named", experiment="e", params={"seed": 1}, metrics={},
        tags={"gate": "refused"}, files={"evaluate": [evaluation], "features": [features]},
        model_folder=model, entry_point=package / "serving" / "pyfunc.py", package=package,
        description="to come", champion=False,
    )  # fmt: skip
    artifact, found = read_artifact(model), []
    for changes in ({}, {"model_name": "other"}, {"params": {"seed": 2}, "files": {}}):
        found.append(register(replace(entry, **changes), artifact, uri, folder / "files"))
    return uri, found, evaluation


def test_the_version_before_is_the_last_of_the_same_name(registry):
    uri, _, evaluation = registry
    now, before = latest_two(uri, "named", "2")
    assert (now["version"], before["version"]) == ("2", "1")
    assert (now["params"], before["params"]) == ({"seed": "2"}, {"seed": "1"})
    assert before["tags"]["gate"] == "refused"
    assert before["evaluation"] == json.loads(evaluation.read_text())
    assert {"columns", "labels"} <= set(before["features"])
    # What was never logged, or is gone, stops nothing.
    assert now["evaluation"] is None


def test_the_first_version_has_none_before_it(registry):
    uri, _, _ = registry
    assert latest_two(uri, "named", "1")[1] is None
    assert latest_two(uri, "other", "1")[1] is None


def test_a_card_is_attached_and_replaced_without_a_new_version(registry, tmp_path):
    uri, (first, *_), _ = registry
    for words in ("one", "two" * DESCRIPTION_LENGTH):
        file = tmp_path / "model_card.md"
        file.write_text(words)
        attach_card(uri, first, [file], words)
    with mlflow_at(uri):
        client = MlflowClient()
        version = client.get_model_version("named", "1")
        assert len(client.search_model_versions("name='named'")) == 2
        assert len(version.description) <= DESCRIPTION_LENGTH
        assert version.description.startswith("twotwo")
        file = client.download_artifacts(first["mlflow_run"], "card/model_card.md", str(tmp_path))
    assert Path(file).read_text() == "two" * DESCRIPTION_LENGTH


def test_the_run_s_card_is_the_one_in_the_registry(small_run, tmp_path):
    with mlflow_at(small_run.store):
        client = MlflowClient()
        version = client.get_model_version_by_alias("toy", "challenger")
        for kind in ("html", "md", "json"):
            name = f"model_card.{kind}"
            file = client.download_artifacts(version.run_id, f"card/{name}", str(tmp_path))
            with open(file, "rb") as there:
                assert there.read() == (small_run.folder / "card" / name).read_bytes()
    assert version.description.startswith("# test")
    assert "version: 1" in version.description
    assert "Research use only" in version.description


def test_a_registry_that_does_not_answer_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"MLflow's store at file://host/x cannot be used"):
        latest_two("file://host/x", "named", "1")
    with pytest.raises(InputError, match=r"cannot be used"):
        attach_card("file://host/x", {"mlflow_run": "r", "model_name": "n", "version": "1"}, [], "")
