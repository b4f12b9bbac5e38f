"""Recalibrated versions in a registry: descent, gate, promotion and the way back."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.config_file import read_config
from pipeline.errors import InputError
from pipeline.model.artifact import read_artifact
from pipeline.monitoring.commands import promote_version, roll_back
from pipeline.monitoring.comparison import Paired, compare, in_lines, why_not
from pipeline.monitoring.monitor import monitor
from pipeline.monitoring.observations import Observations
from pipeline.monitoring.recalibration import _needed, recalibrate_file
from pipeline.monitoring.registration import _parent
from pipeline.monitoring.site_card import _adapted, _whose
from pipeline.registry.address import fetch_served
from pipeline.registry.champion import find_version, make_champion, model_digest
from pipeline.registry.champion import roll_back as give_back
from pipeline.registry.client import mlflow_at
from pipeline.registry.incumbent import why_champion_stays
from pipeline.serving.http.source import FolderSource

LENIENT = {
    "minimum_events": 10,
    "calibration_slope": [0.0, 10.0],
    "calibration_intercept": [-2.0, 2.0],
    "better_than_therapy_only": False,
}


@pytest.fixture(scope="module")
def site(tmp_path_factory, small_run, model, cohort):
    """A registry of two recalibrated versions, the first under the strict gate."""
    home = tmp_path_factory.mktemp("site")
    content = yaml.safe_load(small_run.config.read_text(encoding="utf-8"))
    content |= {"audit": {"permutations": 199, "alpha_error": 1e-9, "golden_auroc": 0.999}}
    content |= {"promotion": {"log_loss_margin": 0.02, "net_benefit_margin": 0.08}}
    content |= {"evaluation": content["evaluation"] | {"thresholds": {"ge2": [0.3]}}}
    registry = {"model_name": "toy", "experiment": "toy", "store": "mlflow.db"}
    configs = {}
    for name, gate in (("strict", {}), ("lenient", LENIENT)):
        file = home / f"{name}.yaml"
        file.write_text(
            yaml.safe_dump(content | {"registry": registry | {"gate": gate}}), encoding="utf-8"
        )
        configs[name] = read_config(file)
    rng = np.random.default_rng(1)
    graver, mild = (
        cohort.assign(crs_grade=cohort["crs_grade"].where(rng.random(len(cohort)) < share, grade))
        for share, grade in ((0.6, 2), (0.5, 0))
    )
    files = {}
    for name, frame in (("graver", graver.iloc[rng.permutation(250)[:200]]), ("mild", mild)):
        files[name] = home / f"{name}.csv"
        frame.to_csv(files[name], index=False)
    said = []
    said.append(recalibrate_file(str(model), files["mild"], configs["strict"], home / "first"))
    said.append(recalibrate_file(str(model), files["mild"], configs["lenient"], home / "second"))
    with mlflow_at(f"sqlite:///{home / 'mlflow.db'}"):
        from mlflow import MlflowClient

        make_champion(MlflowClient(), "toy", "2")
    said.append(
        recalibrate_file(str(home / "second" / "model"), files["graver"], configs["lenient"],
                         home / "third")
    )  # fmt: skip
    return SimpleNamespace(home=home, said=said, configs=configs, files=files)


def versions(site):
    with mlflow_at(f"sqlite:///{site.home / 'mlflow.db'}"):
        from mlflow import MlflowClient

        client = MlflowClient()
        aliases = client.get_registered_model("toy").aliases
        return (
            {v: find_version(client, "toy", v) for v in ("1", "2", "3")},
            {alias: str(version) for alias, version in aliases.items()},
        )


def test_descent_is_recorded(site, model):
    found, _ = versions(site)
    assert found["1"].tags["parent_sha256"] == model_digest(model)
    # The second's child knows its parent's version by the model's digest alone.
    assert found["3"].tags["parent_version"] == "2"
    assert json.loads(found["1"].tags["update"]).keys() == {"any", "ge2"}


def test_the_gate_is_applied_and_says_why(site):
    found, _ = versions(site)
    assert found["1"].tags["gate"] == "refused"
    assert "refused as champion" in site.said[0]
    assert found["3"].tags["gate"] == "passed", found["3"].tags["gate_reasons"]


def test_a_site_never_takes_the_champions_place_by_itself(site):
    # Version 3 passed its gate on one site's patients; version 2 serves all the others.
    assert versions(site)[1] == {"champion": "2", "challenger": "3"}
    assert "version 3 is challenger; the gate is passed" in site.said[2]
    assert "promote --challenger 3 --cohort" in site.said[2]
    assert "promote" not in site.said[0]
    page = (site.home / "third" / "model_card.html").read_text(encoding="utf-8")
    assert "Registered as challenger only" in page


def test_the_card_is_one_document(site, small_run):
    page = (site.home / "third" / "model_card.html").read_text(encoding="utf-8")
    assert "child of version 2" in page
    facts = json.loads((site.home / "third" / "recalibration.json").read_text(encoding="utf-8"))
    before = facts["evaluation"]["outcomes"]["ge2"]["models"]["before"]["ici"]["estimate"]
    after = facts["evaluation"]["outcomes"]["ge2"]["models"]["model"]["ici"]["estimate"]
    assert after < before
    assert f"{after:.3f} <" in page
    # The parent's sections, and through its parent those of the trained model.
    anchors = re.findall(r' id="([^"]+)"', page)
    assert len(anchors) == len(set(anchors))
    assert {"site-figures", "parent-site-figures"} <= set(anchors)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(anchors)
    found, _ = versions(site)
    assert "| Outcome | Events | Update |" in found["3"].description


def test_the_card_of_a_trained_parent_follows(site, small_run):
    page = (site.home / "second" / "model_card.html").read_text(encoding="utf-8")
    trained = (small_run.folder / "card" / "model_card.html").read_text(encoding="utf-8")
    sections = re.findall(r'<section id="([^"]+)"', trained)
    assert "performance" in sections
    assert [s for s in re.findall(r'<section id="([^"]+)"', page) if s in sections] == sections


def test_the_service_answers_with_the_card(site):
    folder = FolderSource(site.home / "third" / "model")
    card = (site.home / "third" / "model_card.html").read_bytes()
    assert folder.load().card == card
    _, _, served = fetch_served("models:/toy/3", f"sqlite:///{site.home / 'mlflow.db'}")
    assert Path(served).read_bytes() == card


def test_what_could_not_be_tested_is_not_called_right(site, model, cohort):
    file = site.home / "spared.csv"
    cohort.head(150).assign(crs_grade=0.0).to_csv(file, index=False)
    said = recalibrate_file(str(model), file, site.configs["strict"], site.home / "spared")
    assert said.startswith("No update: not tested: no outcome has 10 patients with it")
    assert "leaves the model as it is" not in said


def test_tags_say_whose_data_taught_it(site):
    # The small run's patients were drawn; a site's table counts as real ones.
    for version in versions(site)[0].values():
        assert version.tags["cohort_kind"] == "synthetic"
        assert version.tags["site_cohort_kind"] == "table"


def test_a_recalibrated_model_of_unknown_descent_does_not_displace_one_of_real_patients():
    champion = SimpleNamespace(tags={"outcomes": "[]", "cohort_kind": "table"})
    client = SimpleNamespace(
        get_registered_model=lambda name: SimpleNamespace(aliases={"champion": "1"}),
        get_model_version=lambda name, version: champion,
    )
    tags = {"outcomes": "[]", "cohort_kind": "unknown"}
    assert "and this version does not say so" in why_champion_stays(client, "toy", tags)


def test_the_site_is_no_drift_to_the_model_that_was_recalibrated_on_it(site):
    child, parent = (read_artifact(site.home / run / "model") for run in ("third", "second"))
    config = site.configs["strict"]
    seen = Observations.of(pd.read_csv(site.files["graver"]), child, config.monitoring)

    def drift(artifact):
        found = monitor(seen, artifact, config.monitoring)["drift"]
        return {d["name"]: d["verdict"] for d in found if d["kind"] == "risks"}

    assert set(drift(child).values()) == {"none"}
    # With the parent's reference, whose site was milder, the update itself would be the drift.
    risks = {"risks": parent.facts["reference"]["risks"]}
    facts = child.facts | {"reference": child.facts["reference"] | risks}
    assert drift(replace(child, facts=facts))["ge2"] == "large"


def test_the_updates_stand_with_intervals(site):
    facts = json.loads((site.home / "third" / "recalibration.json").read_text(encoding="utf-8"))
    artifact = read_artifact(site.home / "third" / "model")
    for head in artifact.model.heads:
        told = facts["updates"][head.outcome]["alpha"]
        sd = np.sqrt(head.update.covariance[0][0])
        assert told["high"] - told["low"] == pytest.approx(2 * 1.959964 * sd)
    page = (site.home / "third" / "model_card.html").read_text(encoding="utf-8")
    assert f"({told['low']:.3f} to".replace("-", "−") in page


def test_centres_are_counted_and_a_level_is_called_a_level():
    assert _whose(8) == " of 8 centres"
    assert _whose(1) == " of one centre"
    assert _adapted({"any": {"kind": "intercept"}, "ge2": {"kind": "none"}}) == (
        "only the level of risks was"
    )
    assert "weight" in _adapted({"any": {"kind": "reweighted"}})


def test_what_too_few_patients_cannot_show_is_said(site, model, cohort):
    file = site.home / "forty.csv"
    cohort.head(60).to_csv(file, index=False)
    said = recalibrate_file(str(model), file, site.configs["strict"], site.home / "forty")
    assert "With 60 patients it would more often miss than find" in said


def test_events_that_are_short_are_told_in_patients(site):
    failed = [
        {"criterion": "events", "outcome": o, "found": f} for o, f in (("a", 38), ("b", None))
    ]
    evaluation = {"outcomes": {"a": {"n": 300}, "b": {"n": 300}}}
    # 100 events at 38 in 300 patients take 789; fewer than 10 in 300, more than 3,000.
    assert "about 790 for a, more than 3,000 for b" in _needed(
        failed, evaluation, site.configs["strict"]
    )
    assert "models:/toy/1" in site.said[0]


def test_another_folder_finds_the_registry_of_its_config(site, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = recalibrate_file("models:/toy/2", site.files["mild"], site.configs["strict"],
                            tmp_path / "out")  # fmt: skip
    assert "no model at" not in said


def test_another_model_than_the_registered_one_is_no_parent(site, model):
    uri = f"sqlite:///{site.home / 'mlflow.db'}"
    with pytest.raises(InputError, match="not the model that was recalibrated"):
        _parent("models:/toy/2", model_digest(model), "toy", uri)


def test_without_thresholds_nothing_is_promoted(site):
    config = site.configs["lenient"]
    silent = config.model_copy(
        update={"evaluation": config.evaluation.model_copy(update={"thresholds": {}})}
    )
    with pytest.raises(InputError, match=r"evaluation\.thresholds names none for"):
        promote_version("3", "@champion", None, silent, None)


def test_what_an_ancestor_was_fitted_on_is_recognised(site):
    # Version 2, the parent of version 3, was fitted on this table.
    with pytest.raises(InputError, match="version 3 was fitted on these patients") as refused:
        promote_version("3", "1", site.files["mild"], site.configs["lenient"], None)
    # Neither left folds of a run, and none are offered.
    assert "--cohort" not in str(refused.value)


def test_promotion_and_roll_back_move_the_alias(site, command):
    lenient = site.configs["lenient"]
    with pytest.raises(InputError, match="version 3 was fitted on these patients"):
        promote_version("3", "@champion", site.files["graver"], lenient, None)
    judged = site.home / "further.csv"
    judged.write_bytes(site.files["graver"].read_bytes() + b"\n")
    said, refused = promote_version("3", "@champion", judged, lenient, None)
    assert versions(site)[1]["champion"] == "3", said
    assert not refused
    assert "version 3 is champion now, in place of version 2" in said
    assert "On further.csv, " in said
    ended = command(
        "promote", "--challenger", "2", "--cohort", judged, "--output", site.home / "p.json",
        "--config", site.home / "lenient.yaml",
    )  # fmt: skip
    # A script must notice: neither promoted (0) nor wrong input (2).
    assert ended.returncode == 3, ended.stderr
    assert "version 3 stays champion" in ended.stdout
    assert "worse beyond doubt: any log-loss" in ended.stdout
    assert not json.loads((site.home / "p.json").read_text(encoding="utf-8"))["moved"]
    said, refused = promote_version("1", "@champion", judged, lenient, None)
    assert refused
    assert "did not pass its gate" in said
    assert versions(site)[1]["champion"] == "3"
    # The champion itself may be asked about; it only ever stays.
    said, refused = promote_version("3", "2", judged, lenient, None)
    assert "version 3 is champion already" in said
    assert not refused
    with pytest.raises(InputError, match="the champion before it: --champion 2"):
        promote_version("3", "@champion", judged, lenient, None)
    assert "version 2 is champion again" in roll_back(lenient)
    assert versions(site)[1]["champion"] == "2"


def test_roll_back_goes_step_by_step_through_what_was_and_then_ends(tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with mlflow_at(uri):
        from mlflow import MlflowClient

        client = MlflowClient()
        client.create_registered_model("toy")
        for _ in range(2):
            client.create_model_version("toy", f"file:{tmp_path}", None)
        for number in "1212":
            make_champion(client, "toy", number)
    for number in "121":
        assert f"version {number} is champion again" in give_back(uri, "toy")
    with pytest.raises(InputError, match="none was before it"):
        give_back(uri, "toy")


def test_wrong_versions_are_refused_in_a_sentence(site, command):
    config = site.home / "lenient.yaml"
    ended = command("promote", "--challenger", "77", "--config", config)
    assert ended.returncode == 2
    assert "toy has no version '77'" in ended.stderr
    ended = command("promote", "--challenger", "1", "--config", config)
    assert ended.returncode == 2
    assert "--cohort FILE" in ended.stderr


def test_paired_differences_by_hand(site):
    config = site.configs["strict"]
    y = np.repeat([1.0, 0.0], [40, 60])
    same = np.full((1, 100), 0.4)
    found = compare({"ge2": Paired(y, same, same)}, config)["outcomes"]["ge2"]
    assert found["log_loss"]["estimate"] == found["log_loss"]["high"] == 0
    assert found["passed"]
    # Log-loss of 0.3 for all, less that of 0.4.
    worse = compare({"ge2": Paired(y, np.full((1, 100), 0.3), same)}, config)
    expected = 0.4 * np.log(0.4 / 0.3) + 0.6 * np.log(0.6 / 0.7)
    assert worse["outcomes"]["ge2"]["log_loss"]["estimate"] == pytest.approx(expected)
    assert not worse["passed"]
    lines = in_lines(worse, config.promotion, 0.95)
    assert lines[1].split()[:4] == ["✗", "ge2", "log-loss", f"{expected:+.4f}"]
    lines = in_lines({"outcomes": {"ge2": found}}, config.promotion, 0.95)
    assert "✓" in lines[1]
    assert "0.0000 (0.0000 to 0.0000)" in lines[1]
    many = Paired(np.tile(y, 20), np.full((1, 2000), 0.3), np.full((1, 2000), 0.4))
    said = why_not(compare({"ge2": many}, config), config.promotion)
    assert said[0].startswith("worse beyond doubt: ge2 log-loss")
    # Nobody's risk is right more often: the mean difference is 0, and its interval is wide.
    rng = np.random.default_rng(3)
    noisy = np.clip(same + rng.normal(0, 0.25, (1, 100)), 0.05, 0.95)
    other = np.clip(same + rng.normal(0, 0.25, (1, 100)), 0.05, 0.95)
    found = compare({"ge2": Paired(y, noisy, other)}, config)
    assert (
        found["outcomes"]["ge2"]["log_loss"]["low"]
        < 0
        < found["outcomes"]["ge2"]["log_loss"]["high"]
    )
    assert "not shown to be no worse, with too few patients" in why_not(found, config.promotion)[0]
    few = compare({"ge2": Paired(y[31:], same[:, 31:], same[:, 31:])}, config)
    assert not few["passed"]
    assert "fewer than 10" in few["outcomes"]["ge2"]["reason"]


def test_the_model_is_text(site):
    assert {p.suffix for p in Path(site.home / "third" / "model").iterdir()} <= {".json", ".txt"}
