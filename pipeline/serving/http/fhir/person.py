"""Age and sex, from the Patient."""

from __future__ import annotations

from datetime import UTC, datetime

from pipeline.model.artifact import Artifact
from pipeline.serving.http.fhir.reading import Reading
from pipeline.serving.http.fhir.resources import Entry
from pipeline.serving.http.fhir.times import When, read_time


def read_person(
    entries: list[Entry], infusion: When | None, artifact: Artifact, found: Reading
) -> None:
    """Add age at infusion and sex to a reading.

    Parameters
    ----------
    entries : list of Entry
    infusion : When or None
        None where its time is not known: the age is that of now.
    artifact : Artifact
    found : Reading
        Gets the values, and a remark on what cannot be used.
    """
    for resource in (entry.resource for entry in entries if entry.kind == "Patient"):
        gender, birth = resource.get("gender"), resource.get("birthDate")
        if "sex" in artifact.dictionary and gender in ("female", "male"):
            found.record["sex"] = gender
        elif "sex" in artifact.dictionary and gender is not None:
            found.remark("the Patient's gender is neither female nor male: sex is not used")
        born = read_time(birth)
        if "age" not in artifact.dictionary or birth is None:
            continue
        if born is None or born.is_vague:
            found.remark("the Patient's birthDate is no full date: age is not used")
            continue
        until, since = infusion.first if infusion is not None else datetime.now(UTC), born.first
        birthday_to_come = (until.month, until.day) < (since.month, since.day)
        years = until.year - since.year - birthday_to_come
        found.record["age"] = {"value": float(years), "unit": "a"}
