"""The facts that a card is written from: every one recorded, none that tells of few patients."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from pipeline.card.figures import is_suppressed, is_unknown
from pipeline.card.limits import warnings
from pipeline.card.plots import draw_plots
from pipeline.card.render import to_html, to_markdown
from pipeline.evaluation.gate import judge
from tests.card.small_run import facts_of


def leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """Every value of nested mappings and lists, with its path."""
    if isinstance(value, dict):
        return [leaf for key, part in value.items() for leaf in leaves(part, f"{path}.{key}")]
    if isinstance(value, list):
        return [leaf for k, part in enumerate(value) for leaf in leaves(part, f"{path}.{k}")]
    return [(path, value)]


def test_facts_are_json_without_nan(run, tiny):
    for facts in (run.facts, tiny.facts):
        assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_performance_is_the_evaluation_s_to_the_last_digit(run):
    for name, found in run.evaluation["outcomes"].items():
        taken = run.facts["performance"]["outcomes"][name]
        for model, figures in found["models"].items():
            for key, value in figures.items():
                if value["estimate"] is None:
                    assert is_unknown(taken["models"][model][key])
                else:
                    for end in ("estimate", "low", "high"):
                        assert taken["models"][model][key][end] == value[end]
        assert taken["net_benefit"]["curves"] == found["net_benefit"]["curves"]


def test_the_three_headline_figures(run):
    figures = {h["key"]: h["figure"] for h in run.facts["headline"]}
    ge2 = run.evaluation["outcomes"]["ge2"]
    for key in ("auroc_within_therapy", "calibration_slope"):
        assert figures[key]["estimate"] == ge2["models"]["model"][key]["estimate"]
    benefit = ge2["net_benefit"]
    at = benefit["thresholds"].index(0.2)  # the middle of 10%, 20% and 30%
    gain = benefit["differences"]["therapy_only"]
    assert figures["net_benefit_over_therapy_only"] == {
        key: gain[key][at] for key in ("estimate", "low", "high")
    }


def test_a_loss_of_net_benefit_is_called_fewer_alerts(run):
    changed = json.loads(json.dumps(run.evaluation))
    benefit = changed["outcomes"]["ge2"]["net_benefit"]
    n = len(benefit["thresholds"])
    loss = {"estimate": [-0.021] * n, "low": [-0.03] * n, "high": [-0.01] * n}
    benefit["differences"] = {"therapy_only": loss}
    assert "2.1 fewer true alerts" in facts_of(run, evaluation=changed)["headline"][2]["reading"]


def test_without_threshold_net_benefit_is_not_assessed(run):
    settings = run.config.evaluation.model_copy(update={"thresholds": {}})
    config = run.config.model_copy(update={"evaluation": settings})
    figure = facts_of(run, config=config)["headline"][2]["figure"]
    assert is_unknown(figure)
    assert "evaluation.thresholds" in figure["because"]


def test_synthetic_data_are_called_a_test_of_the_generator(run):
    text = " ".join(run.facts["warnings"])
    assert "Research use only" in text
    assert "assumptions" in text
    assert "not how accurate" in text
    assert run.facts["training_data"].startswith("Synthetic patients: 600; ")


def test_a_cohort_without_a_fit_says_that_the_model_must_not_be_used(tiny):
    first = tiny.facts["warnings"][0]
    assert first.startswith("This model must not be used.")
    assert "the therapy's prior rate" in first
    assert not tiny.facts["verdict"]["passed"]
    assert "Refused" in tiny.facts["verdict"]["sentence"]
    assert tiny.facts["training_data"].startswith("Real patients: 48; ")


def test_partly_fitted_models_say_so(run):
    train = json.loads(json.dumps(run.train))
    train["heads"][2] |= {"fitted": False, "why_not_fitted": "too few", "b": {}}
    assert facts_of(run, train=train)["warnings"][0].startswith("For some outcomes nothing")


def test_no_count_below_the_minimum_cell(tiny):
    counts = ("events", "n", "missing", "known", "missing_with_event", "outside_window", "undated",
              "patients", "count")  # fmt: skip
    for path, value in leaves(tiny.facts):
        if path.rsplit(".", 1)[-1] in counts and isinstance(value, int):
            assert value == 0 or value >= 10, path
    assert is_suppressed(tiny.facts["data"]["flow"][0]["undated"])  # 3 values
    assert tiny.facts["data"]["flow"][0]["outside_window"] == 17


def test_an_outcome_with_a_hidden_count_shows_no_figure_that_reveals_it(tiny):
    hidden = [
        name for name, found in tiny.evaluation["outcomes"].items() if found["events"] is None
    ]
    assert hidden, "the tiny run must have a rare outcome for this test to mean anything"
    for name in hidden:
        own = tiny.facts["performance"]["outcomes"][name]
        assert own["models"] == {}
        assert own["calibration_groups"] == []
        assert is_unknown(own["net_benefit"])
        heads = {head["outcome"]: head for head in tiny.facts["model"]["heads"]}
        assert is_suppressed(heads[name]["events"])
        assert is_suppressed(heads[name]["a"])
        assert name not in [f["outcome"] for f in tiny.facts["model"]["formulas"]]
        told = [r["sentence"] for r in tiny.facts["verdict"]["reasons"] if r["outcome"] == name]
        assert not re.search(r"\d\.\d", " ".join(told))
        met = {r["criterion"] for r in tiny.facts["verdict"]["reasons"]
               if r["outcome"] == name and r["passed"]}  # fmt: skip
        assert met == set()


def test_events_that_training_did_not_count_are_hidden(run):
    train = json.loads(json.dumps(run.train))
    train["heads"][2] |= {"events": None, "a": None}
    model = facts_of(run, train=train)["model"]
    assert is_suppressed(model["heads"][2]["events"])
    assert is_suppressed(model["heads"][2]["a"])
    assert train["heads"][2]["outcome"] not in [f["outcome"] for f in model["formulas"]]


def test_what_training_dropped_is_no_predictor_and_says_why(run):
    fault = {"name": "platelets", "label": "Platelets", "because": "missing for all events"}
    facts = facts_of(run, train=run.train | {"dropped": [fault]})
    assert facts["predictors"]["dropped"] == [fault]
    assert "platelets" not in {v["name"] for v in facts["predictors"]["variables"]}
    before = run.facts["predictors"]
    assert facts["predictors"]["columns"] == before["columns"] - 1
    for page in (to_html(facts, {}), to_markdown(facts)):
        assert "missing for all events" in page


def test_a_gain_that_may_be_none_is_not_called_one(run):
    changed = json.loads(json.dumps(run.evaluation))
    benefit = changed["outcomes"]["ge2"]["net_benefit"]
    n = len(benefit["thresholds"])
    for low, said in ((-0.01, True), (0.001, False)):
        gain = {"estimate": [0.02] * n, "low": [low] * n, "high": [0.03] * n}
        benefit["differences"] = {"therapy_only": gain}
        reading = facts_of(run, evaluation=changed)["headline"][2]["reading"]
        assert ("none is not ruled out" in reading) == said


def test_pictures_of_single_real_patients_are_kept_back(run):
    ingest = run.ingest | {"kind": "table"}
    explanation = facts_of(run, ingest=ingest)["explanation"]
    assert [p["name"] for p in explanation["pictures"]] == ["importance_ge2"]
    assert explanation["kept_back"] == 1
    assert len(run.facts["explanation"]["pictures"]) == 2


@pytest.mark.parametrize(
    "path", ["ethics.funding", "ethics.inequalities", "changes", "performance.transport.therapies",
             "provenance.version", "provenance.config_sha256", "outcome.assessors"]
)  # fmt: skip
def test_what_nobody_recorded_is_not_assessed(run, path):
    fact = run.facts
    for key in path.split("."):
        fact = fact[key]
    assert is_unknown(fact)
    assert fact["because"]


def test_without_explanation_or_cohort_the_card_still_stands(run):
    facts = facts_of(run, explanation=None, described=None, formulas=None)
    assert is_unknown(facts["explanation"])
    assert is_unknown(facts["data"]["groups"])
    assert is_unknown(facts["model"]["formulas"])
    assert is_unknown(facts["predictors"]["variables"][0]["missing"])


def test_an_outcome_that_was_not_evaluated_is_not_assessed(run):
    changed = {**run.evaluation, "outcomes": dict(run.evaluation["outcomes"])}
    del changed["outcomes"]["ge2"]
    facts = facts_of(run, evaluation=changed)
    assert all(is_unknown(h["figure"]) for h in facts["headline"])


def test_intervals_that_cover_too_rarely_are_a_limit(run):
    changed = json.loads(json.dumps(run.evaluation))
    coverage = {"estimate": 0.61, "low": 0.59, "high": 0.63}
    width = {"estimate": 0.1, "low": 0.1, "high": 0.1}
    truth = changed["outcomes"]["ge2"]["truth"]
    truth["interval"] = {"coverage": coverage, "mean_width": width}
    text = next(
        limit["text"]
        for limit in facts_of(run, evaluation=changed)["limits"]
        if limit["heading"] == "Intervals are too narrow"
    )
    assert "90%" in text
    assert "0.610 (0.590 to 0.630)" in text


@pytest.mark.parametrize("trend", [0, 1])
def test_directions_are_called_assumptions_where_trees_obey_any(run, trend):
    columns = [column | {"trend": trend} for column in run.features["columns"]]
    found = facts_of(run, features=run.features | {"columns": columns})["model"]["directions"]
    if trend:
        assert "assumptions" in found
        assert "confounded by indication" in found
    else:
        assert found is None


def test_without_trees_nothing_obeys_a_direction(tiny):
    columns = [column | {"trend": 1} for column in tiny.features["columns"]]
    found = facts_of(tiny, features=tiny.features | {"columns": columns})
    assert found["model"]["fitted"] is False
    assert found["model"]["directions"] is None


CHANCE = {"observed_expected": (0.8, 1.2), "calibration_intercept": (-0.2, 0.2)}


def on_the_last_years(run, **intervals):
    """The card's sentence on the later years, with these intervals and else those of chance."""
    transport = json.loads(json.dumps(run.transport))
    own = transport["temporal"]["outcomes"]["ge2"]["figures"]
    for name, (low, high) in (CHANCE | intervals).items():
        own[name] = {"estimate": (low + high) / 2, "low": low, "high": high}
    findings = facts_of(run, transport=transport)["performance"]["transport"]["findings"]
    return next(sentence for sentence in findings if "last years" in sentence)


