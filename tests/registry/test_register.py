"""What MLflow holds after a run: figures, digests, verdict and aliases, and no patient."""

import json
import os
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import mlflow
import pytest
from mlflow import MlflowClient

from pipeline.config import Outcome
from pipeline.model.artifact import read_artifact
from pipeline.registry.address import fetch_model, store_stands, tracking_uri
from pipeline.registry.client import mlflow_at
from pipeline.registry.incumbent import comparable_tags, why_champion_stays
from pipeline.registry.register import Entry, register
from pipeline.runner import file_digest


@pytest.fixture(scope="module")
def logged(small_run):
    """The registered version and its MLflow run."""
    with mlflow_at(small_run.store):
        client = MlflowClient()
        version = client.get_model_version_by_alias("toy", "challenger")
        run = client.get_run(version.run_id)
        folder = mlflow.artifacts.download_artifacts(run_id=version.run_id)
    files = {}
    for path, _, names in os.walk(folder):
        for name in names:
            files[os.path.relpath(os.path.join(path, name), folder)] = os.path.join(path, name)
    return SimpleNamespace(version=version, run=run.data, info=run.info, files=files)


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_metrics_are_the_figures_of_the_evaluation(logged, small_run):
    recorded = read(small_run.folder / "evaluate" / "evaluation.json")["outcomes"]
    expected = {}
    for outcome, part in recorded.items():
        for model, figures in part["models"].items():
            for name, figure in figures.items():
                if isinstance(figure, dict) and isinstance(figure.get("estimate"), float):
                    expected[f"{outcome}.{model}.{name}"] = figure["estimate"]
    assert len(expected) > 40
    assert {name: logged.run.metrics.get(name) for name in expected} == expected
    low = recorded["ge2"]["models"]["model"]["auroc"]["low"]
    assert logged.run.metrics["ge2.model.auroc.low"] == low


def test_tags_hold_digests_and_the_verdict_in_words(logged, small_run):
    expected = {
        "cohort_sha256": file_digest(small_run.folder / "ingest" / "cohort.parquet"),
        "config_sha256": file_digest(small_run.folder / "register" / "config.json"),
        "run": "small",
        "gate": "refused",
        "research_use_only": "true",
    }
    for tags in (logged.run.tags, logged.version.tags):
        assert {name: tags[name] for name in expected} == expected
        assert len(bytes.fromhex(tags["source_sha256"])) == sha256().digest_size
        assert "63 events, but 100 are required" in tags["gate_reasons"]
        assert tags["gate_verdict"].startswith("Refused as champion")


def test_params_are_the_config(logged, small_run):
    assert logged.run.params["seed"] == "20260"
    assert logged.run.params["model.trees.leaves"] == "[4]"
    assert logged.run.params["source.kind"] == "synthetic"
    assert logged.run.params["registry.gate.minimum_events"] == "100"


def test_card_and_pictures_are_there(logged, small_run):
    assert {"card/model_card.html", "card/model_card.md", "card/model_card.json"} <= set(
        logged.files
    )
    # Nobody in a synthetic cohort is real: pictures of single patients may be shown.
    assert {"explain/beeswarm_ge2.png", "explain/waterfall_high.png"} <= set(logged.files)


RECORDS = (
    "run/config.json", "run/gate.json", "features/features.json", "audit/audit.json",
    "evaluate/evaluation.json", "transport/transport.json", "learning/learning_curve.json",
)  # fmt: skip


@pytest.mark.parametrize("name", RECORDS)
def test_what_the_run_recorded_is_logged_as_it_stands(logged, small_run, name):
    own = small_run.folder / name.replace("run/", "register/")
    assert read(own) == read(Path(logged.files[name]))


def counts(value, key=""):
    """Every number of patients or events in a record, with its key."""
    if isinstance(value, dict):
        return [found for name, part in value.items() for found in counts(part, name)]
    if isinstance(value, list):
        return [found for part in value for found in counts(part, key)]
    return [(key, value)] if key in ("n", "events", "train_n") else []


@pytest.mark.parametrize(
    ("name", "some_hidden"),
    [
        ("evaluate/evaluation.json", True),
        ("transport/transport.json", True),
        ("learning/learning_curve.json", False),
    ],
)
def test_no_small_count_is_logged(logged, name, some_hidden):
    found = [count for _, count in counts(read(Path(logged.files[name])))]
    assert found
    assert all(count >= 10 for count in found if count is not None)
    assert (None in found) >= some_hidden


