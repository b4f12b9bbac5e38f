"""Exactly what depends on a change runs again, on a copy of the small run."""

import re
import shutil

import pytest
import yaml
from mlflow import MlflowClient

from pipeline.registry.client import mlflow_at


@pytest.fixture
def copied(small_run, command, tmp_path):
    """The small run in another place, and ``ran(upto)``: the stages that ran again."""
    home = tmp_path / "elsewhere"
    shutil.copytree(small_run.config.parent, home)

    def ran(upto, **changes):
        file = home / "config.yaml"
        file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | changes))
        # The copied registry's addresses lead back to the shared run: a store of its own.
        ended = command(upto, file, MLFLOW_TRACKING_URI=f"sqlite:///{home / 'own.db'}")
        assert ended.returncode == 0, ended.stderr
        return re.findall(r"✓ (\w+)", ended.stdout)

    ran.home, ran.run = home, home / "runs" / "small"
    return ran


def test_a_moved_run_is_fresh_up_to_the_registry(copied):
    assert copied("explain") == []


def test_a_setting_reruns_its_stage_and_what_reads_it(copied):
    assert copied("features", predictors={"exclude": ["il6"]}) == ["features"]
    assert copied("train") == ["train"]


def test_a_setting_of_the_audit_judges_the_predictors_anew(copied):
    # Predictors at fault are dropped before the fit, so that the model hangs on the audit too.
    assert copied("train", audit={"permutations": 299}) == ["train"]
    assert copied("audit") == ["audit"]


def test_an_edited_card_text_reruns_the_card_alone(copied):
    text = dict.fromkeys(
        ("title", "intended_use", "intended_users", "horizon", "population"), "other words"
    )
    assert copied("card") == ["register", "card"]
    assert copied("card", card=text) == ["card"]
    markdown = (copied.run / "card" / "model_card.md").read_text()
    assert "other words" in markdown
    # No new version: the card of the one that stands was attached again.
    with mlflow_at(f"sqlite:///{copied.home / 'own.db'}"):
        (version,) = MlflowClient().search_model_versions("name='toy'")
        assert "other words" in version.description


def test_an_edited_comment_of_the_dictionary_reruns_ingest_alone(copied, small_run):
    copy = copied.home / "variables.yaml"
    source = yaml.safe_load(small_run.config.read_text())["dictionary"]
    with open(source, encoding="utf-8") as file:
        copy.write_text(file.read() + "\n# a remark\n", encoding="utf-8")
    # The section names another file, and the file's digest is another: what comes out is not.
    assert copied("train", dictionary="variables.yaml") == ["ingest"]
    assert copied("train") == []


@pytest.mark.parametrize("damage", ["gone", "cut", "emptied"])
def test_a_damaged_model_is_trained_again_and_is_the_same(copied, damage):
    file = copied.run / "train" / "model" / "model.json"
    before = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(before[: len(before) // 2] if damage == "cut" else b"")
    assert copied("explain") == ["train"]
    assert file.read_bytes() == before
