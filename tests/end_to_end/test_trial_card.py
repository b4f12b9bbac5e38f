"""The card of the real trial of 59 patients: too few, and its first words say so."""

import json
from pathlib import Path

import pytest
import yaml

from tests.card.page import Page

CONFIG = Path(__file__).parents[2] / "configs" / "cd22.yaml"
DATA = CONFIG.parents[2] / "shared" / "cohorts" / "cd22"


@pytest.fixture(scope="module")
def card(command, tmp_path_factory):
    """The run's card folder, from the config as it stands, in a folder of its own."""
    if not DATA.is_dir():
        pytest.skip("the CD22 trial's files are not in ../shared/cohorts/cd22")
    home = tmp_path_factory.mktemp("trial")
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    for table in config["source"]["tables"]:
        table["file"] = str((CONFIG.parent / table["file"]).resolve())
    for key in ("dictionary", "therapy_prior"):
        value = config.get(key, "variables.yaml" if key == "dictionary" else None)
        if isinstance(value, str):
            config[key] = str((CONFIG.parent / value).resolve())
        elif isinstance(value, dict) and "table" in value:
            value["table"] = str((CONFIG.parent / value["table"]).resolve())
    config["runs"] = "runs"
    config["registry"]["store"] = "runs/mlflow.db"
    (home / "cd22.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    ended = command("run", home / "cd22.yaml")
    assert ended.returncode == 0, ended.stderr
    return home / "runs" / "cd22" / "card"


@pytest.mark.slow
def test_its_first_screen_forbids_its_use_before_all_else(card):
    page = Page((card / "model_card.html").read_text(encoding="utf-8"))
    first = page.all("header")[0].text
    forbidden = first.index("This model must not be used.")
    assert forbidden < first.index("Refused by the registry's gate")
    assert forbidden < first.index("AUROC within therapy")
    for name in ("model_card.md", "model_card_chai.xml"):
        assert "This model must not be used." in (card / name).read_text(encoding="utf-8")


@pytest.mark.slow
def test_it_gives_no_count_under_ten(card):
    facts = json.loads((card / "model_card.json").read_text(encoding="utf-8"))
    assert facts["minimum_cell"] == 10

    def counts(value, key=""):
        if isinstance(value, dict):
            for inner, part in value.items():
                yield from counts(part, inner)
        elif isinstance(value, list):
            for part in value:
                yield from counts(part, key)
        elif isinstance(value, int) and not isinstance(value, bool):
            yield key, value

    counted = ("n", "events", "known", "missing", "missing_with_event", "missing_without_event",
               "train_n", "abstained")  # fmt: skip
    found = [(key, n) for key, n in counts(facts) if key in counted]
    assert len(found) > 20
    assert [(key, n) for key, n in found if 0 < n < 10] == []


@pytest.mark.slow
def test_it_names_what_the_audit_made_training_drop(card):
    facts = json.loads((card / "model_card.json").read_text(encoding="utf-8"))
    dropped = {fault["name"] for fault in facts["predictors"]["dropped"]}
    # Cytokines were drawn from those with CRS alone: their absence tells the outcome.
    assert {"il6", "ifn_gamma"} & dropped
    assert not dropped & {v["name"] for v in facts["predictors"]["variables"]}
