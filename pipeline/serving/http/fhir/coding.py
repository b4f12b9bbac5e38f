"""What a CodeableConcept says: texts for people, and codes of systems that are known."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from pipeline.serving.http.fhir.resources import LOINC, parts_of

# A code means something in its system only: "MM" of a hospital's own list may be anything.
_SYSTEMS = {
    LOINC: "loinc",
    "urn:oid:2.16.840.1.113883.6.1": "loinc",
    "http://snomed.info/sct": "snomed",
    "urn:oid:2.16.840.1.113883.6.96": "snomed",
    "http://hl7.org/fhir/sid/icd-10": "icd-10",
    "http://hl7.org/fhir/sid/icd-10-cm": "icd-10",
    "urn:oid:2.16.840.1.113883.6.3": "icd-10",
    "urn:oid:2.16.840.1.113883.6.90": "icd-10",
    "http://fhir.de/CodeSystem/bfarm/icd-10-gm": "icd-10",
    "http://fhir.de/CodeSystem/dimdi/icd-10-gm": "icd-10",
    "http://www.cms.gov/Medicare/Coding/ICD10": "icd-10-pcs",
    "urn:oid:2.16.840.1.113883.6.4": "icd-10-pcs",
    "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets": "hcpcs",
    "urn:oid:2.16.840.1.113883.6.285": "hcpcs",
}
_MARKS = re.compile(r"[®™©]|\((?:r|tm)\)")


def spellings(concept: Any) -> Iterator[str]:
    """Texts for people: the concept's own, then its codings' displays."""
    for part in parts_of(concept):
        for key in ("text", "display"):
            if isinstance(part.get(key), str):
                yield part[key]


def codes(concept: Any) -> Iterator[tuple[str, str]]:
    """Codes of the systems that are known, each with the short name of its system."""
    for part in parts_of(concept):
        system, code = part.get("system"), part.get("code")
        if isinstance(system, str) and isinstance(code, str):
            known = _SYSTEMS.get(system.replace("https:", "http:", 1).rstrip("/"))
            if known is not None:
                yield known, code.strip().upper()


def folded(text: str) -> str:
    """Write a text in small letters, without marks of trade and with single spaces."""
    return " ".join(_MARKS.sub("", text.casefold()).split())


def table(name: str) -> list[dict[str, str]]:
    """Rows of a table of codes that lies beside this module."""
    with (files("pipeline.serving.http.fhir") / name).open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))
