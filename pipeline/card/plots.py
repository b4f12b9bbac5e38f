"""The card's own plots: calibration, decision curve, and models beside each other.

Each is drawn from the card's facts, and its table stands beside it in the card.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pipeline.card.figures import MODELS, is_unknown, number, percent, with_interval
from pipeline.card.findings import ranks_within_therapy, shown_thresholds
from pipeline.card.svg import Drawing, Scale, spread, ticks

# Where the decision curve's thresholds begin and end, for the page's slider to follow.
DECISION_ENDS = (50, 308)

_LINES = {
    "model": "p-line p-model",
    "therapy_only": "p-line p-dash",
    "easix": "p-line p-faint p-dot",
    "m_easix": "p-line p-faint p-dash",
    "treat_all": "p-line p-faint",
}


def draw_plots(facts: Mapping[str, Any]) -> dict[str, str]:
    """Draw every plot that the facts describe: name to SVG text."""
    outcomes = facts["performance"]["outcomes"]
    drawn = {}
    for plot in facts["plots"]:
        own = outcomes[plot["outcome"]]
        if plot["kind"] == "calibration":
            drawing = _calibration(plot, own)
        elif plot["kind"] == "decision":
            drawing = _decision(plot, own)
        else:
            drawing = _models(plot, outcomes, facts["primary_outcome"])
        drawn[plot["name"]] = drawing.to_text()
    return drawn


def _calibration(plot: Mapping[str, str], own: Mapping[str, Any]) -> Drawing:
    drawing = Drawing(plot["name"], plot["title"], plot["alt"], 400, 372)
    curve = own["calibration_curve"]
    groups = [g for g in own["calibration_groups"] if not isinstance(g["observed"], Mapping)]
    highest = max(
        [p[k] for p in curve for k in ("risk", "observed", "high") if p[k] is not None]
        + [g[k] for g in groups for k in ("predicted", "observed")]
    )
    top = min(1.0, max(0.1, -(-highest // 0.1) * 0.1))
    x, y = Scale(0, top, 50, 382), Scale(0, top, 330, 12)
    _axes(drawing, x, y, "Predicted risk", "Observed share")
    drawing.line([(x(0), y(0)), (x(top), y(top))], "p-line p-faint p-dot")
    drawing.text(x(0.9 * top) + 4, y(0.9 * top) + 15, "ideal", "p-quiet")
    banded = [p for p in curve if p["low"] is not None]
    if banded:
        drawing.band(
            [(x(p["risk"]), y(p["low"])) for p in banded],
            [(x(p["risk"]), y(p["high"])) for p in banded],
        )
    drawing.line([(x(p["risk"]), y(p["observed"])) for p in curve], "p-line p-model")
    for group in groups:
        drawing.dot(x(group["predicted"]), y(group["observed"]), 4, "p-point")
    drawing.line([(62, 26), (84, 26)], "p-line p-model")
    drawing.text(90, 30, "smooth curve, with band", "p-accent-text")
    if groups:
        drawing.dot(73, 46, 4, "p-point")
        drawing.text(90, 50, f"{len(groups)} groups of patients by risk", "p-quiet")
    return drawing


def _decision(plot: Mapping[str, str], own: Mapping[str, Any]) -> Drawing:
    drawing = Drawing(plot["name"], plot["title"], plot["alt"], 424, 372)
    benefit = own["net_benefit"]
    upto = shown_thresholds(benefit)
    at = benefit["thresholds"][:upto]
    curves = {
        name: {key: values[:upto] for key, values in curve.items()}
        for name, curve in benefit["curves"].items()
    }
    lines = {name: kind for name, kind in _LINES.items() if name in curves}
    top = max(max(curves[name]["estimate"]) for name in lines) * 1.06
    bottom = -0.16 * top
    x, y = Scale(0, max(at), *DECISION_ENDS), Scale(bottom, top, 330, 12)
    _axes(drawing, x, y, "Threshold at which one would act", "Net benefit per patient")
    model = curves["model"]
    drawing.band(
        [(x(t), y(v)) for t, v in zip(at, model["low"], strict=True)],
        [(x(t), y(v)) for t, v in zip(at, model["high"], strict=True)],
    )
    drawing.line([(x(0), y(0)), (x(max(at)), y(0))], "p-axis")
    ends: dict[str, tuple[float, float]] = {"treat_none": (x(max(at)), y(0))}
    for name, kind in reversed(lines.items()):
        values = curves[name]["estimate"]
        seen = sum(v >= bottom for v in values) if name == "treat_all" else len(at)
        points = [(x(t), y(v)) for t, v in zip(at[:seen], values[:seen], strict=True)]
        if seen == len(at):
            ends[name] = points[-1]
        else:
            share = (values[seen - 1] - bottom) / (values[seen - 1] - values[seen])
            points.append((x(at[seen - 1] + share * (at[seen] - at[seen - 1])), y(bottom)))
            drawing.text(points[-1][0] + 5, 322, MODELS[name], "p-quiet")
        drawing.line(points, kind)
    order = list(ends)
    moved = spread([ends[name][1] for name in order], 16, 20, 318)
    for name, place in zip(order, moved, strict=True):
        drawing.line([ends[name], (318, place), (324, place)], "p-leader")
        kind = "p-accent-text" if name == "model" else "p-quiet"
        drawing.text(328, place + 4, MODELS[name], kind)
    drawing.line([(x(0), 12), (x(0), 330)], "p-leader", f"cursor-{plot['name']}")
    return drawing


def _models(plot: Mapping[str, str], outcomes: Mapping[str, Any], primary: str) -> Drawing:
    key = "auroc_within_therapy"
    order = [primary, *(name for name in outcomes if name != primary)]
    order = [name for name in order if ranks_within_therapy(outcomes[name])]
    rows: list[tuple[str, Any, str]] = []
    for name in order:
        own = outcomes[name]
        rows.append((own["label"], None, "heading"))
        for model, figures in own["models"].items():
            rows.append((MODELS.get(model, model), figures[key], model))
        if not is_unknown(own["truth"]):
            rows.append(("Oracle (true risk)", own["truth"]["oracle"][key], "oracle"))
    rows = [row for row in rows if row[1] is None or not is_unknown(row[1])]
    step = 21
    height = 16 + step * len(rows) + 46
    drawing = Drawing(plot["name"], plot["title"], plot["alt"], 384, height)
    ends = [
        v for _, f, _ in rows if f for v in (f["low"], f["high"], f["estimate"]) if v is not None
    ]
    low, high = min([0.45, *ends]), max([0.75, *ends])
    x = Scale(math.floor(low / 0.05) * 0.05, math.ceil(high / 0.05) * 0.05, 132, 264)
    bottom = 16 + step * len(rows)
    headings = [k for k, row in enumerate(rows) if row[2] == "heading"]
    for first, last in zip(headings, [*headings[1:], len(rows)], strict=True):
        block = (16 + step * (first + 1) - 2, 16 + step * last - 2)
        for value in ticks(x.low, x.high, 5):
            drawing.line([(x(value), end) for end in block], "p-grid")
        drawing.line([(x(0.5), end) for end in block], "p-line p-faint p-dot")
    for value in ticks(x.low, x.high, 5):
        drawing.text(x(value), bottom + 16, f"{value:.1f}", "p-quiet", "middle")
    drawing.text(198, bottom + 36, "AUROC within therapy (0.5 is chance)", "", "middle")
    for k, (label, figure, kind) in enumerate(rows):
        y = 16 + step * k + 14
        if figure is None:
            drawing.text(4, y, label, "p-strong")
            continue
        own_row = kind == "model"
        drawing.text(12, y, label, "p-accent-text" if own_row else "")
        if figure["low"] is not None:
            line = "p-line p-model" if own_row else "p-line p-faint"
            drawing.line([(x(figure["low"]), y - 4), (x(figure["high"]), y - 4)], line)
        drawing.dot(x(figure["estimate"]), y - 4, 4.5, "p-mark" if own_row else "p-mark-other")
        text = (
            with_interval(figure, 2) if figure["low"] is not None else number(figure["estimate"], 2)
        )
        drawing.text(274, y, text, "p-accent-text" if own_row else "p-quiet")
    return drawing


def _axes(drawing: Drawing, x: Scale, y: Scale, along: str, up: str) -> None:
    for value in ticks(x.low, x.high):
        drawing.line([(x(value), y.start), (x(value), y.end)], "p-grid")
        drawing.text(x(value), y.start + 16, percent(value, 0), "p-quiet", "middle")
    for value in ticks(y.low, y.high):
        drawing.line([(x.start, y(value)), (x.end, y(value))], "p-grid")
        text = number(value, 2) if "benefit" in up else percent(value, 0)
        drawing.text(x.start - 6, y(value) + 4, text, "p-quiet", "end")
    drawing.text((x.start + x.end) / 2, y.start + 36, along, "", "middle")
    middle = (y.start + y.end) / 2
    drawing.parts.append(
        f'<text class="p-text" text-anchor="middle" transform="translate(12 {middle:.1f}) '
        f'rotate(-90)">{up}</text>'
    )
