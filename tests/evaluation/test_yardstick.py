import numpy as np
import pandas as pd
import pytest

from pipeline.cohort.dictionary import Dictionary
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.gate import judge
from pipeline.evaluation.yardstick import BASE_RATE, THERAPY, with_recorded_therapies, yardstick
from tests.evaluation.test_gate import CLEAN, Gate, outcome
from tests.evaluation.test_subgroups import SETTINGS, drawn, grouping
from tests.evaluation.toy_procedure import patients_of


def dictionary_of(timing="baseline", kind="categorical"):
    entry = {"name": "drug", "label": "Drug", "role": "treatment", "timing": timing, "kind": kind}
    return Dictionary.from_json([entry])


def some(therapies=None):
    return patients_of(np.array([0.0, 1.0, 0.0]), np.zeros((3, 1)), therapies=therapies)


@pytest.mark.parametrize("drugs", [["a", None, "b"], [1.0, np.nan, 0.0]])
def test_a_recorded_therapy_is_each_patients_where_no_prior_names_one(drugs):
    cohort = pd.DataFrame({"drug": drugs})
    found = with_recorded_therapies(some(), cohort, dictionary_of(), "drug").therapies
    assert found.tolist() == [str(drugs[0]), None, str(drugs[2])]
    named = np.array(["x", "y", "z"], dtype=object)
    kept = with_recorded_therapies(some(named), cohort, dictionary_of(), "drug")
    assert kept.therapies is named


def test_no_therapy_is_taken_from_elsewhere_or_from_after_the_infusion():
    cohort = pd.DataFrame({"drug": ["a", "a", "b"]})
    for column in (None, "therapy"):
        assert with_recorded_therapies(some(), cohort, dictionary_of(), column).therapies is None
    later = dictionary_of(timing="post")
    assert with_recorded_therapies(some(), cohort, later, "drug").therapies is None


def test_without_a_therapy_the_evaluation_says_so_and_claims_no_win_over_one():
    frame, ids, group = drawn()
    frame = frame.assign(therapy_only=frame["observed"].mean())
    found = evaluate(frame, None, None, SETTINGS, 3, None, [grouping(ids, group)])
    assert yardstick(found) is BASE_RATE
    assert "base rate" in found["definition"]["therapy_only"]
    own = found["outcomes"]["ge2"]["models"]["model"]
    for key in ("auroc_within_therapy", "calibration_slope_within_therapy"):
        assert own[key] == {"estimate": None, "low": None, "high": None,
                            "reason": "no therapy is recorded"}  # fmt: skip
    judged = judge(Gate(), found, CLEAN, "ge2", {})
    sentences = " ".join(r["sentence"] for r in judged["reasons"])
    assert "against the base rate is lower beyond doubt" in sentences
    assert "therapy" not in sentences


def test_where_a_therapy_is_recorded_the_gate_speaks_of_it():
    evaluation = {"definition": {"by_therapy": True}, "outcomes": {"ge2": outcome()}}
    assert yardstick(evaluation) is THERAPY
    sentences = [r["sentence"] for r in judge(Gate(), evaluation, CLEAN, "ge2", {})["reasons"]]
    assert any("against the therapy-only model is lower beyond doubt" in s for s in sentences)


def test_figures_say_what_keeps_them_from_being_and_not_what_might():
    """Risks that separate the classes have no slope; nobody is of one class there."""
    frame, ids, _ = drawn(repeats=1)
    rng = np.random.default_rng(1)
    frame["model"] = np.where(frame["observed"] == 1, 0.8, 0.2) + 0.1 * rng.random(len(frame))
    therapy = pd.Series(np.where(np.arange(len(ids)) % 2, "x", "y"), index=ids)
    own = evaluate(frame, therapy, None, SETTINGS, 3)["outcomes"]["ge2"]["models"]["model"]
    assert own["auroc"]["estimate"] == own["auroc"]["low"] == 1
    assert own["calibration_slope"]["reason"] == "the risks separate the classes"
    # Each therapy of one class: nothing within them to judge.
    first = frame.set_index("patient_id").loc[ids, "observed"]
    apart = pd.Series(first.map({0: "x", 1: "y"}).to_numpy(), index=ids)
    own = evaluate(frame, apart, None, SETTINGS, 3)["outcomes"]["ge2"]["models"]["model"]
    assert own["calibration_slope_within_therapy"]["reason"] == (
        "no therapy has patients of both classes"
    )