@pytest.mark.parametrize(
    ("figure", "low", "high", "end"),
    [
        ("observed_expected", 0.7, 0.9, "Its risks were too high there."),
        ("observed_expected", 1.1, 1.3, "Its risks were too low there."),
        ("calibration_intercept", -0.46, -0.02, "Its risks were too high there."),
        ("calibration_intercept", 0.02, 0.46, "Its risks were too low there."),
    ],
)
def test_risks_that_were_off_in_later_years_are_said_to_be(run, figure, low, high, end):
    assert on_the_last_years(run, **{figure: (low, high)}).endswith(end)


def test_risks_within_chance_of_the_later_years_are_not_called_off(run):
    sentence = on_the_last_years(run)
    assert "observed / expected 1.00 (0.80 to 1.20)" in sentence
    assert "too" not in sentence


def test_transport_of_drawn_patients_is_called_the_best_case(run):
    assert run.facts["synthetic"]
    said = run.facts["performance"]["transport"]["findings"][-1]
    assert said.startswith("Synthetic patients make this the best case")
    real = facts_of(run, ingest=run.ingest | {"kind": "table"})
    assert "best case" not in json.dumps(real["performance"]["transport"])


@pytest.mark.parametrize("low", [0.45, 0.55])
def test_a_group_ranked_no_better_than_chance_stands_on_the_first_screen(run, low):
    changed = json.loads(json.dumps(run.evaluation))
    groups = [g for t in changed["outcomes"]["ge2"]["subgroups"] for g in t["groups"]]
    judged = [g for g in groups if not g.get("reason") and g["n"] is not None]
    for group in judged:
        group["figures"]["auroc_within_therapy"] = {"estimate": 0.7, "low": 0.6, "high": 0.8}
    weak = {"estimate": 0.61, "low": low, "high": 0.67}
    judged[0]["figures"]["auroc_within_therapy"] = weak
    facts = facts_of(run, evaluation=changed)
    said = [w for w in facts["warnings"] if "better than chance" in w]
    headings = [limit["heading"] for limit in facts["limits"]]
    assert ("Groups it cannot tell apart" in headings) == bool(said) == (low <= 0.5)
    if said:
        assert f"0.61 ({low:.2f} to 0.67)" in said[0]


