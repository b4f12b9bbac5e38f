"""What the model needs of a Bundle: therapy and its time, patient, disease, observations.

The therapy and the infusion's time come from a MedicationAdministration, MedicationRequest or
Procedure, the disease from a Condition, age and sex from the Patient.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline.errors import InputError
from pipeline.model.artifact import Artifact
from pipeline.serving.http.fhir.observations import read_observations
from pipeline.serving.http.fhir.reading import Reading
from pipeline.serving.http.fhir.resources import Entry, entries_of, patient_of, texts
from pipeline.serving.http.fhir.times import When, infused, read_time

_INFUSIONS = ("MedicationAdministration", "MedicationRequest", "Procedure")


def read_bundle(
    bundle: Mapping[str, Any], artifact: Artifact, patient: str | None = None
) -> Reading:
    """Read what the model needs from a FHIR R4 Bundle.

    Parameters
    ----------
    bundle : mapping
        As JSON gives it.
    artifact : Artifact
    patient : str, optional
        The id of the patient whom it must be about.

    Raises
    ------
    InputError
        Where it is no Bundle, or one of several patients, or of another.
    """
    if not isinstance(bundle, Mapping) or bundle.get("resourceType") != "Bundle":
        raise InputError("the body is no FHIR Bundle", expected="resourceType: Bundle")
    found = Reading()
    entries = entries_of(bundle)
    subject = patient_of(entries)
    if subject is not None:
        if patient is not None and subject.rsplit("/", 2)[-2:] != ["Patient", patient]:
            raise InputError(
                "the resources are of another patient than the one who is asked about",
                expected="resources of one patient",
            )
        found.subject = {"reference": subject}
    infusions = _therapy(entries, artifact, found)
    times = [infused(resource) for resource in infusions]
    infusion = min((t for t in times if t is not None), key=lambda t: t.first, default=None)
    _patient(entries, infusion, artifact, found)
    _disease(entries, artifact, found)
    if any(t is None and _is_given(r) for t, r in zip(times, infusions, strict=True)):
        found.remark(
            "the therapy was given at a time that is not stated: no observation is known to be "
            "from before it, and none is used"
        )
        return found
    if infusion is None and infusions:
        found.remark("the time of infusion is not stated: days are counted from now")
    read_observations(entries, infusion, artifact, found)
    return found


def therapies_of(entries: list[Entry], artifact: Artifact) -> dict[str, list[Entry]]:
    """Group what gives or orders a therapy that the model knows by its canonical name."""
    facts = artifact.plan.facts
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        if facts is None or entry.kind not in _INFUSIONS:
            continue
        concept = entry.resource.get("medicationCodeableConcept") or entry.resource.get("code")
        for text in texts(concept):
            name = facts.aliases.get(text.strip().casefold())
            if name is not None:
                found.setdefault(name, []).append(entry)
                break
    return found


def _therapy(entries: list[Entry], artifact: Artifact, found: Reading) -> list[Mapping[str, Any]]:
    """Find the therapy; return the resources that give or order it."""
    column = artifact.plan.therapy
    if artifact.plan.facts is None or column is None:
        return []
    named = therapies_of(entries, artifact)
    valid = {
        name: kept
        for name, held in named.items()
        if (kept := [entry.resource for entry in held if not entry.is_void])
    }
    if any(entry.is_void for held in named.values() for entry in held):
        found.remark("a therapy is cancelled, stopped, not done or entered in error: not used")
    if not valid:
        found.remark("no medication or procedure of the Bundle names a therapy by a known name")
    elif len(valid) > 1:
        found.remark(
            f"the Bundle names several therapies ({', '.join(valid)}): send that of one infusion"
        )
    else:
        ((found.record[column], resources),) = valid.items()
        return resources
    return []


def _is_given(resource: Mapping[str, Any]) -> bool:
    """Whether it has begun, and is not only ordered or prepared."""
    return (
        resource.get("resourceType") != "MedicationRequest"
        and resource.get("status") != "preparation"
    )


def _patient(
    entries: list[Entry], infusion: When | None, artifact: Artifact, found: Reading
) -> None:
    for resource in (entry.resource for entry in entries if entry.kind == "Patient"):
        if "sex" in artifact.dictionary and resource.get("gender") in ("female", "male"):
            found.record["sex"] = resource["gender"]
        born = read_time(resource.get("birthDate"))
        if "age" in artifact.dictionary and born is not None and not born.is_vague:
            until, since = infusion.first if infusion is not None else datetime.now(UTC), born.first
            birthday_to_come = (until.month, until.day) < (since.month, since.day)
            years = until.year - since.year - birthday_to_come
            found.record["age"] = {"value": float(years), "unit": "a"}


def _disease(entries: list[Entry], artifact: Artifact, found: Reading) -> None:
    name = artifact.plan.disease
    if name is None:
        return
    levels = {level.casefold(): level for level in artifact.dictionary[name].levels or []}
    named: dict[str, None] = {}  # in their order
    for resource in (entry.resource for entry in entries if entry.kind == "Condition"):
        of_it = [levels[t] for text in texts(resource.get("code"))
                 if (t := text.strip().casefold()) in levels][:1]  # fmt: skip
        verified = {text.casefold() for text in texts(resource.get("verificationStatus"))}
        if of_it and verified & {"refuted", "entered-in-error"}:
            found.remark("a condition is refuted or entered in error: not used")
        else:
            named |= dict.fromkeys(of_it)
    if len(named) == 1:
        (found.record[name],) = named
    elif named:
        found.remark(
            f"the conditions name several diseases of the model ({', '.join(named)}): none is used"
        )
    else:
        found.remark(
            "no condition of the Bundle names a disease of the model's dictionary: "
            + ", ".join(levels.values())
        )
