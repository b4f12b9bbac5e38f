"""The resources of a Bundle: where they lie, whose they are, and what their codes say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import InputError

LOINC = "http://loinc.org"
# A reference to a resource on a server: its base, if it is absolute, then type and id.
_REFERENCE = re.compile(
    r"(?:(?P<base>https?://\S+)/)?(?P<own>[A-Z][A-Za-z]+/[A-Za-z0-9.\-]{1,64})(?:/_history/[^/]+)?"
)
# Of statuses, those by which what a resource says was not so, or will not be.
_VOID = ("entered-in-error", "cancelled", "not-done", "stopped")


@dataclass(frozen=True)
class Entry:
    """A resource of a Bundle, with its ``fullUrl`` if there is one."""

    url: str | None
    resource: Mapping[str, Any]

    @property
    def kind(self) -> Any:
        """The resource's type."""
        return self.resource.get("resourceType")

    @property
    def address(self) -> str | None:
        """Type and id, or else the ``fullUrl``."""
        own = self.resource.get("id")
        return f"{self.kind}/{own}" if isinstance(own, str) else self.url

    @property
    def is_void(self) -> bool:
        """Whether it is entered in error, cancelled, or of something that was not done."""
        return self.resource.get("status") in _VOID or self.resource.get("doNotPerform") is True


def entries_of(bundle: Any) -> list[Entry]:
    """List the resources of a Bundle; Bundles within Bundles are opened."""
    entries = bundle.get("entry") if isinstance(bundle, Mapping) else None
    found: list[Entry] = []
    for entry in entries if isinstance(entries, list) else []:
        resource = entry.get("resource") if isinstance(entry, Mapping) else None
        if not isinstance(resource, Mapping):
            continue
        if resource.get("resourceType") == "Bundle":
            found += entries_of(resource)
        else:
            url = entry.get("fullUrl")
            found.append(Entry(url if isinstance(url, str) else None, resource))
    return found


def patient_of(entries: list[Entry]) -> str | None:
    """Reference to the patient whom all resources are about; None where none says.

    References are resolved as FHIR's Bundle has it: by ``fullUrl``, and a relative one against
    the base of the ``fullUrl`` of the resource that holds it.

    Raises
    ------
    InputError
        Where they are about several.
    """
    known = {e.url: e.address for e in entries if e.url is not None and e.address is not None}
    found = [
        _identity(reference, entry, known)
        for entry in entries
        if (reference := _reference(entry)) is not None
    ]
    bases = {base for base, _ in found if base is not None}
    # A relative reference is to the patient of that id on whichever server the Bundle names.
    if len({own for _, own in found}) > 1 or len(bases) > 1:
        raise InputError("the Bundle holds several patients", expected="resources of one patient")
    if not found:
        return None
    own = found[0][1]
    return f"{bases.pop()}/{own}" if bases else own


def _reference(entry: Entry) -> str | None:
    if entry.kind == "Patient":
        return entry.address
    for key in ("subject", "patient"):
        subject = entry.resource.get(key)
        if isinstance(subject, Mapping) and isinstance(subject.get("reference"), str):
            return str(subject["reference"])
    return None


def _identity(reference: str, holder: Entry, known: Mapping[str, str]) -> tuple[str | None, str]:
    """Base and what follows it."""
    stated = _REFERENCE.fullmatch(reference)
    own = known.get(reference, reference)
    target = _REFERENCE.fullmatch(own)
    if target is None:
        return None, own
    base = (stated and stated["base"]) or target["base"]
    if base is None and stated is not None and holder.url is not None:
        around = _REFERENCE.fullmatch(holder.url)
        base = around["base"] if around else None
    return base, target["own"]


def texts(concept: Any) -> Iterator[str]:
    """Texts of a CodeableConcept: its own, then its codings' displays and codes."""
    if not isinstance(concept, Mapping):
        return
    codings = concept.get("coding")
    parts = [concept, *(codings if isinstance(codings, list) else [])]
    for part in parts:
        for key in ("text", "display", "code"):
            if isinstance(part, Mapping) and isinstance(part.get(key), str):
                yield part[key]


def loinc_codes(concept: Any) -> list[str]:
    """LOINC codes of a CodeableConcept."""
    codings = concept.get("coding") if isinstance(concept, Mapping) else None
    return [
        c["code"]
        for c in (codings if isinstance(codings, list) else [])
        if isinstance(c, Mapping) and c.get("system") == LOINC and isinstance(c.get("code"), str)
    ]