def test_groups_without_gain_stand_on_the_first_screen():
    figure = {"estimate": 0.0014, "low": -0.0073, "high": 0.0096}
    warning = {"outcome": "ge2", "group": "T-cell engagers", "n": 1563, "figure": figure}
    facts = {
        "model": {"heads": [{"fitted": True}], "prior": {"kind": "published"}},
        "synthetic": False,
        "primary_outcome": "ge2",
        "performance": {
            "subgroups": {"unranked_finding": "Not shown to rank."},
            "by_therapy": True,
            "yardstick": "therapy alone",
        },
        "verdict": {"warnings": [{**warning, "label": "CRS of grade 2 or higher"}]},
    }
    assert warnings(facts)[-1] == (
        "Not shown to add anything to the therapy alone in groups large enough to show it: T-cell "
        "engagers, 1,563 patients (log-loss above the therapy's: 0.001 (−0.007 to 0.010))."
    )
    facts["verdict"]["warnings"].append({**warning, "outcome": "any", "label": "Any CRS"})
    assert "0.010); Any CRS: 0.001" in warnings(facts)[-1]
    assert warnings(facts | {"verdict": {"warnings": []}})[-1] == "Not shown to rank."


def test_without_a_therapy_no_page_claims_a_gain_over_one(run):
    changed = json.loads(json.dumps(run.evaluation))
    changed["definition"]["by_therapy"] = False
    gate = judge(run.config.registry.gate, changed, run.audit, "ge2", {})
    config = run.config.model_copy(update={"therapy_prior": None})
    facts = facts_of(run, evaluation=changed, gate=gate, config=config)
    labels = [h["label"] for h in facts["headline"]]
    assert labels == ["AUROC", "Calibration slope", "Net benefit over base rate"]
    plots = draw_plots(facts)
    for page in (to_html(facts, plots), to_markdown(facts), *plots.values()):
        assert not re.search("therapy[ -](alone|only)|by the therapy", page.lower())
    assert "Base rate" in to_markdown(facts)
    assert "Therapy alone" in run.markdown


