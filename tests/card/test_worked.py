"""The worked patient: steps that add up to the risk that the model itself gives."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.card.worked import worked_patient
from pipeline.features.matrix import values_of
from pipeline.model.artifact import read_artifact
from pipeline.model.example import example_record
from pipeline.model.predict import predict


@pytest.fixture(scope="module")
def artifact(small_run):
    return read_artifact(small_run.folder / "train" / "model")


@pytest.mark.parametrize("outcome", ["any", "ge2"])
def test_the_steps_add_up_to_the_model_s_own_risk(artifact, outcome):
    worked = worked_patient(artifact, outcome)
    k = artifact.model.outcomes.index(outcome)
    values = values_of(example_record(artifact), artifact.plan)
    assert worked["served"] == predict(artifact, values).risk[0, k]
    # Of the lowest grade no cap can bind.
    if outcome == "any":
        assert worked["risk"] == pytest.approx(worked["served"], abs=1e-9)
    assert worked["served"] <= worked["risk"] + 1e-9
    total = sum(step["log_odds"] for step in worked["steps"])
    assert total == pytest.approx(np.log(worked["risk"] / (1 - worked["risk"])))
    findings = sum(part["log_odds"] for part in worked["findings"])
    assert worked["findings_log_odds"] == pytest.approx(findings)
    assert worked["steps"][-1]["log_odds"] == pytest.approx(worked["factor"] * findings)


def test_the_terms_shown_and_the_others_are_the_linear_step(artifact):
    worked = worked_patient(artifact, "ge2")
    linear = next(s for s in worked["findings"] if s["what"].endswith("linear terms"))
    shown = sum(term["log_odds"] for term in worked["terms"])
    assert shown + worked["further_log_odds"] == pytest.approx(linear["log_odds"])
    for term in worked["terms"]:
        assert term["log_odds"] == pytest.approx(term["slope"] * term["term"])
    sizes = [abs(term["log_odds"]) for term in worked["terms"]]
    assert sizes == sorted(sizes, reverse=True)
