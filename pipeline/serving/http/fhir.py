"""FHIR R4: a Bundle of resources in, a RiskAssessment out.

Observations are found by LOINC code, their units are UCUM codes, and their time is held
against the infusion's. The therapy and the infusion's time come from a MedicationAdministration,
MedicationRequest or Procedure, the disease from a Condition, age and sex from the Patient.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import floor
from typing import Any

from pipeline.errors import InputError
from pipeline.model.artifact import Artifact

LOINC = "http://loinc.org"
_INFUSIONS = ("MedicationAdministration", "MedicationRequest", "Procedure")
_DAY = 86_400.0
_DATE_LENGTH = 10


@dataclass
class Reading:
    """What a Bundle tells of one patient.

    Attributes
    ----------
    record : dict
        As ``Scorer.score`` takes it.
    subject : dict
        A FHIR reference.
    basis : list of dict
        References to the observations that were used.
    remarks : list of str
        What could not be used, in words without values.
    """

    record: dict[str, Any] = field(default_factory=dict)
    subject: dict[str, str] = field(default_factory=lambda: {"display": "unidentified patient"})
    basis: list[dict[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def read_bundle(bundle: Mapping[str, Any], artifact: Artifact) -> Reading:
    """Read what the model needs from a FHIR R4 Bundle.

    Parameters
    ----------
    bundle : mapping
        As JSON gives it.
    artifact : Artifact

    Raises
    ------
    InputError
        Where it is no Bundle, or one of several patients.
    """
    if not isinstance(bundle, Mapping) or bundle.get("resourceType") != "Bundle":
        raise InputError("the body is no FHIR Bundle", expected="resourceType: Bundle")
    found = Reading()
    resources = [(url, r) for url, r in _resources(bundle)]
    infusion = _infusion(resources, artifact, found)
    subjects = {s for _, r in resources if (s := _subject_of(r)) is not None}
    if len(subjects) > 1:
        raise InputError("the Bundle holds several patients", expected="resources of one patient")
    if subjects:
        found.subject = {"reference": subjects.pop()}
    _patient(resources, infusion, artifact, found)
    _disease(resources, artifact, found)
    _observations(resources, infusion, artifact, found)
    return found


def risk_assessment(
    answer: Mapping[str, Any],
    reading: Reading,
    labels: Mapping[str, str],
    version: str,
    level: float,
    warning: str,
) -> dict[str, Any]:
    """Write an answer as a FHIR R4 RiskAssessment.

    A prediction carries the risk as ``probabilityDecimal``; FHIR has no place beside it for an
    interval, which the ``rationale`` tells. Without a risk the status is ``cancelled``.
    """
    abstains = answer["status"] != "ok"
    notes = [warning, *answer["because"], *answer["warnings"], *reading.remarks]
    found: dict[str, Any] = {
        "resourceType": "RiskAssessment",
        "status": "cancelled" if abstains else "final",
        "method": {"text": f"{version}; research use only"},
        "subject": reading.subject,
        "occurrenceDateTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "note": [{"text": text} for text in notes],
    }
    if reading.basis:
        found["basis"] = reading.basis
    if not abstains:
        found["prediction"] = [
            {
                "outcome": {"text": labels.get(outcome, outcome)},
                "probabilityDecimal": round(risk["risk"], 6),
                "rationale": f"{level:.0%} interval of the risk {risk['low']:.1%} to "
                f"{risk['high']:.1%}; by the therapy's published rate alone {risk['prior']:.1%}",
            }
            for outcome, risk in answer["risks"].items()
        ]
    return found


def _resources(bundle: Mapping[str, Any]) -> Iterator[tuple[str | None, Mapping[str, Any]]]:
    """Resources with their addresses; Bundles within Bundles are opened."""
    entries = bundle.get("entry") or []
    for entry in entries if isinstance(entries, list) else []:
        resource = entry.get("resource") if isinstance(entry, Mapping) else None
        if not isinstance(resource, Mapping):
            continue
        if resource.get("resourceType") == "Bundle":
            yield from _resources(resource)
            continue
        url, kind, own = entry.get("fullUrl"), resource.get("resourceType"), resource.get("id")
        address = f"{kind}/{own}" if isinstance(own, str) else url
        yield (address if isinstance(address, str) else None), resource


def _subject_of(resource: Mapping[str, Any]) -> str | None:
    if resource.get("resourceType") == "Patient":
        return f"Patient/{resource['id']}" if isinstance(resource.get("id"), str) else None
    for key in ("subject", "patient"):
        subject = resource.get(key)
        if isinstance(subject, Mapping) and isinstance(subject.get("reference"), str):
            return str(subject["reference"])
    return None


def _infusion(
    resources: list[tuple[str | None, Mapping[str, Any]]], artifact: Artifact, found: Reading
) -> _Time | None:
    """Find the therapy and when it is given; None where no time is stated."""
    plan = artifact.plan
    if plan.facts is None or plan.therapy is None:
        return None
    for _, resource in resources:
        if resource.get("resourceType") not in _INFUSIONS:
            continue
        for text in _texts(resource.get("medicationCodeableConcept") or resource.get("code")):
            if text.strip().casefold() in plan.facts.aliases:
                found.record[plan.therapy] = text
                return _time_of_infusion(resource)
    found.remarks.append("no medication or procedure of the Bundle names a therapy by a known name")
    return None


def _time_of_infusion(resource: Mapping[str, Any]) -> _Time | None:
    period = resource.get("effectivePeriod") or resource.get("performedPeriod")
    start = period.get("start") if isinstance(period, Mapping) else None
    instructions = resource.get("dosageInstruction")
    event = None
    if isinstance(instructions, list) and instructions and isinstance(instructions[0], Mapping):
        timing = instructions[0].get("timing")
        events = timing.get("event") if isinstance(timing, Mapping) else None
        event = events[0] if isinstance(events, list) and events else None
    for given in (
        resource.get("effectiveDateTime"), resource.get("performedDateTime"), start, event,
    ):  # fmt: skip
        time = _time(given)
        if time is not None:
            return time
    return None


def _patient(
    resources: list[tuple[str | None, Mapping[str, Any]]],
    infusion: _Time | None,
    artifact: Artifact,
    found: Reading,
) -> None:
    for _, resource in resources:
        if resource.get("resourceType") != "Patient":
            continue
        if "sex" in artifact.dictionary and resource.get("gender") in ("female", "male"):
            found.record["sex"] = resource["gender"]
        born = _time(resource.get("birthDate"))
        if "age" in artifact.dictionary and born is not None:
            until = infusion.at if infusion is not None else datetime.now(UTC)
            years = (until - born.at).total_seconds() / _DAY / 365.25
            found.record["age"] = {"value": float(int(years)), "unit": "a"}


def _disease(
    resources: list[tuple[str | None, Mapping[str, Any]]], artifact: Artifact, found: Reading
) -> None:
    name = artifact.plan.disease
    if name is None:
        return
    levels = {level.casefold(): level for level in artifact.dictionary[name].levels or []}
    for _, resource in resources:
        if resource.get("resourceType") == "Condition":
            for text in _texts(resource.get("code")):
                if text.strip().casefold() in levels:
                    found.record[name] = levels[text.strip().casefold()]
                    return
    found.remarks.append(
        "no condition of the Bundle names a disease of the model's dictionary: "
        + ", ".join(levels.values())
    )


def _observations(
    resources: list[tuple[str | None, Mapping[str, Any]]],
    infusion: _Time | None,
    artifact: Artifact,
    found: Reading,
) -> None:
    by_code = {v.loinc: v for v in artifact.dictionary if v.loinc}
    best: dict[str, tuple[tuple[bool, float], dict[str, Any], str | None]] = {}
    undated = set()
    for address, resource in resources:
        if resource.get("resourceType") != "Observation":
            continue
        variable = next((by_code[c] for c in _loinc(resource) if c in by_code), None)
        if variable is None or resource.get("status") in ("cancelled", "entered-in-error"):
            continue
        if variable.name in ("age", "sex") and variable.name in found.record:
            continue
        given = _value(resource, variable.label, found)
        if given is None:
            continue
        time = _time(resource.get("effectiveDateTime") or _start(resource.get("effectivePeriod")))
        day = None
        if time is None or infusion is None:
            undated.add(variable.label)
        else:
            day = given["day"] = _day(time, infusion)
        # The latest of those before infusion; one from after it only where there is no other.
        rank = (day is None or day < 1, day if day is not None else float("-inf"))
        if variable.name not in best or rank > best[variable.name][0]:
            best[variable.name] = rank, given, address
    for name, (_, given, address) in best.items():
        found.record[name] = given
        if address is not None:
            found.basis.append({"reference": address})
    if undated:
        found.remarks.append(
            "taken as measured before infusion, for want of a time: " + ", ".join(sorted(undated))
        )


def _value(resource: Mapping[str, Any], label: str, found: Reading) -> dict[str, Any] | None:
    quantity = resource.get("valueQuantity")
    if isinstance(quantity, Mapping):
        if quantity.get("comparator"):
            found.remarks.append(f"{label} is stated as a limit (less or more than): not used")
            return None
        unit = quantity.get("code") or quantity.get("unit")
        value = quantity.get("value")
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return {"value": value} | ({"unit": unit} if isinstance(unit, str) else {})
    for key in ("valueInteger", "valueBoolean", "valueString"):
        if isinstance(resource.get(key), int | float | str):
            return {"value": resource[key]}
    for text in _texts(resource.get("valueCodeableConcept")):
        return {"value": text}
    return None


def _loinc(resource: Mapping[str, Any]) -> list[str]:
    code = resource.get("code")
    codings = code.get("coding") if isinstance(code, Mapping) else None
    return [
        c["code"]
        for c in (codings if isinstance(codings, list) else [])
        if isinstance(c, Mapping) and c.get("system") == LOINC and isinstance(c.get("code"), str)
    ]


def _texts(concept: Any) -> Iterator[str]:
    """Texts of a CodeableConcept: its own, then its codings' displays and codes."""
    if not isinstance(concept, Mapping):
        return
    codings = concept.get("coding")
    parts = [concept, *(codings if isinstance(codings, list) else [])]
    for part in parts:
        for key in ("text", "display", "code"):
            if isinstance(part, Mapping) and isinstance(part.get(key), str):
                yield part[key]


def _start(period: Any) -> Any:
    return period.get("start") if isinstance(period, Mapping) else None


@dataclass(frozen=True)
class _Time:
    """A FHIR date or instant; of a date the midnight, in UTC."""

    at: datetime
    whole_day: bool


def _time(text: Any) -> _Time | None:
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return _Time(found if found.tzinfo else found.replace(tzinfo=UTC), len(text) <= _DATE_LENGTH)


def _day(time: _Time, infusion: _Time) -> float:
    """Day relative to infusion, of which 1 and more are too late.

    Two instants say exactly what was after infusion: an hour after it is day 1 then. Where one
    of them is a date only, days are counted whole, and the day of infusion is day 0.
    """
    if time.whole_day or infusion.whole_day:
        return float((time.at.date() - infusion.at.date()).days)
    days = (time.at - infusion.at).total_seconds() / _DAY
    return max(1.0, days) if days > 0 else float(floor(days))
