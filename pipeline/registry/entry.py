"""What a run tells MLflow: params, metrics and tags, flat and without patients."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

# What MLflow shows of a subgroup, to compare versions by; the rest is in evaluation.json.
_OF_SUBGROUPS = ("auroc_within_therapy", "calibration_slope", "observed_expected")
# MLflow refuses longer ones.
_TAG_LENGTH = 4000
_PARAM_LENGTH = 5000


def flat_params(config: dict[str, Any]) -> dict[str, str]:
    """Flatten a config: ``model.trees.leaves`` and so on."""
    found: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            found |= {f"{key}.{inner}": text for inner, text in flat_params(value).items()}
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            found[key] = text[:_PARAM_LENGTH]
    return found


def flat_metrics(evaluation: dict[str, Any]) -> dict[str, float]:
    """Every figure of every model and outcome, with its interval.

    Names read ``ge2.model.auroc``, ``ge2.model.auroc.low``, and for subgroups
    ``ge2.by_sex.female.calibration_slope``; figures that are undefined or suppressed are left
    out, and so are all counts of subgroups.
    """
    found: dict[str, float] = {}
    for outcome, part in evaluation["outcomes"].items():
        for key in ("n", "events", "prevalence"):
            if isinstance(part.get(key), int | float):
                found[f"{outcome}.{key}"] = float(part[key])
        for group in ("models", "differences"):
            for model, figures in (part.get(group) or {}).items():
                prefix = f"{outcome}.{model}" if group == "models" else f"{outcome}.minus_{model}"
                found |= _with_limits(prefix, figures)
        for division in part.get("subgroups", []):
            for group in division["groups"]:
                prefix = f"{outcome}.by_{division['variable']}.{_plain(group['group'])}"
                figures = {name: group["figures"][name] for name in _OF_SUBGROUPS}
                found |= _with_limits(prefix, figures)
    return found


def tags(provenance: Mapping[str, str], gate: Mapping[str, Any]) -> dict[str, str]:
    """Digests, and the gate's verdict with its reasons in words."""
    failed = [reason["sentence"] for reason in gate["reasons"] if not reason["passed"]]
    verdict = {
        "gate": "passed" if gate["passed"] else "refused",
        "gate_verdict": gate["verdict"],
        "gate_reasons": " ".join(failed) or "every criterion met",
        "gate_warnings": " ".join(w["sentence"] for w in gate["warnings"]) or "none",
        "research_use_only": "true",
    }
    return {key: str(value)[:_TAG_LENGTH] for key, value in {**provenance, **verdict}.items()}


def _plain(name: str) -> str:
    """A name with the characters that MLflow takes."""
    return re.sub(r"[^\w .:/-]", "_", name, flags=re.ASCII)


def _with_limits(prefix: str, figures: dict[str, Any]) -> dict[str, float]:
    found = {}
    for name, figure in figures.items():
        if not isinstance(figure, dict):
            continue
        for part, ending in (("estimate", ""), ("low", ".low"), ("high", ".high")):
            if isinstance(figure.get(part), int | float):
                found[f"{prefix}.{name}{ending}"] = float(figure[part])
    return found
