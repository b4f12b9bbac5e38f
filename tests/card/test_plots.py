from __future__ import annotations

import json
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.card.findings import shown_thresholds
from pipeline.card.plots import draw_plots
from pipeline.card.svg import Scale, spread, ticks
from tests.card.small_run import facts_of

SVG = "{http://www.w3.org/2000/svg}"


def elements(drawing: str, tag: str, kind: str) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(drawing)
    return [e for e in root.iter(SVG + tag) if kind in e.attrib.get("class", "").split()]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]), (0, 0.4, [0, 0.1, 0.2, 0.3, 0.4]),
     (-0.05, 0.31, [0, 0.1, 0.2, 0.3])],
)  # fmt: skip
def test_ticks_are_round_and_few(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_a_scale_is_straight_and_keeps_within_its_ends():
    scale = Scale(0, 2, 100, 300)
    assert [scale(v) for v in (0, 0.5, 2, 3, -1)] == [100, 150, 300, 300, 100]


@given(st.lists(st.floats(0, 300), min_size=1, max_size=8))
def test_labels_are_moved_apart(places):
    moved = spread(places, 16, 0, 300)
    ordered = sorted(moved)
    gaps = [b - a for a, b in pairwise(ordered)]
    assert all(gap >= 16 - 1e-6 for gap in gaps)
    assert max(moved) <= 300 + 1e-6


def test_every_plot_is_well_formed_and_says_its_finding(run):
    drawn = draw_plots(run.facts)
    assert set(drawn) == {plot["name"] for plot in run.facts["plots"]}
    for plot in run.facts["plots"]:
        root = ElementTree.fromstring(drawn[plot["name"]])
        assert root.attrib["role"] == "img"
        assert root.find(SVG + "title").text == plot["title"]
        assert root.find(SVG + "desc").text == plot["alt"]
        assert re.search(r"\d", plot["alt"]), "a finding has a number in it"


def test_calibration_draws_each_shown_group_at_its_place(run):
    own = run.facts["performance"]["outcomes"]["ge2"]
    drawn = draw_plots(run.facts)["calibration_ge2"]
    shown = [g for g in own["calibration_groups"] if isinstance(g["observed"], float)]
    points = elements(drawn, "circle", "p-point")[: len(shown)]
    assert len(shown) >= 5
    # The dotted line of perfect calibration gives the plot's own scale.
    ideal = elements(drawn, "polyline", "p-dot")[0].attrib["points"].split()
    (x0, y0), (x1, y1) = ([float(v) for v in p.split(",")] for p in ideal)
    rows = [(float(p.attrib["cx"]), float(p.attrib["cy"])) for p in points]
    share_x = [(x - x0) / (x1 - x0) for x, _ in rows]
    share_y = [(y - y0) / (y1 - y0) for _, y in rows]
    ratio = [g["observed"] / g["predicted"] for g in shown]
    assert [b / a for a, b in zip(share_x, share_y, strict=True)] == pytest.approx(ratio, rel=0.05)


def test_the_model_s_interval_in_the_forest_spans_its_bounds(run):
    drawn = draw_plots(run.facts)["models"]
    figure = run.facts["performance"]["outcomes"]["ge2"]["models"]["model"]["auroc_within_therapy"]
    text = f"{figure['estimate']:.2f} ({figure['low']:.2f}–{figure['high']:.2f})"
    assert text in [e.text for e in elements(drawn, "text", "p-accent-text")]


def test_the_forest_leaves_out_an_outcome_without_figures_and_says_what_it_shows(run):
    changed = json.loads(json.dumps(run.evaluation))
    nothing = {"estimate": None, "low": None, "high": None, "reason": "too constant"}
    for figures in changed["outcomes"]["ge2"]["models"].values():
        figures["auroc_within_therapy"] = nothing
    changed["outcomes"]["any"]["models"]["therapy_only"]["auroc_within_therapy"] = nothing
    facts = facts_of(run, evaluation=changed)
    alt = next(p["alt"] for p in facts["plots"] if p["name"] == "models")
    outcomes = facts["performance"]["outcomes"]
    assert alt.startswith(f"AUROC within therapy for {outcomes['any']['label']}: This model 0.")
    assert "Therapy alone not assessed, because too constant" in alt
    told = [e.text for e in elements(draw_plots(facts)["models"], "text", "p-strong")]
    assert told == [outcomes["any"]["label"], outcomes["ge3"]["label"]]


def test_a_hidden_primary_outcome_leaves_no_sentence_empty(run):
    changed = json.loads(json.dumps(run.evaluation))
    changed["outcomes"]["ge2"] |= {"events": None, "reason": "few"}
    facts = facts_of(run, evaluation=changed)
    assert not any(": ." in plot["alt"] for plot in facts["plots"])
    assert "models" in draw_plots(facts)


def test_the_decision_curve_ends_where_all_curves_are_flat():
    at = [k / 100 for k in range(1, 61)]
    falling = [max(0.3 - t, 0.0) for t in at]
    benefit = {"thresholds": at, "curves": {"model": {"estimate": falling},
               "treat_all": {"estimate": [-1.0] * 60}}}  # fmt: skip
    # 0.3 - t falls under a twentieth of its top just before 30%.
    assert at[shown_thresholds(benefit) - 1] == pytest.approx(0.3)
