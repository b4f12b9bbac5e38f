"""The card's own plots: calibration, decision curve, and models beside each other.

Each is drawn from the card's facts, and its table stands beside it in the card.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.card.figures import is_unknown, model_names, number, percent
from pipeline.card.findings import ranks_within_therapy, shown_thresholds
from pipeline.card.forest import Row, draw_forest
from pipeline.card.svg import Drawing, Scale, spread, ticks

# Figures of forest plots: the axis, where the dotted line stands, and what is always in sight.
AXES = {
    "auroc_within_therapy": ("AUROC within therapy (0.5 is chance)", 0.5, (0.45, 0.8)),
    "auroc": ("AUROC (0.5 is chance)", 0.5, (0.45, 0.85)),
    "calibration_slope": ("Calibration slope (ideal 1)", 1.0, (0.0, 2.0)),
    "observed_expected": ("Observed / expected (ideal 1)", 1.0, (0.5, 1.5)),
}

# Where the decision curve's thresholds begin and end, for the page's slider to follow.
DECISION_ENDS = (50, 308)

_LINES = {
    "model": "p-line p-model",
    "therapy_only": "p-line p-dash",
    "easix": "p-line p-faint p-dot",
    "m_easix": "p-line p-faint p-dash",
    "car_hematotox": "p-line p-faint p-long",
    "treat_all": "p-line p-faint",
}


def draw_plots(facts: Mapping[str, Any]) -> dict[str, str]:
    """Draw every plot that the facts describe: name to SVG text."""
    outcomes = facts["performance"]["outcomes"]
    called = model_names(facts["performance"]["yardstick"])
    drawn = {}
    for plot in facts["plots"]:
        own = outcomes[plot["outcome"]]
        if plot["kind"] == "calibration":
            drawing = _calibration(plot, own)
        elif plot["kind"] == "decision":
            drawing = _decision(plot, own, called)
        elif plot["kind"] == "subgroups":
            drawing = _subgroups(plot, own)
        elif plot["kind"] == "learning":
            drawing = _learning(plot, facts["performance"]["learning"]["outcomes"][plot["outcome"]])
        elif plot["kind"] in ("sites", "therapies"):
            transport = facts["performance"]["transport"][plot["kind"]]
            drawing = _units(plot, transport["outcomes"][plot["outcome"]])
        else:
            drawing = _models(plot, outcomes, facts["primary_outcome"], called)
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


def _decision(
    plot: Mapping[str, str], own: Mapping[str, Any], called: Mapping[str, str]
) -> Drawing:
    drawing = Drawing(plot["name"], plot["title"], plot["alt"], 440, 372)
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
            drawing.text(points[-1][0] + 5, 322, called[name], "p-quiet")
        drawing.line(points, kind)
    order = list(ends)
    moved = spread([ends[name][1] for name in order], 16, 20, 318)
    for name, place in zip(order, moved, strict=True):
        drawing.line([ends[name], (318, place), (324, place)], "p-leader")
        kind = "p-accent-text" if name == "model" else "p-quiet"
        drawing.text(328, place + 4, called[name], kind)
    drawing.line([(x(0), 12), (x(0), 330)], "p-leader", f"cursor-{plot['name']}")
    return drawing


def _models(
    plot: Mapping[str, str], outcomes: Mapping[str, Any], primary: str, called: Mapping[str, str]
) -> Drawing:
    key = "auroc_within_therapy"
    order = [primary, *(name for name in outcomes if name != primary)]
    rows: list[Row] = []
    for name in order:
        own = outcomes[name]
        if not ranks_within_therapy(own):
            continue
        rows.append(Row(own["label"]))
        for model, figures in own["models"].items():
            if not is_unknown(figures[key]):
                kind = "own" if model == "model" else "other"
                rows.append(Row(called.get(model, model), figures[key], kind))
        if not is_unknown(own["truth"]) and not is_unknown(own["truth"]["oracle"][key]):
            rows.append(Row("Oracle (true risk)", own["truth"]["oracle"][key]))
    return draw_forest(plot, rows, "AUROC within therapy (0.5 is chance)", 0.5, (0.45, 0.75))


def _subgroups(plot: Mapping[str, str], own: Mapping[str, Any]) -> Drawing:
    key = plot["figure"]
    everyone = own["models"]["model"][key]
    rows = [] if is_unknown(everyone) else [Row("All patients", everyone, "own")]
    for table in own["subgroups"]:
        groups = [
            Row(group["group"], group["figures"][key], mark=f"{plot['name']}-{group['place']}")
            for group in table["groups"]
            if not is_unknown(group["figures"][key])
        ]
        rows += [Row(table["label"]), *groups] if groups else []
    return draw_forest(plot, rows, *AXES[key])


def _units(plot: Mapping[str, str], own: Mapping[str, Any]) -> Drawing:
    key = plot["figure"]
    judged = [unit for unit in own["units"] if "because" not in unit]
    rows = [Row(unit["unit"], unit["figures"][key]) for unit in judged]
    rows = [row for row in rows if not is_unknown(row.figure)]
    summary = own["summary"][key]
    if not is_unknown(summary):
        rows.append(Row("Average; next one", summary, "summary"))
    return draw_forest(plot, rows, *AXES[key])


def _learning(plot: Mapping[str, str], own: Mapping[str, Any]) -> Drawing:
    drawing = Drawing(plot["name"], plot["title"], plot["alt"], 400, 300)
    points = [(point["n"], point["log_loss"]) for point in own["points"]]
    values = [f[k] for _, f in points for k in ("estimate", "low", "high") if f[k] is not None]
    room = 0.08 * (max(values) - min(values)) or 0.01
    y = Scale(min(values) - room, max(values) + room, 248, 12)
    # Each size is twice the one before: equal steps.
    x = Scale(0, max(len(points) - 1, 1), 84, 366)
    for value in ticks(y.low, y.high, 5):
        drawing.line([(66, y(value)), (388, y(value))], "p-grid")
        drawing.text(60, y(value) + 4, number(value, 3), "p-quiet", "end")
    banded = [(k, f) for k, (_, f) in enumerate(points) if f["low"] is not None]
    if banded:
        drawing.band(
            [(x(k), y(f["low"])) for k, f in banded], [(x(k), y(f["high"])) for k, f in banded]
        )
    drawing.line([(x(k), y(f["estimate"])) for k, (_, f) in enumerate(points)], "p-line p-model")
    for k, (n, f) in enumerate(points):
        drawing.dot(x(k), y(f["estimate"]), 4, "p-mark")
        drawing.text(x(k), 266, number(n, 0), "p-quiet", "middle")
    drawing.text(222, 288, "Training patients, each step twice the last", "", "middle")
    _upright(drawing, 130, "Log-loss (lower is better)")
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
    _upright(drawing, (y.start + y.end) / 2, up)


def _upright(drawing: Drawing, middle: float, text: str) -> None:
    drawing.parts.append(
        f'<text class="p-text" text-anchor="middle" transform="translate(12 {middle:.1f}) '
        f'rotate(-90)">{text}</text>'
    )
