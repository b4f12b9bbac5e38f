import copy

import pytest

from pipeline.config import Gate
from pipeline.evaluation.gate import judge

CLEAN = {"findings": [{"check": "units", "severity": "warning"}]}


def figure(estimate, low, high):
    return {"estimate": estimate, "low": low, "high": high}


def outcome(events=300, slope=1.0, intercept=0.0, difference=(-0.02, -0.03, -0.01)):
    return {
        "n": 1000,
        "events": events,
        "models": {
            "model": {
                "calibration_slope": figure(slope, slope - 0.2, slope + 0.2),
                "calibration_intercept": figure(intercept, intercept - 0.1, intercept + 0.1),
            }
        },
        "differences": {"therapy_only": {"log_loss": figure(*difference)}},
    }


def run(evaluation=None, audit=CLEAN, gate=None, prior_alone=None):
    evaluation = evaluation or {"outcomes": {"ge2": outcome(), "ge3": outcome()}}
    return judge(gate or Gate(), evaluation, audit, "ge2", prior_alone or {})


def failed(verdict):
    return [(r["criterion"], r["outcome"]) for r in verdict["reasons"] if not r["passed"]]


def test_a_sound_run_passes_with_every_criterion_listed():
    found = run()
    assert found["passed"]
    assert found["verdict"] == "Fit to be champion: every criterion of the gate is met."
    assert len(found["reasons"]) == 2 * 5 + 2
    assert found["warnings"] == []


@pytest.mark.parametrize(
    ("spoilt", "criterion", "words"),
    [
        ({"events": 99}, "events", "99 events, but 100 are required"),
        ({"events": 950}, "events", "50 patients without the event, but 100"),
        ({"slope": 0.79}, "calibration_slope", "0.79 (interval 0.59 to 0.99), outside 0.8 to 1.25"),
        ({"slope": 1.3}, "calibration_slope", "outside 0.8 to 1.25"),
        ({"intercept": -0.21}, "calibration_intercept", "outside -0.2 to 0.2"),
        ({"difference": (-0.02, -0.05, 0.001)}, "better_than_therapy_only", "not lower beyond"),
        ({"difference": (0.02, 0.01, 0.03)}, "better_than_therapy_only", "not lower beyond"),
    ],
)
def test_each_criterion_alone_refuses_and_says_so_in_words(spoilt, criterion, words):
    found = run({"outcomes": {"ge2": outcome(**spoilt), "ge3": outcome()}})
    assert failed(found) == [(criterion, "ge2")]
    assert not found["passed"]
    assert found["verdict"].startswith("Refused as champion: ge2: ")
    assert words in found["verdict"]


def test_a_figure_that_rounds_to_nothing_has_no_sign():
    verdict = run({"outcomes": {"ge2": outcome(intercept=-0.001)}})
    (reason,) = [r for r in verdict["reasons"] if r["criterion"] == "calibration_intercept"]
    assert "intercept is 0.00 (interval -0.10 to 0.10)" in reason["sentence"]


def test_bounds_themselves_are_met():
    exact = outcome(events=100, slope=0.8, intercept=0.2)
    assert run({"outcomes": {"ge2": exact}})["passed"]


def test_a_rare_outcome_may_tie_with_the_therapy_but_not_lose():
    tie = outcome(difference=(0.001, -0.002, 0.004))
    assert run({"outcomes": {"ge2": outcome(), "ge3": tie}})["passed"]
    worse = outcome(difference=(0.003, 0.001, 0.005))
    found = run({"outcomes": {"ge2": outcome(), "ge3": worse}})
    assert failed(found) == [("better_than_therapy_only", "ge3")]
    assert "higher beyond doubt" in found["verdict"]


def test_the_comparison_can_be_left_out():
    gate = Gate(better_than_therapy_only=False)
    tie = outcome(difference=(0.1, 0.05, 0.2))
    assert run({"outcomes": {"ge2": tie}}, gate=gate)["passed"]


def test_faults_in_the_data_are_told_before_what_they_may_explain():
    found = run(
        {"outcomes": {"ge2": outcome(slope=3), "ge3": outcome()}},
        audit={"findings": [{"check": "grading_systems", "severity": "error"}]},
    )
    assert failed(found) == [("audit", None), ("calibration_slope", "ge2")]
    assert found["verdict"].startswith("Refused as champion: The audit has 1 error-level finding")


def strip(path):
    def spoil(evaluation):
        part = evaluation["outcomes"]["ge2"]
        for key in path[:-1]:
            part = part[key]
        del part[path[-1]]

    return spoil


@pytest.mark.parametrize(
    ("path", "criterion"),
    [
        (("events",), "events"),
        (("models", "model", "calibration_slope"), "calibration_slope"),
        (("models", "model", "calibration_slope", "low"), "calibration_slope"),
        (("models",), "calibration_intercept"),
        (("differences", "therapy_only"), "better_than_therapy_only"),
        (("differences", "therapy_only", "log_loss", "high"), "better_than_therapy_only"),
    ],
)
def test_a_missing_figure_fails(path, criterion):
    evaluation = copy.deepcopy({"outcomes": {"ge2": outcome(), "ge3": outcome()}})
    strip(path)(evaluation)
    assert (criterion, "ge2") in failed(run(evaluation))


def test_a_null_figure_fails_with_its_reason():
    evaluation = {"outcomes": {"ge2": outcome()}}
    evaluation["outcomes"]["ge2"]["models"]["model"]["calibration_slope"] = {
        "estimate": None, "low": None, "high": None, "reason": "one class only",
    }  # fmt: skip
    evaluation["outcomes"]["ge2"].update(events=None, reason="fewer than 10 events or non-events")
    found = run(evaluation)
    assert "one class only" in found["verdict"]
    assert "fewer than 10 events or non-events, where 100 are required" in found["verdict"]


def test_without_the_primary_outcome_nothing_passes():
    found = run({"outcomes": {"ge3": outcome()}})
    assert {name for _, name in failed(found)} == {"ge2"}
    assert not run({"outcomes": {}} | {"definition": {}})["passed"]


def test_heads_that_are_the_prior_alone_are_refused_with_the_reason():
    found = run(prior_alone={"ge3": "12 events, fewer than 30"})
    assert failed(found) == [("fitted", "ge3")]
    assert "nothing was fitted (12 events, fewer than 30)" in found["verdict"]


def test_audit_errors_refuse_and_so_does_no_audit():
    findings = [
        {"check": "grade_median", "severity": "error"},
        {"check": "units", "severity": "error"},
        {"check": "units", "severity": "note"},
    ]
    found = run(audit={"findings": findings})
    assert "The audit has 2 error-level findings (grade_median, units)." in found["verdict"]
    assert failed(run(audit=None)) == [("audit", None)]


def test_an_outcome_with_a_small_class_fails_every_criterion_of_its_figures():
    hidden = {"estimate": None, "low": None, "high": None, "reason": "fewer than 10 events"}
    evaluation = {
        "outcomes": {
            "ge2": {
                "n": 80,
                "events": None,
                "reason": "fewer than 10 events",
                "models": {"model": {"calibration_slope": hidden, "calibration_intercept": hidden}},
                "differences": {"therapy_only": {"log_loss": hidden}},
            }
        }
    }
    reasons = run(evaluation)["reasons"]
    judged = [r for r in reasons if r["criterion"] not in ("fitted", "subgroups", "audit")]
    assert len(judged) == 4
    for reason in judged:
        assert not reason["passed"]
        assert reason["found"] is None
        assert "fewer than 10 events" in reason["sentence"]
