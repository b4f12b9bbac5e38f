"""The card as page and Markdown: the evaluation's own figures, readable by all, safe to open."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from pipeline.card.figures import MEASURES, number, percent, with_interval
from pipeline.card.plots import draw_plots
from pipeline.card.render import EMBEDDED_AT_MOST, to_html, to_markdown
from tests.card.page import Page
from tests.card.small_run import facts_of

FIGURES = 13  # per model, by the evaluation


def look_up(content: Any, path: str) -> Any:
    for key in path.split("."):
        content = content[int(key)] if isinstance(content, list) else content[key]
    return content


def recorded(run: Any) -> dict[str, Any]:
    """Everything that a cell of the card may refer to."""
    return {
        **run.evaluation,
        "transport": run.transport,
        "learning": run.learning,
        "changes": run.facts["changes"],
    }


def as_shown(run: Any, source: str) -> str:
    """What the card must print for a place in what the stages recorded."""
    found = recorded(run)
    head, _, last = source.rpartition(".")
    if ".classification." in source:
        band, k = look_up(found, head), int(last)
        digits = MEASURES[head.rpartition(".")[2]].digits
        if band["estimate"][k] is None:
            return "not shown"
        return with_interval({end: band[end][k] for end in band}, digits)
    if ".net_benefit." in source:
        curve, k = look_up(found, head), int(last)
        text = number(curve["estimate"][k], 4)
        if head.endswith((".model", ".differences.therapy_only")):
            text += f" ({number(curve['low'][k], 4)} to {number(curve['high'][k], 4)})"
        return text
    value = look_up(found, source)
    if last in ("n", "events", "prevalence"):
        if value is None:
            return "not shown"
        return percent(value) if last == "prevalence" else number(value, 0)
    digits = MEASURES[look_up(found, head)["key"] if "changes." in source else last].digits
    if value.get("status"):
        return "not assessed" + value["because"]
    if value["estimate"] is None:
        return "not assessed" + value["reason"]
    if value["low"] is None:
        return f"{number(value['estimate'], digits)}no interval: {value['reason']}"
    return with_interval(value, digits)


@pytest.fixture(scope="module")
def page(run) -> Page:
    return Page(run.html)


def test_every_number_on_the_card_is_the_evaluation_s(run, page):
    cells = [e for e in page.all("td") if "data-source" in e.attributes]
    for cell in cells:
        source = cell.attributes["data-source"]
        assert cell.text == as_shown(run, source), source


def places(value: Any, path: str) -> list[str]:
    """Paths of all figures below a place: what has an estimate and low and high ends."""
    if isinstance(value, dict):
        if isinstance(value.get("estimate"), float):
            return [path]
        return [p for key, part in value.items() for p in places(part, f"{path}.{key}")]
    if isinstance(value, list):
        return [p for k, part in enumerate(value) for p in places(part, f"{path}.{k}")]
    return []


def test_every_figure_of_subgroups_transport_and_learning_is_on_the_card(run, page):
    sources = {e.attributes.get("data-source") for e in page.all("td")}
    expected = places(run.transport, "transport") + places(run.learning, "learning")
    for name, found in run.evaluation["outcomes"].items():
        expected += places(found["subgroups"], f"outcomes.{name}.subgroups")
    assert len(expected) > 100
    assert set(expected) <= sources


def test_markdown_prints_subgroups_and_transport(run):
    for name, found in run.evaluation["outcomes"].items():
        for place in places(found["subgroups"], "x") + places(run.transport, "x"):
            source = found["subgroups"] if ".groups." in place else run.transport
            key = place.rpartition(".")[2]
            value = look_up(source, place.removeprefix("x."))
            assert with_interval(value, MEASURES[key].digits) in run.markdown, (name, place)


def test_units_that_trained_every_model_are_named_unless_small(run):
    for text in (run.html, run.markdown):
        assert "Not left out, having few events: centre 7 (44 patients), 1 too small" in text
        assert "centre 8" not in text


def test_every_figure_of_the_evaluation_is_on_the_card(run, page):
    sources = {e.attributes.get("data-source") for e in page.all("td")}
    for name, found in run.evaluation["outcomes"].items():
        for model, figures in found["models"].items():
            assert len(figures) == FIGURES
            assert {f"outcomes.{name}.models.{model}.{key}" for key in figures} <= sources
        for model, figures in found["differences"].items():
            assert {f"outcomes.{name}.differences.{model}.{key}" for key in figures} <= sources
        for k, row in enumerate(found["thresholds"]):
            figures = set(row) - {"threshold"}
            assert {f"outcomes.{name}.thresholds.{k}.{key}" for key in figures} <= sources


def test_the_slider_holds_the_evaluation_s_curves(run, page):
    data = json.loads(next(e.text for e in page.all("script") if "type" in e.attributes))
    benefit = run.evaluation["outcomes"]["ge2"]["net_benefit"]
    n = len(data["thresholds"])
    assert data["thresholds"] == benefit["thresholds"][:n]
    for name, values in data["curves"].items():
        assert values == benefit["curves"][name]["estimate"][:n]


def with_alerts(evaluation: dict[str, Any]) -> dict[str, Any]:
    """The evaluation with figures of alerts along the curve; the last row is a small cell."""
    changed = json.loads(json.dumps(evaluation))
    benefit = changed["outcomes"]["ge2"]["net_benefit"]
    n = len(benefit["thresholds"])

    def band(start: float) -> dict[str, Any]:
        rising = [start + 0.001 * k for k in range(n - 1)]
        return {"estimate": [*rising, None], "low": [*(v - 0.05 for v in rising), None],
                "high": [*(v + 0.05 for v in rising), None]}  # fmt: skip

    benefit["classification"] = {
        "sensitivity": band(0.7), "specificity": band(0.6), "ppv": band(0.5), "npv": band(0.4),
        "alerts_per_100": band(21.0),
    }  # fmt: skip
    return changed


def test_alerts_along_the_curve_are_printed_and_in_the_slider(run):
    evaluation = with_alerts(run.evaluation)
    changed = SimpleNamespace(**{**vars(run), "evaluation": evaluation})
    changed.facts = facts_of(run, evaluation=evaluation)
    page = Page(to_html(changed.facts, {}))
    place = ".ge2.net_benefit.classification."
    cells = [e for e in page.all("td") if place in e.attributes.get("data-source", "")]
    n = len(evaluation["outcomes"]["ge2"]["net_benefit"]["thresholds"])
    assert len(cells) == 5 * n
    for cell in cells:
        assert cell.text == as_shown(changed, cell.attributes["data-source"])
    assert cells[-1].text == "not shown"
    data = json.loads(next(e.text for e in page.all("script") if "type" in e.attributes))
    recorded_bands = evaluation["outcomes"]["ge2"]["net_benefit"]["classification"]
    for key in ("alerts_per_100", "sensitivity", "ppv", "npv"):
        for end, values in data["alerts"][key].items():
            assert values == recorded_bands[key][end][: len(values)]


def test_markdown_prints_the_same_figures(run):
    for found in run.evaluation["outcomes"].values():
        for figures in found["models"].values():
            for key, value in figures.items():
                if value["low"] is not None:
                    assert with_interval(value, MEASURES[key].digits) in run.markdown


def test_the_first_screen_says_what_a_reviewer_asks_first(run, page):
    first = page.all("header")[0].text
    positions = [
        first.index(text)
        for text in (
            run.config.card.title,
            run.config.card.population,
            run.facts["verdict"]["sentence"],
            "Research use only",
            "AUROC within therapy",
            "Calibration slope",
            "Net benefit over therapy alone",
            run.facts["training_data"],
        )
    ]
    assert positions == sorted(positions)


def test_the_card_of_an_unfitted_model_forbids_its_use(tiny):
    first = Page(tiny.html).all("header")[0].text
    assert "This model must not be used." in first
    assert "Refused" in first
    assert "This model must not be used." in tiny.markdown


def test_the_linear_part_is_printed_in_full(page):
    text = " ".join(page.visible_text.split())
    assert text.count("0.98765") == 3  # one slope per outcome
    assert "therapy=tisagenlecleucel −0.1234" in text
    assert text.count("Centre0.05") + text.count("Centre 0.05") == 3
    assert text.count("car_t 1.2500") == 3
    assert "0.3000 × trees_any_ge2_ge3.txt" in text


def test_weights_are_said_per_learner_and_factors_per_modality(page, run):
    text = " ".join(page.visible_text.split())
    for said in (text, run.markdown):
        # A learner of weight 0 is not named.
        assert said.count("trees 0.40, ridge 0.20") == 3
        assert said.count("CAR-T cells 1.25") == 3


def test_nothing_is_fetched_from_elsewhere(run):
    page = Page(run.html)
    for element in page.elements:
        for key in ("src", "href", "action", "data", "srcset", "poster"):
            target = element.attributes.get(key, "#")
            assert target.startswith(("#", "data:")), f"{element.tag} {key}={target[:60]}"
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest", run.html)
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", run.html))
    assert addresses <= {"http://www.w3.org/2000/svg"}


def test_every_picture_has_a_text_alternative(page):
    pictures = page.all("img", "svg")
    assert len(pictures) > 5
    for picture in pictures:
        attributes = picture.attributes
        named = attributes.get("alt") or attributes.get("aria-labelledby")
        assert named or attributes.get("aria-hidden") == "true"


def test_headings_and_landmarks_are_in_order(page):
    levels = [int(e.tag[1]) for e in page.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert [len(page.all(tag)) for tag in ("header", "nav", "main", "footer")] == [1, 1, 1, 1]
    assert page.all("html")[0].attributes["lang"] == "en"


def test_ids_are_unique_and_references_lead_somewhere(page):
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for element in page.elements:
        named = element.attributes.get("aria-labelledby", "").split()
        target = element.attributes.get("href", "")
        assert set(named) <= set(ids)
        if target.startswith("#"):
            assert target[1:] in ids
        if element.tag == "label":
            assert element.attributes["for"] in ids


def test_tables_have_captions_and_scoped_headers_and_scroll_on_their_own(page):
    for table in page.all("table"):
        assert table.around[-1] == "div"
    assert len(page.all("caption")) == len(page.all("table"))
    for header in page.all("th"):
        assert header.attributes.get("scope") in ("col", "row", "rowgroup")
    for box in page.elements:
        if box.attributes.get("class") == "scroll":
            assert box.attributes["tabindex"] == "0"
            assert box.attributes["aria-label"]


@pytest.mark.parametrize("which", ["run", "tiny"])
def test_no_gap_of_a_template_shows(which, request):
    made = request.getfixturevalue(which)
    text = " ".join(Page(made.html).visible_text.split())
    for content in (text, made.markdown):
        assert not re.search(r"\b(None|nan|NaN|Undefined|inf)\b|\{\{|\{%", content)
        assert "not assessed" in content


def test_text_of_the_config_cannot_become_markup(run):
    card = run.config.card.model_copy(update={"title": "<script>alert(1)</script> & more"})
    facts = facts_of(run, config=run.config.model_copy(update={"card": card}))
    html = to_html(facts, draw_plots(facts))
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in html


def test_markdown_begins_with_metadata_that_parses(run):
    _, header, body = run.markdown.split("---\n", 2)
    metadata = yaml.safe_load(header)
    assert "research-use-only" in metadata["tags"]
    assert "synthetic-data" in metadata["tags"]
    metrics = {m["type"]: m["value"] for m in metadata["model-index"][0]["results"][0]["metrics"]}
    expected = run.evaluation["outcomes"]["ge2"]["models"]["model"]["auroc_within_therapy"]
    assert metrics["auroc_within_therapy"] == expected["estimate"]
    assert body.lstrip().startswith("# ")


# What huggingface_hub's ModelCardData knows, and what each result of its model-index must hold.
HUGGING_FACE = {"language", "license", "license_name", "license_link", "library_name",
                "pipeline_tag", "tags", "datasets", "metrics", "model-index"}  # fmt: skip


@pytest.mark.parametrize("which", ["run", "tiny"])
def test_metadata_have_the_form_that_hugging_face_reads(which, request):
    made = request.getfixturevalue(which)
    metadata = yaml.safe_load(made.markdown.split("---\n", 2)[1])
    assert set(metadata) <= HUGGING_FACE
    assert metadata["pipeline_tag"] == "tabular-classification"
    assert all(isinstance(tag, str) for tag in metadata["tags"])
    for model in metadata["model-index"]:
        assert isinstance(model["name"], str)
        for result in model["results"]:
            assert set(result) == {"task", "dataset", "metrics"}
            assert isinstance(result["task"]["type"], str)
            assert {"name", "type"} <= set(result["dataset"])
            assert result["metrics"]
            for metric in result["metrics"]:
                assert isinstance(metric["type"], str)
                assert isinstance(metric["value"], float)


def test_markdown_tables_have_as_many_cells_in_every_row(run, tiny):
    for text in (run.markdown, tiny.markdown):
        for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.M):
            widths = {len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}
            assert len(widths) == 1, block.splitlines()[0]


def test_the_same_facts_give_the_same_bytes(run):
    facts = json.loads(json.dumps(run.facts))
    assert draw_plots(facts) == draw_plots(run.facts)
    assert to_html(facts, run.plots) == run.html
    assert to_markdown(facts) == run.markdown


def test_pictures_beyond_the_limit_are_left_out_of_the_page(run):
    large = {name: b"\x89PNG" + bytes(EMBEDDED_AT_MOST) for name in ("importance_ge2",)}
    html = to_html(run.facts, {**run.plots, **large})
    assert len(html) < 3_000_000
    assert "What moves the risk, in words." not in html


def _luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground_by_wcag_aa(run, scheme):
    roots = re.findall(r":root \{([^}]*)\}", run.html)
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", roots[0]))
    if scheme == "dark":
        colours |= dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", roots[1]))
    for ink in ("ink", "quiet", "accent"):
        for ground in ("paper", "page", "tint"):
            pair = sorted((_luminance(colours[ink]), _luminance(colours[ground])))
            assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (ink, ground)
