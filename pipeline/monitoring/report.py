"""The monitor's findings as one HTML page that needs no network, in the model card's dress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from pipeline.card.svg import Drawing, Scale, ticks
from pipeline.monitoring.drift import drifted
from pipeline.monitoring.feed import sentences
from pipeline.monitoring.page import environment, percent, style

_LABELS_LEFT, _WIDTH, _ROW = 190.0, 496.0, 26.0


def to_html(found: Mapping[str, Any], identity: Mapping[str, str]) -> str:
    """Render what `monitor` found.

    Parameters
    ----------
    found : mapping
    identity : mapping
        ``model``, ``cohort`` and ``date``, in words.
    """
    marked = drifted(found["drift"])
    calm = [entry for entry in found["drift"] if entry not in marked]
    calm.sort(key=lambda e: (e["verdict"] == "not compared", -(e["size"] or 0.0) / e["limits"][0]))
    return (
        environment()
        .get_template("monitor.html.j2")
        .render(
            found=found,
            identity=identity,
            faults=[fault for fault in found["faults"] if fault["kind"] == "unit"],
            mends=sentences([fault for fault in found["faults"] if fault["kind"] != "unit"]),
            kinds={
                "values": "Values of each variable",
                "missing": "Missing values",
                "therapies": "Therapies",
                "risks": "Predicted risks",
            },
            drift=[*marked, *calm],
            compared=sum(entry["verdict"] != "not compared" for entry in found["drift"]),
            marked=marked,
            plots={
                outcome: Markup(_over_time(outcome, part))
                for outcome, part in found["calibration"].items()
                if any("oe" in p for p in part["periods"])
            },
            shares={
                e["kind"] + e["name"]: Markup(_shares(e)) for e in found["drift"] if "bins" in e
            },
            style=style(),
        )
    )


def _over_time(outcome: str, part: Mapping[str, Any]) -> str:
    """Observed over expected events with intervals: all patients, then each period."""
    rows = [p for p in part["periods"] if "oe" in p]
    ends = [limit for p in rows for limit in (p["oe"]["low"], p["oe"]["high"])]
    low, high = min(0.6, *ends), max(1.6, *ends)
    last = "; ".join(
        f"{p['period']}: {p['oe']['estimate']:.2f} ({p['oe']['low']:.2f} to {p['oe']['high']:.2f})"
        for p in rows
    )
    height = 46 + _ROW * len(rows)
    drawing = Drawing(
        f"oe-{outcome}", f"Observed over expected: {part['label']}", last, _WIDTH, height
    )
    scale = Scale(low, high, _LABELS_LEFT, _WIDTH - 24)
    bottom = height - 26
    for value in ticks(low, high):
        x = scale(value)
        drawing.line([(x, 8), (x, bottom)], "p-grid")
        drawing.text(x, height - 8, f"{value:g}", "p-quiet", "middle")
    drawing.line([(scale(1), 8), (scale(1), bottom)], "p-axis p-dash")
    for i, p in enumerate(rows):
        y = 8 + _ROW * (i + 0.5)
        kind = "p-model" if i == 0 else "p-line"
        name = "All patients" if i == 0 else str(p["period"])
        drawing.text(0, y + 4, name, "p-strong" if i == 0 else "")
        drawing.text(_LABELS_LEFT - 14, y + 4, f"{p['events']} of {p['n']}", "p-quiet", "end")
        drawing.line([(scale(p["oe"]["low"]), y), (scale(p["oe"]["high"]), y)], kind)
        drawing.dot(scale(p["oe"]["estimate"]), y, 4.5, "p-mark" if i == 0 else "p-point")
    return drawing.to_text()


def _shares(entry: Mapping[str, Any]) -> str:
    """Shares in training (outlined) and now (filled), bin by bin."""
    rows = list(zip(entry["bins"], entry["reference"], entry["found"], strict=True))
    height = 34 + _ROW * len(rows)
    most = max([0.05, *entry["reference"], *(f for f in entry["found"] if f is not None)])
    told = "; ".join(
        f"{name}: {percent(before)} in training, "
        + ("too few to be shown" if now is None else f"{percent(now)} now")
        for name, before, now in rows
    )
    drawing = Drawing(
        f"shares-{entry['kind']}-{entry['name']}", entry["label"], told, _WIDTH, height
    )
    scale = Scale(0, most, _LABELS_LEFT, _WIDTH - 24)
    for value in ticks(0, most, 5):
        drawing.line([(scale(value), 4), (scale(value), height - 24)], "p-grid")
        drawing.text(scale(value), height - 8, f"{100 * value:g}%", "p-quiet", "middle")
    for i, (name, before, now) in enumerate(rows):
        y = 4 + _ROW * (i + 0.5)
        drawing.text(_LABELS_LEFT - 10, y + 4, name, anchor="end")
        if now is not None:
            drawing.line([(scale(before), y), (scale(now), y)], "p-model")
            drawing.dot(scale(now), y, 4.5, "p-mark")
        drawing.dot(scale(before), y, 4.5, "p-point")
    return drawing.to_text()
