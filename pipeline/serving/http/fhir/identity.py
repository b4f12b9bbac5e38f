"""Whose the resources of a Bundle are: one patient's, or several patients'."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.errors import InputError
from pipeline.serving.http.fhir.resources import Entry

# A reference to a resource on a server: its base, if it is absolute, then type and id.
_REFERENCE = re.compile(
    r"(?:(?P<base>https?://\S+)/)?(?P<own>[A-Z][A-Za-z]+/[A-Za-z0-9.\-]{1,64})(?:/_history/[^/]+)?"
)


def patient_of(entries: list[Entry]) -> dict[str, Any] | None:
    """Find the patient whom all resources are about.

    References are resolved as FHIR's Bundle has it: by ``fullUrl``, and a relative one against
    the base of the ``fullUrl`` of the resource that holds it. An identifier (system and value)
    is an identity too, and the same as a reference where a Patient or a subject states both. A
    name to display is none.

    Parameters
    ----------
    entries : list of Entry

    Returns
    -------
    dict or None
        A FHIR Reference, by address if there is one and else by identifier; None where no
        resource says whose it is.

    Raises
    ------
    InputError
        Where they are about several, or where nothing tells that they are about one.
    """
    known = {e.url: e.address for e in entries if e.url is not None and e.address is not None}
    groups: list[set[tuple[str, ...]]] = []
    bases: set[str] = set()
    for entry in entries:
        names: set[tuple[str, ...]] = set()
        for reference in _references(entry):
            base, own = _resolved(reference, entry, known)
            bases |= {base} if base is not None else set()
            names.add((own,))
        names |= set(_identifiers(entry))
        if names:
            apart = [group for group in groups if not group & names]
            groups = [*apart, names.union(*(group for group in groups if group & names))]
    # A relative reference is to the patient of that id on whichever server the Bundle names.
    own_ids = {name for group in groups for name in group if len(name) == 1}
    if len(groups) > 1 or len(bases) > 1 or len(own_ids) > 1:
        raise InputError(
            "the Bundle holds several patients",
            expected="resources of one patient",
            mend="send one patient's; where they are named in several ways, send the Patient "
            "with its id and identifiers too",
        )
    if own_ids:
        ((own,),) = own_ids
        return {"reference": f"{bases.pop()}/{own}" if bases else own}
    if groups:
        system, value = min(groups[0])
        return {"identifier": {"system": system, "value": value} if system else {"value": value}}
    return None


def is_anonymous(entry: Entry) -> bool:
    """Whether a resource says by neither a reference nor an identifier whose it is."""
    return not any(True for _ in _references(entry)) and not any(True for _ in _identifiers(entry))


def is_patient(subject: Mapping[str, Any], asked: str) -> bool:
    """Whether a Reference, as ``patient_of`` returns it, is to the patient of an id."""
    return str(subject.get("reference", "")).rsplit("/", 2)[-2:] == ["Patient", asked]


def _subject(entry: Entry) -> Mapping[str, Any]:
    for key in ("subject", "patient"):
        subject = entry.resource.get(key)
        if isinstance(subject, Mapping):
            return subject
    return {}


def _references(entry: Entry) -> Iterator[str]:
    if entry.kind == "Patient":
        if entry.address is not None:
            yield entry.address
        return
    reference = _subject(entry).get("reference")
    # What is contained has no identity outside of its container but its identifiers.
    if isinstance(reference, str) and not reference.startswith("#"):
        yield reference


def _identifiers(entry: Entry) -> Iterator[tuple[str, str]]:
    if entry.kind == "Patient":
        stated = entry.resource.get("identifier")
    else:
        subject = _subject(entry)
        contained = entry.contained(subject.get("reference"))
        inside = contained.get("identifier") if contained is not None else None
        stated = [subject.get("identifier"), *(inside if isinstance(inside, list) else [])]
    for identifier in stated if isinstance(stated, list) else []:
        value = identifier.get("value") if isinstance(identifier, Mapping) else None
        if isinstance(value, str) and value:
            yield str(identifier.get("system") or ""), value


def _resolved(reference: str, holder: Entry, known: Mapping[str, str]) -> tuple[str | None, str]:
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
