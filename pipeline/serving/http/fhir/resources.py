"""The resources of a Bundle: where they lie, whether they stand, and what their codes say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LOINC = "http://loinc.org"
# Of statuses, those by which what a resource says was not so, or will not be.
_VOID = ("entered-in-error", "cancelled", "revoked", "not-done")


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

    def contained(self, reference: Any) -> Mapping[str, Any] | None:
        """The resource inside this one to which ``#id`` refers."""
        inside = self.resource.get("contained")
        for part in inside if isinstance(inside, list) else []:
            if isinstance(part, Mapping) and reference == f"#{part.get('id')}":
                return part
        return None


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


def parts_of(concept: Any) -> Iterator[Mapping[str, Any]]:
    """The CodeableConcept itself, then its codings."""
    if isinstance(concept, Mapping):
        codings = concept.get("coding")
        for part in [concept, *(codings if isinstance(codings, list) else [])]:
            if isinstance(part, Mapping):
                yield part


def texts(concept: Any) -> Iterator[str]:
    """Texts of a CodeableConcept: its own, then its codings' displays and codes."""
    for part in parts_of(concept):
        for key in ("text", "display", "code"):
            if isinstance(part.get(key), str):
                yield part[key]


def loinc_codes(concept: Any) -> list[str]:
    """LOINC codes of a CodeableConcept."""
    return [
        part["code"]
        for part in parts_of(concept)
        if part.get("system") == LOINC and isinstance(part.get("code"), str)
    ]
