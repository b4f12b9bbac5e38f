"""Where the data came from, what became of them, and what the audit found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.card.figures import unknown
from pipeline.card.suppression import Guard
from pipeline.config import Config

_UNITS = {"a": "years", "mo": "months", "d": "days", "Cel": "°C", "1": ""}
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_NO_COUNTS = "the cohort's counts were not handed to the card"


def data_facts(
    config: Config,
    ingest: Mapping[str, Any],
    audit: Mapping[str, Any],
    cohort: Mapping[str, Any] | None,
    guard: Guard,
) -> dict[str, Any]:
    """Return source, flow, composition and audit of the data."""
    groups = cohort["groups"] if cohort else {}
    if not groups and ingest.get("therapies"):
        counts = guard.table(ingest["therapies"])
        levels = len(ingest["therapies"])
        groups = {"therapy": {"label": "Therapy", "levels": levels, "counts": counts}}
    findings = [guard.finding(f) for f in audit["findings"]]
    summary = audit["summary"]
    return {
        "kind": ingest["kind"],
        "patients": ingest["patients"],
        "sites": _sites(ingest, groups),
        "statement": ingest.get("statement"),
        "files": ingest.get("files", []),
        "constants": ingest.get("constants", {}),
        "unmatched_patients": guard.count(ingest.get("unmatched_patients", 0)),
        "flow": [_flow(name, v, guard) for name, v in ingest.get("variables", {}).items()],
        "window": {"first_day": config.window.first_day, "last_day": config.window.last_day},
        "groups": groups or unknown(_NO_COUNTS),
        "outcome_counts": cohort["outcome_counts"] if cohort else unknown(_NO_COUNTS),
        "audit": {
            "errors": summary["errors"],
            "warnings": summary["warnings"],
            "notes": summary["notes"],
            "checks": len(summary["checks_run"]),
            "findings": findings,
        },
    }


def predictor_facts(
    dictionary: Sequence[Mapping[str, Any]],
    features: Mapping[str, Any],
    dropped: Sequence[Mapping[str, Any]],
    cohort: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the predictors with unit, timing and missing values, and what was left out."""
    by_name = {variable["name"]: variable for variable in dictionary}
    gone = {fault["name"] for fault in dropped}
    used = {column["source"] for column in features["columns"]}
    described = cohort["variables"] if cohort else {}
    missing = unknown(_NO_COUNTS)
    rows = [
        {
            "name": variable["name"],
            "label": variable["label"],
            "role": variable["role"],
            "kind": variable.get("kind", "numeric"),
            "unit": shown_unit(variable.get("unit")),
            "timing": variable["timing"],
            "loinc": ", ".join(variable.get("loinc", [])),
            "trend": variable.get("trend"),
            "used_as": "itself" if variable["name"] in used else "part of a score or of the prior",
            **{
                key: described.get(variable["name"], {}).get(key, missing)
                for key in ("known", "missing", "missing_with_event", "missing_without_event")
            },
            "quartiles": described.get(variable["name"], {}).get("quartiles"),
            "levels": described.get(variable["name"], {}).get("levels"),
        }
        for variable in (by_name.get(v["name"], v) for v in features["variables"])
        if variable["name"] not in gone
    ]
    scores = [
        {
            "name": score["name"],
            "label": features["labels"].get(score["name"], score["name"]),
            "from": [features["labels"].get(v, v) for v in score["variables"]],
        }
        for score in features["scores"]
        if score["name"] not in gone
    ]
    columns = [column for column in features["columns"] if column["source"] not in gone]
    return {
        "variables": rows,
        "scores": scores,
        "sources": len({column["source"] for column in columns}),
        "columns": len(columns),
        "dropped": [
            {"name": fault["name"], "label": fault["label"], "because": fault["because"]}
            for fault in dropped
        ],
        "left_out": [
            {"name": name, "label": by_name.get(name, {}).get("label", name), "because": why}
            for name, why in features["left_out"].items()
        ],
    }


def shown_unit(unit: str | None) -> str:
    """Write a UCUM unit as people do: ``10*9/L`` as ``10⁹/L``."""
    if not unit:
        return ""
    if unit in _UNITS:
        return _UNITS[unit]
    head, star, tail = unit.partition("10*")
    if not star:
        return unit.replace("m2", "m²")
    power = tail[: len(tail) - len(tail.lstrip("0123456789"))]
    return f"{head}10{power.translate(_RAISED)}{tail[len(power) :]}"


def _sites(ingest: Mapping[str, Any], groups: Mapping[str, Any]) -> Any:
    if "sites" in ingest:
        return ingest["sites"]
    if "site" in groups:
        return groups["site"]["levels"]
    return unknown("the source names no centre for its patients")


def _flow(name: str, variable: Mapping[str, Any], guard: Guard) -> dict[str, Any]:
    values = ("outside_window", "undated", "censored_low", "censored_high", "recoded")
    counted = {key: variable.get(key) for key in values}
    return {
        "name": name,
        "source": variable.get("source", ""),
        "unit": shown_unit(variable.get("unit")),
        "canonical_unit": shown_unit(variable.get("canonical_unit")),
        "dated": bool(variable.get("dated")),
        "converted": bool(variable.get("converted")),
        "missing": guard.count(variable.get("missing", 0)),
        # Values, not patients: but each of a few values is a patient's.
        **{
            key: 0 if n == 0 else guard.hidden() if n is None or n < guard.minimum else n
            for key, n in counted.items()
        },
    }
