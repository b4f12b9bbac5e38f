"""What the service tells of its model: version, outcomes, dictionary, therapies, example."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pipeline.explanation.sources import d_dimer_kind, readable_unit
from pipeline.features.therapy import ANY_DISEASE
from pipeline.model.artifact import Artifact
from pipeline.model.example import example_record
from pipeline.model.risk_model import PRIOR_SOURCE, expit
from pipeline.serving.http.source import Loaded

RESEARCH_USE = (
    "Research use only. Not a medical device; it must not guide dosing, prophylaxis, admission "
    "or discharge."
)


def describe(loaded: Loaded, thresholds: dict[str, list[float]]) -> dict[str, Any]:
    """Describe a loaded model, as ``GET /v1/model`` answers.

    Parameters
    ----------
    loaded : Loaded
    thresholds : dict
        Risks at which a team might act, per outcome, from the config.
    """
    artifact = loaded.scorer.artifact
    facts, plan = artifact.facts, artifact.plan
    return {
        "version": loaded.version,
        "card": "v1/card" if loaded.card is not None else None,
        "warning": RESEARCH_USE,
        "outcomes": [
            {
                "name": name,
                "label": facts["labels"].get(name, name),
                "thresholds": thresholds.get(name, []),
                "fitted": head.deviation is not None,
            }
            for name, head in zip(artifact.model.outcomes, artifact.model.heads, strict=True)
        ],
        "primary_outcome": facts["primary_outcome"],
        "interval_level": facts["interval_level"],
        "scoring": {
            "leading": facts["scoring"]["leading"],
            "minimum_present": facts["scoring"]["minimum_present"],
            "window": facts["scoring"].get("window"),
        },
        "provenance": facts["provenance"],
        "dictionary": _dictionary(artifact),
        # A score is known where all that it is computed from is.
        "scores": {score.name: score.variables for score in plan.scores},
        "therapy": plan.therapy,
        "disease": plan.disease,
        "therapies": _therapies(artifact),
        "sources": plan.labels | {PRIOR_SOURCE: plan.prior_label},
        "example": {str(k): v for k, v in example_record(artifact).iloc[0].items() if pd.notna(v)},
    }


def _dictionary(artifact: Artifact) -> list[dict[str, Any]]:
    seen = artifact.facts["scoring"]["seen"]
    carried = artifact.facts.get("conversions", {})
    found = []
    for v in artifact.dictionary:
        canonical = [{"unit": v.unit, "shown": readable_unit(v.unit), "factor": 1.0, "offset": 0.0}]
        others = [
            {"unit": unit, "shown": _shown(unit, v.unit), "factor": f, "offset": o}
            for unit, (f, o) in carried.get(v.name, {}).items()
        ]
        found.append(
            {
                "name": v.name,
                "label": v.label,
                "role": v.role,
                "kind": v.kind,
                "units": [*canonical, *others] if v.unit else [],
                "loinc": v.loinc,
                "range": v.range,
                "seen": seen.get(v.name),
                "levels": v.levels,
            }
        )
    return found


def _shown(unit: str, canonical: str | None) -> str:
    """Write an accepted unit for people, who must see what is meant where the unit leaves it open.

    A D-dimer in plain mg/L is read as the dictionary's kind, fibrinogen-equivalent units.
    """
    text, kind = readable_unit(unit) or "fraction", d_dimer_kind(canonical)
    return f"{text} {kind}" if kind and not d_dimer_kind(unit) else text


def _therapies(artifact: Artifact) -> list[dict[str, Any]]:
    plan, model = artifact.plan, artifact.model
    if plan.facts is None:
        return []
    aliases: dict[str, list[str]] = {}
    for alias, name in plan.facts.aliases.items():
        if alias != name.casefold():
            aliases.setdefault(name, []).append(alias)
    found = []
    for name, by_disease in plan.facts.rates.items():
        rates = {
            disease or "any": {
                outcome: {
                    "rate": float(expit(rate.log_odds)),  # type: ignore[arg-type]
                    "basis": rate.basis,
                    "evidence": rate.evidence,
                }
                for outcome, grade in zip(model.outcomes, plan.grades, strict=True)
                if grade is not None and (rate := by_grade.get(f"{grade:g}")) is not None
            }
            for disease, by_grade in by_disease.items()
        }
        if rates[ANY_DISEASE or "any"]:
            found.append(
                {
                    "name": name,
                    "aliases": aliases.get(name, []),
                    "seen": name in model.therapies_seen,
                    "modality": plan.facts.attributes[name].get("modality", ""),
                    "target": plan.facts.attributes[name].get("target", ""),
                    "rates": rates,
                }
            )
    return found