def test_no_table_of_patients_is_there(logged, small_run):
    assert not [name for name in logged.files if name.endswith((".parquet", ".csv", ".xlsx"))]


def test_a_refused_model_is_challenger_only(small_run):
    recorded = read(small_run.folder / "register" / "register.json")
    assert (recorded["version"], recorded["aliases"]) == ("1", ["challenger"])
    assert recorded["address"] == "models:/toy@challenger"
    with mlflow_at(small_run.store):
        assert MlflowClient().get_registered_model("toy").aliases == {"challenger": 1}


# -- aliases, version by version ----------------------------------------------------------


@pytest.fixture(scope="module")
def versions(small_run, tmp_path_factory):
    """Register four times: refused, passed, refused, passed."""
    folder = tmp_path_factory.mktemp("aliases")
    artifact = read_artifact(small_run.folder / "train" / "model")
    package = next((small_run.folder.parent / "mlartifacts").glob("**/code/pipeline"))
    entry = Entry(
        run_name="a",
        model_name="named",
        experiment="e",
        params={"a": 1},
        metrics={"b": 2.0},
        tags={"gate": "x"},
        files={},
        model_folder=small_run.folder / "train" / "model",
        entry_point=package / "serving" / "pyfunc.py",
        package=package,
        description="text",
        champion=False,
    )
    uri, found = f"sqlite:///{folder / 'other.db'}", []
    for champion in (False, True, False, True):
        given = replace(entry, champion=champion)
        said = register(given, artifact, uri, folder / "files")
        with mlflow_at(uri):
            aliases = MlflowClient().get_registered_model("named").aliases
        found.append((said, dict(aliases)))
    return SimpleNamespace(uri=uri, found=found, folder=folder, entry=entry, artifact=artifact)


def test_champion_moves_only_when_the_gate_passes(versions):
    assert [aliases for _, aliases in versions.found] == [
        {"challenger": 1},
        {"challenger": 2, "champion": 2},
        {"challenger": 3, "champion": 2},
        {"challenger": 4, "champion": 4},
    ]
    assert [said["aliases"] for said, _ in versions.found[:2]] == [
        ["challenger"], ["challenger", "champion"],
    ]  # fmt: skip


ANY = Outcome(column="crs_grade", at_least=1, label="any")
GE2 = Outcome(column="crs_grade", at_least=2, label="grade 2")
DEATH = Outcome(column="death", at_least=1, label="death")


class Registry:
    """MLflow's client, as far as the rule asks it: a champion with tags, or none."""

    def __init__(self, tags):
        self.tags = tags

    def get_registered_model(self, _name):
        return SimpleNamespace(aliases={} if self.tags is None else {"champion": "7"})

    def get_model_version(self, _name, version):
        assert version == "7"
        return SimpleNamespace(tags=self.tags)


@pytest.mark.parametrize(
    ("incumbent", "outcomes", "kind", "reason"),
    [
        (None, {"ge2": GE2}, "synthetic", None),
        (({"ge2": GE2}, "synthetic"), {"ge2": GE2}, "synthetic", None),
        (({"ge2": GE2}, "synthetic"), {"ge2": GE2}, "table", None),
        (({"ge2": GE2}, "table"), {"ge2": GE2}, "table", None),
        (({"ge2": GE2}, "table"), {"ge2": GE2}, "synthetic", "trained on real patients"),
        (({"ge2": GE2}, "table"), {"death": DEATH}, "table", "predicts other outcomes"),
        (({"ge2": GE2}, "table"), {"ge2": ANY}, "table", "predicts other outcomes"),
        (({"any": ANY, "ge2": GE2}, "table"), {"ge2": GE2}, "table", "predicts other outcomes"),
        (({"any": ANY, "ge2": GE2}, "table"), {"ge2": GE2, "any": ANY}, "table", None),
    ],
)
def test_only_a_like_model_displaces_the_champion(incumbent, outcomes, kind, reason):
    theirs = None if incumbent is None else comparable_tags(*incumbent)
    said = why_champion_stays(Registry(theirs), "named", comparable_tags(outcomes, kind))
    if reason is None:
        assert said is None
    else:
        assert said.startswith("version 7 of named stays champion")
        assert reason in said
        assert "registry.model_name" in said


def test_a_reworded_label_is_the_same_outcome():
    reworded = GE2.model_copy(update={"label": "another wording"})
    assert comparable_tags({"x": GE2}, "table") == comparable_tags({"x": reworded}, "table")