def test_the_share_without_a_score_stands_beside_the_comparison_where_it_is_known(run):
    changed = json.loads(json.dumps(run.evaluation))
    gap = {"estimate": -0.0123, "low": -0.0345, "high": 0.0067}
    figures = dict.fromkeys(("log_loss", "brier", "auroc", "auroc_within_therapy"), gap)
    hidden = {"reason": "fewer than 10 patients in a cell"}
    changed["comparators"] = {
        "easix": {"label": "EASIX", "without": 0.31, "complete_cases": {
            "ge2": {"n": 414, "differences": figures}, "ge3": hidden}},
        "m_easix": {"label": "Modified EASIX", "without": 0.0},
    }  # fmt: skip
    facts = facts_of(run, evaluation=changed)
    outcomes = facts["performance"]["outcomes"]
    (told,) = outcomes["ge2"]["lacking_scores"]
    assert (told["label"], told["without"], told["n"]) == ("EASIX", 0.31, 414)
    assert outcomes["any"]["lacking_scores"] == []
    (unknown,) = outcomes["ge3"]["lacking_scores"]
    assert is_suppressed(unknown["n"])
    assert is_unknown(unknown["differences"]["log_loss"])
    for page in (to_html(facts, run.plots), to_markdown(facts)):
        for text in ("31%", "414", "−0.0123", "(−0.0345 to 0.0067)"):
            assert text in page
