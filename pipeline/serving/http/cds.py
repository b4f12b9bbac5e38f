"""CDS Hooks 2.0: the service's discovery, and its answer as cards when an order is signed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.model.artifact import Artifact
from pipeline.serving.http.fhir.bundle import therapies_of
from pipeline.serving.http.fhir.reading import Reading
from pipeline.serving.http.fhir.resources import LOINC, entries_of

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


def patient_asked(request: Mapping[str, Any]) -> str | None:
    """Id of the patient whom the hook is about."""
    context = request.get("context")
    patient = context.get("patientId") if isinstance(context, Mapping) else None
    return patient.removeprefix("Patient/") if isinstance(patient, str) else None


def bundles_of(request: Mapping[str, Any], artifact: Artifact) -> list[dict[str, Any]]:
    """Gather what was prefetched and the orders: a Bundle for each therapy that is ordered.

    There is none where the orders are of nothing that the model is about.
    """
    context, prefetch = request.get("context"), request.get("prefetch")
    orders = entries_of(context.get("draftOrders")) if isinstance(context, Mapping) else []
    sent = list(prefetch.values()) if isinstance(prefetch, Mapping) else []
    fetched = entries_of({"entry": [{"resource": part} for part in sent]})
    ordered = therapies_of([order for order in orders if not order.is_void], artifact)
    return [
        {
            "resourceType": "Bundle",
            "entry": [{"fullUrl": e.url, "resource": e.resource} for e in [*own, *fetched]],
        }
        for own in (ordered.values() if artifact.plan.facts is not None else [orders])
    ]


def card(
    answer: Mapping[str, Any],
    reading: Reading,
    labels: Mapping[str, str],
    primary: str,
    level: float,
    warning: str,
    card_url: str | None,
) -> dict[str, Any]:
    """Write an answer as a card; it informs, and is never critical."""
    lines = [f"**{warning}**", ""]
    if answer["status"] == "ok":
        risk = answer["risks"][primary]
        summary = (
            f"{labels.get(primary, primary)}: risk {risk['risk']:.0%} ({level:.0%} interval "
            f"{risk['low']:.0%} to {risk['high']:.0%}), {risk['evidence']} rate {risk['prior']:.0%}"
        )
        lines += [
            f"| Outcome | Risk | {level:.0%} interval | Therapy alone |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| {labels.get(name, name)} | {r['risk']:.1%} | {r['low']:.1%} to {r['high']:.1%} "
            f"| {r['prior']:.1%}, {r['evidence']} rate |"
            for name, r in answer["risks"].items()
        ]
    else:
        summary = "CRS: the model gives no risk for this patient; see why"
    if answer["therapy"] is not None:
        summary = f"{answer['therapy']}: {summary}"
    remarks = [*answer["because"], *answer["warnings"], *reading.remarks]
    lines += ["", *(f"- {remark}" for remark in remarks)]
    source: dict[str, Any] = {"label": "CRS risk model, research use only"}
    found: dict[str, Any] = {
        "summary": summary[:_SUMMARY_LENGTH],
        "indicator": "info",
        "detail": "\n".join(lines),
        "source": source,
    }
    if card_url is not None:
        source["url"] = card_url
        found["links"] = [{"label": "Model card", "url": card_url, "type": "absolute"}]
    return found