def test_a_champion_that_does_not_say_what_it_predicts_stays():
    said = why_champion_stays(
        Registry({"gate": "passed"}), "n", comparable_tags({"x": GE2}, "table")
    )
    assert "does not say which outcomes it predicts" in said


def test_a_model_of_another_outcome_is_registered_but_the_champion_stays(versions):
    # After the versions above: a champion that MLflow itself holds.
    uri = f"sqlite:///{versions.folder / 'unlike.db'}"
    files, entry = versions.folder / "unlike", versions.entry
    for outcome, kind, aliases in (
        (GE2, "table", {"challenger": 1, "champion": 1}),
        (DEATH, "table", {"challenger": 2, "champion": 1}),
        (GE2, "synthetic", {"challenger": 3, "champion": 1}),
    ):
        tags = entry.tags | comparable_tags({"x": outcome}, kind)
        said = register(replace(entry, tags=tags, champion=True), versions.artifact, uri, files)
        with mlflow_at(uri):
            assert MlflowClient().get_registered_model("named").aliases == aliases
        assert (said["champion_stays"] is None) == (aliases["champion"] == aliases["challenger"])
        assert said["address"].endswith("@champion" if said["version"] == "1" else "@challenger")


def test_a_run_says_what_its_model_predicts_and_on_whom_it_was_trained(logged):
    assert logged.version.tags["cohort_kind"] == "synthetic"
    assert json.loads(logged.version.tags["outcomes"]) == [
        {"name": "any", "column": "crs_grade", "at_least": 1},
        {"name": "ge2", "column": "crs_grade", "at_least": 2},
    ]


def test_the_champion_is_fetched_from_the_store_that_the_environment_names(
    versions, small_run, monkeypatch, tmp_path
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", versions.uri)
    monkeypatch.chdir(tmp_path)
    folder = fetch_model("models:/named@champion")
    source = small_run.folder / "train" / "model"
    assert {p.name: file_digest(p) for p in folder.iterdir()} == {
        p.name: file_digest(p) for p in source.iterdir()
    }


def test_mlflow_is_left_pointing_where_it_pointed(versions, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////somewhere/else.db")
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    with mlflow_at(versions.uri):
        assert mlflow.get_tracking_uri() == versions.uri
    assert os.environ["MLFLOW_TRACKING_URI"] == "sqlite:////somewhere/else.db"
    assert "MLFLOW_REGISTRY_URI" not in os.environ
    assert mlflow.get_tracking_uri() == "sqlite:////somewhere/else.db"


# -- addresses ----------------------------------------------------------------------------


def test_the_environment_decides_over_the_config(monkeypatch, tmp_path):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(tmp_path / "a.db") == f"sqlite:///{tmp_path / 'a.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://registry:5000")
    assert tracking_uri(tmp_path / "a.db") == "http://registry:5000"


def test_only_a_local_store_can_be_gone(tmp_path):
    here = f"sqlite:///{tmp_path / 'a.db'}"
    assert not store_stands(here)
    (tmp_path / "a.db").touch()
    assert store_stands(here)
    for elsewhere in ("http://registry:5000", "databricks", "postgresql://u:p@host/db"):
        assert store_stands(elsewhere)


def test_scoring_by_address_without_a_store_makes_none(command, tmp_path):
    shutil.copy(__file__, tmp_path / "in.csv")
    ended = command(
        "score", "--model", "models:/toy@champion", "--input", "in.csv", "--output", "out.csv",
        cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "no model at 'models:/toy@champion'" in ended.stderr
    assert "make run" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.parametrize("address", ["toy@champion", "nobody@challenger", "toy", "toy/99"])
def test_an_address_without_a_model_is_named(small_run, monkeypatch, address):
    from pipeline.errors import InputError

    monkeypatch.setenv("MLFLOW_TRACKING_URI", small_run.store)
    with pytest.raises(InputError, match=f"no model at 'models:/{address}'"):
        fetch_model(f"models:/{address}")


def test_a_store_that_mlflow_refuses_is_named_without_its_password(tmp_path):
    from pipeline.errors import InputError

    with (
        pytest.raises(InputError, match=r"MLflow's store at file://host/x cannot be used") as e,
        mlflow_at("file://me:secret@host/x"),
    ):
        MlflowClient().get_experiment_by_name("e")
    assert "secret" not in str(e.value)
