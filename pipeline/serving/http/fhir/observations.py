"""Observations: found by LOINC code, valued in UCUM units, the latest before infusion taken."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.cohort.dictionary import Dictionary
from pipeline.cohort.units import unit_lines
from pipeline.model.artifact import Artifact
from pipeline.serving.http.fhir.reading import Reading, UnusableError
from pipeline.serving.http.fhir.resources import Entry, loinc_codes
from pipeline.serving.http.fhir.times import When, day_of, is_unordered, observed, recency
from pipeline.serving.http.fhir.values import Value, read_value
from pipeline.serving.http.fhir.versions import last_versions, prevailing

# Panels whose components are reported under the panel's code only: blood pressure.
_PANELS = {"8480-6": "85354-9"}


@dataclass(frozen=True)
class _Candidate:
    """A value of a variable before it is known whether another one is later."""

    value: Value
    when: When | None
    day: float | None
    rank: tuple[bool, float]
    entry: Entry


def codes_asked(dictionary: Dictionary) -> list[str]:
    """LOINC codes under which a server holds what the dictionary's variables need."""
    codes = [code for variable in dictionary for code in variable.loinc]
    return [*codes, *(panel for code, panel in _PANELS.items() if code in codes)]


def read_observations(
    entries: list[Entry], infusion: When | None, artifact: Artifact, found: Reading
) -> None:
    """Add to a reading the latest value before infusion of each variable.

    Of a resource its last version counts, and of several values of one time the one that
    corrects the others or was issued last. Where that leaves different values, none is used.

    Parameters
    ----------
    entries : list of Entry
    infusion : When or None
        None where it is still to come, at a time that is not stated.
    artifact : Artifact
    found : Reading
        Gets values, basis, and a remark on whatever is not used, or used as a limit.
    """
    undated, same_day, late = [], [], []
    for name, candidates in _candidates(entries, infusion, artifact, found).items():
        label = artifact.dictionary[name].label
        latest = max(candidate.rank for candidate in candidates)
        tied = [candidate for candidate in candidates if candidate.rank == latest]
        tied = prevailing(tied, lambda candidate: candidate.entry)
        # A rerun of the sample that was beyond the limit says more than the limit.
        tied = [c for c in tied if not c.value.is_limit] or tied
        if len({candidate.value.canonical for candidate in tied}) > 1:
            found.remark(f"{label} has several different values of one time: none is used")
            continue
        chosen = tied[0]
        given = {"value": chosen.value.value, "unit": chosen.value.unit, "day": chosen.day}
        found.record[name] = {key: part for key, part in given.items() if part is not None}
        if chosen.entry.address is not None:
            found.basis.append({"reference": chosen.entry.address})
        if chosen.value.is_limit:
            found.remark(
                f"{label} is stated as less or more than a limit: taken as the limit that is stated"
            )
        if chosen.when is None:
            undated.append(label)
        if is_unordered(chosen.when, infusion):
            same_day.append(label)
        if latest[0] and not all(candidate.rank[0] for candidate in candidates):
            late.append(label)
    for labels, taken in (
        (same_day, "taken as from before the infusion of the same day"),
        (undated, "taken as measured before infusion, for want of a time"),
        (late, "a later value, from after the infusion, is left out"),
    ):
        if labels:
            found.remark(f"{taken}: {', '.join(sorted(labels))}")


def _candidates(
    entries: list[Entry], infusion: When | None, artifact: Artifact, found: Reading
) -> dict[str, list[_Candidate]]:
    reported = {code: v for v in reversed([*artifact.dictionary]) for code in v.loinc}
    carried = artifact.facts.get("conversions", {})
    candidates: dict[str, list[_Candidate]] = {}
    for entry in last_versions([entry for entry in entries if entry.kind == "Observation"]):
        for holder in _holders(entry.resource):
            codes = loinc_codes(holder.get("code"))
            variable = next((reported[code] for code in codes if code in reported), None)
            # What the Patient says of age and sex goes first.
            if variable is None or (
                variable.name in ("age", "sex") and variable.name in found.record
            ):
                continue
            try:
                if entry.is_void:
                    raise UnusableError("is cancelled or entered in error")
                value = read_value(holder, variable, unit_lines(variable, carried))
                when = observed(entry.resource)
                day = None if when is None else day_of(when, infusion)
            except UnusableError as why:
                found.remark(f"{variable.label} {why}: not used")
                continue
            # One from after the infusion, and one without a time, only where there is no other.
            rank = day is None or day < 1, -math.inf if when is None else recency(when, infusion)
            candidate = _Candidate(value, when, day, rank, entry)
            candidates.setdefault(variable.name, []).append(candidate)
    return candidates


def _holders(resource: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What holds a code and a value: the resource itself, and its components."""
    yield resource
    components = resource.get("component")
    for component in components if isinstance(components, list) else []:
        if isinstance(component, Mapping):
            yield component
