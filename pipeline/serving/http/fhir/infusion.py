"""The one therapy that is asked about, and when it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.features.therapy import TherapyFacts
from pipeline.model.artifact import Artifact
from pipeline.serving.http.fhir.reading import Reading
from pipeline.serving.http.fhir.resources import Entry
from pipeline.serving.http.fhir.therapy import REQUESTS, therapies_of
from pipeline.serving.http.fhir.times import When, infused

# Given before or along with the others, whose CRS is asked about then.
_YIELDING = ("checkpoint_inhibitor", "monoclonal_antibody")


@dataclass(frozen=True)
class Infusion:
    """When the therapy is given.

    Attributes
    ----------
    at : When or None
        None where it is not stated.
    is_past : bool
        Whether it has begun.
    """

    at: When | None
    is_past: bool


class _Course:
    """What a Bundle says of one therapy, as far as it stands."""

    def __init__(self, name: str, resources: list[Mapping[str, Any]]) -> None:
        self.name = name
        begun = [r for r in resources if not _is_request(r) and r.get("status") != "preparation"]
        # An order that is completed was given, though nothing says when but its own plan.
        completed = [r for r in resources if _is_request(r) and r.get("status") == "completed"]
        self.given = begun or completed
        self.planned = [r for r in resources if r not in begun and r not in completed]

    @property
    def at(self) -> When | None:
        """When it is first given; None where that is not stated."""
        times = [infused(resource) for resource in self.given or self.planned]
        stated = [time for time in times if time is not None]
        # Of what was given, one without a time may be the first.
        if not stated or (self.given and len(stated) < len(times)):
            return None
        return min(stated, key=lambda time: time.first)

    def is_over_before(self, other: _Course) -> bool:
        """Whether it was given, and no more so when the other is planned."""
        until = other.at.first if other.at is not None else datetime.now(UTC)
        times = [infused(resource) for resource in self.given]
        running = any(r.get("status") in ("in-progress", "on-hold") for r in self.given)
        late = any(time is not None and time.last >= until for time in times)
        return bool(self.given) and not running and not late


def read_infusion(entries: list[Entry], artifact: Artifact, found: Reading) -> Infusion | None:
    """Read which therapy is asked about; None where that cannot be told.

    Several are told apart by two rules. Antibodies yield to cells and T-cell engagers. One that
    is ordered and not yet given goes before those that were given in the past. Where two are
    left, none is taken.

    Parameters
    ----------
    entries : list of Entry
    artifact : Artifact
    found : Reading
        Gets the therapy, and remarks.
    """
    facts, column = artifact.plan.facts, artifact.plan.therapy
    if facts is None or column is None:
        return None
    named = therapies_of(entries, artifact, found)
    courses = []
    for name, held in named.items():
        resources = [entry.resource for entry in held if _stands(entry)]
        if len(resources) < len(held):
            found.remark("a therapy is cancelled, stopped, not done or entered in error: not used")
        if resources:
            courses.append(_Course(name, resources))
    if not courses:
        found.remark("no medication, procedure or order of the Bundle names a therapy to be used")
        return None
    chosen = _chosen(courses, facts)
    if chosen is None:
        names = ", ".join(course.name for course in courses)
        found.remark(f"the Bundle names several therapies ({names}): send that of one infusion")
        return None
    others = ", ".join(course.name for course in courses if course is not chosen)
    if others:
        found.remark(f"of several therapies {chosen.name} is taken, beside {others}")
    found.record[column] = chosen.name
    return Infusion(chosen.at, bool(chosen.given))


def _chosen(courses: list[_Course], facts: TherapyFacts) -> _Course | None:
    leading = [c for c in courses if facts.attributes[c.name].get("modality") not in _YIELDING]
    rest = leading or courses
    planned = [course for course in rest if not course.given]
    if len(rest) > 1 and len(planned) == 1:
        (asked,) = planned
        if all(c.is_over_before(asked) for c in rest if c is not asked):
            return asked
    return rest[0] if len(rest) == 1 else None


def _stands(entry: Entry) -> bool:
    # An administration or a procedure that was stopped had begun. An order that was stopped
    # says of itself neither that something was given nor that it will be.
    stopped = _is_request(entry.resource) and entry.resource.get("status") == "stopped"
    return not entry.is_void and not stopped


def _is_request(resource: Mapping[str, Any]) -> bool:
    return resource.get("resourceType") in REQUESTS
