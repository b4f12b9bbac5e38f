"""What changed since the version before: differences by hand, and nothing small given away."""

from __future__ import annotations

import copy
from math import sqrt
from typing import Any

import pytest

from pipeline.card.changes import change_facts, difference
from pipeline.card.figures import is_suppressed, is_unknown
from pipeline.card.render import to_description, to_html, to_markdown
from pipeline.card.suppression import Guard
from tests.card.small_run import facts_of


def snapshot(run: Any, version: str, **changed: Any) -> dict[str, Any]:
    """What the registry would hold of a run."""
    tags = {"cohort_sha256": "a", "config_sha256": "b", "source_sha256": "c", "model_sha256": "d",
            "gate": "passed"}  # fmt: skip
    return {"version": version, "tags": tags, "params": {"seed": "1"},
            "evaluation": run.evaluation, "features": run.features} | changed  # fmt: skip


@pytest.fixture
def earlier(run):
    """A version of other settings, with worse discrimination and one predictor more."""
    evaluation = copy.deepcopy(run.evaluation)
    figure = evaluation["outcomes"]["ge2"]["models"]["model"]["auroc_within_therapy"]
    figure |= {"estimate": 0.60, "low": 0.55, "high": 0.64}
    features = copy.deepcopy(run.features)
    features["columns"].append({"name": "crp", "source": "crp"})
    features["labels"]["crp"] = "C-reactive protein"
    return snapshot(
        run, "3", evaluation=evaluation, features=features, params={"seed": "2", "gone": "x"}
    )


def test_the_interval_of_a_difference_by_hand():
    # Zou and Donner: limits by squares of the distances that face each other.
    before = {"estimate": 0.60, "low": 0.55, "high": 0.64}
    now = {"estimate": 0.70, "low": 0.67, "high": 0.72}
    found = difference(before, now)
    assert found["estimate"] == pytest.approx(0.10)
    assert found["low"] == pytest.approx(0.10 - sqrt(0.03**2 + 0.04**2))
    assert found["high"] == pytest.approx(0.10 + sqrt(0.02**2 + 0.05**2))


def test_without_an_interval_in_both_the_difference_has_none():
    now = {"estimate": 0.7, "low": 0.6, "high": 0.8}
    before = {"estimate": 0.6, "low": None, "high": None, "because": "no resampling"}
    found = difference(before, now)
    assert (found["low"], found["high"]) == (None, None)
    assert "interval" in found["because"]
    missing = difference({"status": "not assessed", "because": "few"}, now)
    assert is_unknown(missing)
    assert "few" in missing["because"]


def test_figures_settings_and_predictors_are_compared(run, earlier):
    facts = facts_of(run, versions=(snapshot(run, "4"), earlier))
    changes = facts["changes"]
    assert changes["version"] == "3"
    assert changes["same_patients"]
    assert changes["settings"] == [
        {"key": "gone", "before": "x", "now": None},
        {"key": "seed", "before": "2", "now": "1"},
    ]
    assert changes["predictors"]["removed"] == ["C-reactive protein"]
    assert changes["predictors"]["added"] == []
    (ge2,) = [o for o in changes["outcomes"]["compared"] if o["name"] == "ge2"]
    own = {f["key"]: f for f in ge2["figures"] if f["group"] == "This model"}
    estimate = run.evaluation["outcomes"]["ge2"]["models"]["model"]["auroc_within_therapy"]
    step = own["auroc_within_therapy"]["difference"]
    assert step["estimate"] == pytest.approx(estimate["estimate"] - 0.60)
    unchanged = [f for f in ge2["figures"] if f is not own["auroc_within_therapy"]]
    assert all(f["difference"]["estimate"] == 0 for f in unchanged)
    html, markdown = to_html(facts, {}), to_markdown(facts)
    for page in (html, markdown, to_description(facts)):
        assert "Since version 3: the same patients" in page
    assert "C-reactive protein" in html
    assert "C-reactive protein" in markdown


def test_other_patients_are_called_so(run, earlier):
    earlier["tags"]["cohort_sha256"] = "z"
    facts = facts_of(run, versions=(snapshot(run, "4"), earlier))
    assert "other patients" in facts["changes_sentence"]
    assert "the model, and the patients" in to_html(facts, {})


def test_the_first_version_says_that_it_is_the_first(run):
    facts = facts_of(run, versions=(snapshot(run, "1"), None))
    assert "first version" in facts["changes"]["because"]
    assert "first version" in to_html(facts, {})


def test_a_registry_that_lost_its_files_stops_nothing(run):
    lost = snapshot(run, "1", evaluation=None, features=None)
    changes = facts_of(run, versions=(snapshot(run, "2"), lost))["changes"]
    assert is_unknown(changes["outcomes"])
    assert is_unknown(changes["predictors"])


@pytest.mark.parametrize(("step", "hidden"), [(0, False), (4, True), (9, True), (10, False)])
def test_a_few_patients_more_are_not_counted(run, step, hidden):
    earlier = copy.deepcopy(run.evaluation)
    ge2 = earlier["outcomes"]["ge2"]
    ge2["n"] += step
    versions = snapshot(run, "2"), snapshot(run, "1", evaluation=earlier)
    guard = Guard(10, run.ingest["patients"])
    changes = change_facts(*versions, run.config.outcomes, guard)
    (entry,) = [o for o in changes["outcomes"]["compared"] if o["name"] == "ge2"]
    assert is_suppressed(entry["n"]["before"]) == hidden
    assert entry["n"]["now"] == ge2["n"] - step
