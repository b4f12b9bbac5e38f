"""CDS Hooks 2.0: the service's discovery, and its answer as cards when an order is signed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.model.artifact import Artifact
from pipeline.serving.http.fhir import LOINC, Reading

SERVICE = "crs-risk"
_SUMMARY_LENGTH = 139  # CDS Hooks asks for fewer than 140 characters


def discovery(artifact: Artifact) -> dict[str, Any]:
    """Say what the service offers and what it needs to be sent along."""
    codes = ",".join(f"{LOINC}|{v.loinc}" for v in artifact.dictionary if v.loinc)
    patient = "{{context.patientId}}"
    return {
        "services": [
            {
                "hook": "order-sign",
                "id": SERVICE,
                "title": "Risk of cytokine release syndrome (research use only)",
                "description": "Risk of CRS by grade when CAR-T cells, a T-cell engager or "
                "another immunotherapy is ordered, from what is known before infusion.",
                "prefetch": {
                    "patient": f"Patient/{patient}",
                    "conditions": f"Condition?patient={patient}&clinical-status=active",
                    "observations": f"Observation?patient={patient}&code={codes}&_sort=-date",
                },
            }
        ]
    }


def bundle_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """Gather the orders and what was prefetched into one Bundle."""
    context = request.get("context")
    orders = context.get("draftOrders") if isinstance(context, Mapping) else None
    prefetch = request.get("prefetch")
    parts = [orders, *(prefetch.values() if isinstance(prefetch, Mapping) else [])]
    return {
        "resourceType": "Bundle",
        "entry": [{"resource": part} for part in parts if isinstance(part, Mapping)],
    }


def cards(
    answer: Mapping[str, Any],
    reading: Reading,
    labels: Mapping[str, str],
    primary: str,
    level: float,
    warning: str,
    card_url: str | None,
) -> dict[str, Any]:
    """Write an answer as one card; it informs, and is never critical."""
    lines = [f"**{warning}**", ""]
    if answer["status"] == "ok":
        risk = answer["risks"][primary]
        summary = (
            f"{labels.get(primary, primary)}: risk {risk['risk']:.0%} ({level:.0%} interval "
            f"{risk['low']:.0%} to {risk['high']:.0%}), published {risk['prior']:.0%}"
        )
        lines += [
            f"| Outcome | Risk | {level:.0%} interval | Published rate |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| {labels.get(name, name)} | {r['risk']:.1%} | {r['low']:.1%} to {r['high']:.1%} "
            f"| {r['prior']:.1%} |"
            for name, r in answer["risks"].items()
        ]
    else:
        summary = "CRS: the model gives no risk for this patient; see why"
    remarks = [*answer["because"], *answer["warnings"], *reading.remarks]
    lines += ["", *(f"- {remark}" for remark in remarks)]
    source: dict[str, Any] = {"label": "CRS risk model, research use only"}
    card: dict[str, Any] = {
        "summary": summary[:_SUMMARY_LENGTH],
        "indicator": "info",
        "detail": "\n".join(lines),
        "source": source,
    }
    if card_url is not None:
        source["url"] = card_url
        card["links"] = [{"label": "Model card", "url": card_url, "type": "absolute"}]
    return {"cards": [card]}
