"""CDS Hooks 2.0: the service's discovery, and its answer as cards when an order is signed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.errors import InputError
from pipeline.model.artifact import Artifact
from pipeline.serving.http.fhir.observations import codes_asked
from pipeline.serving.http.fhir.reading import Reading
from pipeline.serving.http.fhir.resources import LOINC, entries_of
from pipeline.serving.http.fhir.therapy import therapies_of
from pipeline.serving.http.words import Words, percent

SERVICE = "crs-risk"
HOOK = "order-sign"
_SUMMARY_LENGTH = 139  # CDS Hooks asks for fewer than 140 characters


def discovery(artifact: Artifact) -> dict[str, Any]:
    """Say what the service offers and what it needs to be sent along."""
    # A search for "active" alone does not find the codes below it, nor remission.
    current = "active,recurrence,relapse,remission"
    codes = ",".join(f"{LOINC}|{code}" for code in codes_asked(artifact.dictionary))
    patient = "{{context.patientId}}"
    return {
        "services": [
            {
                "hook": HOOK,
                "id": SERVICE,
                "title": "Risk of cytokine release syndrome (research use only)",
                "description": "Risk of CRS by grade when CAR-T cells, a T-cell engager or "
                "another immunotherapy is ordered, from what is known before infusion.",
                "prefetch": {
                    "patient": f"Patient/{patient}",
                    "conditions": f"Condition?patient={patient}&clinical-status={current}",
                    "observations": f"Observation?patient={patient}&code={codes}&_sort=-date",
                },
            }
        ]
    }


def patient_asked(request: Mapping[str, Any]) -> str:
    """Id of the patient whom the hook is about.

    Raises
    ------
    InputError
        Where the call lacks what CDS Hooks 2.0 requires of this hook: without the patient's id
        nothing would tell whether the resources are that patient's.
    """
    context = request.get("context")
    if request.get("hook") != HOOK:
        raise _lacking("hook", f"'{HOOK}'")
    if not _is_text(request.get("hookInstance")):
        raise _lacking("hookInstance", "a UUID")
    if not isinstance(context, Mapping):
        raise _lacking("context", "userId, patientId and draftOrders")
    if not _is_text(context.get("patientId")):
        raise _lacking("context.patientId", "the id of a FHIR Patient")
    if not isinstance(context.get("draftOrders"), Mapping):
        raise _lacking("context.draftOrders", "a FHIR Bundle")
    return str(context["patientId"]).removeprefix("Patient/")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _lacking(key: str, expected: str) -> InputError:
    return InputError(f"the call has no '{key}' that can be used", expected=expected)


def bundles_of(request: Mapping[str, Any], artifact: Artifact) -> list[dict[str, Any]]:
    """Gather what was prefetched and the orders: a Bundle for each therapy that is ordered.

    There is none where the orders are of nothing that the model is about.
    """
    context, prefetch = request.get("context"), request.get("prefetch")
    orders = entries_of(context.get("draftOrders")) if isinstance(context, Mapping) else []
    sent = list(prefetch.values()) if isinstance(prefetch, Mapping) else []
    fetched = entries_of({"entry": [{"resource": part} for part in sent]})
    standing = [order for order in orders if not order.is_void]
    # An order may refer to a Medication that came beside it.
    medications = [entry for entry in orders if entry.kind == "Medication"]
    ordered = therapies_of([*standing, *fetched], artifact, Reading())
    own_orders = [
        [entry for entry in held if any(entry is order for order in standing)]
        for held in ordered.values()
    ]
    return [
        {
            "resourceType": "Bundle",
            "entry": [
                {"fullUrl": e.url, "resource": e.resource} for e in [*own, *medications, *fetched]
            ],
        }
        for own in (own_orders if artifact.plan.facts is not None else [orders])
        if own
    ]


def card(
    answer: Mapping[str, Any],
    reading: Reading,
    words: Words,
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
            f"{words.outcome(primary)}: risk {percent(risk['risk'])} ({level:.0%} interval "
            f"{percent(risk['low'])} to {percent(risk['high'])})"
        )
        beside = f", {risk['evidence']} rate {percent(risk['prior'])}"
        lines += [
            f"| Outcome | Risk | {level:.0%} interval | Therapy alone |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| {words.outcome(name)} | {percent(r['risk'])} | {percent(r['low'])} to "
            f"{percent(r['high'])} | {percent(r['prior'])}, {r['evidence']} rate |"
            for name, r in answer["risks"].items()
        ]
    else:
        summary, beside = "CRS: the model gives no risk for this patient; see why", ""
    said = [words.sentence(text) for text in (*answer["because"], *answer["warnings"])]
    remarks = [*said, *reading.remarks]
    lines += ["", *(f"- {remark}" for remark in remarks)]
    source: dict[str, Any] = {"label": "CRS risk model, research use only"}
    found: dict[str, Any] = {
        "summary": _short(answer["therapy"], summary, beside),
        "indicator": "info",
        "detail": "\n".join(lines),
        "source": source,
    }
    if card_url is not None:
        source["url"] = card_url
        found["links"] = [{"label": "Model card", "url": card_url, "type": "absolute"}]
    return found


def _short(therapy: str | None, summary: str, beside: str) -> str:
    """As much as a summary may hold, and no figure cut in two."""
    name = f"{therapy}: " if therapy is not None else ""
    for text in (f"{name}{summary}{beside}", f"{name}{summary}", summary):
        if len(text) <= _SUMMARY_LENGTH:
            return text
    return f"{summary[: _SUMMARY_LENGTH - 1]}…"
