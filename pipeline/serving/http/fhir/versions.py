"""Which of several statements stands: versions of one resource, values of one time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pipeline.serving.http.fhir.resources import Entry
from pipeline.serving.http.fhir.times import read_time

# Statuses of an Observation in the order in which it goes through them.
_STAGES = (
    ("registered", "unknown"),
    ("preliminary",),
    ("final",),
    ("amended", "corrected"),
    ("cancelled", "entered-in-error"),
)
_STAGE = {status: stage for stage, statuses in enumerate(_STAGES) for status in statuses}

T = TypeVar("T")


def last_versions(entries: Sequence[Entry]) -> list[Entry]:
    """Of each resource keep the last version, by time, number and status in this order.

    Where nothing tells which is the last, all that may be are kept.
    """
    versions: dict[object, list[Entry]] = {}
    for at, entry in enumerate(entries):
        versions.setdefault(entry.address or at, []).append(entry)
    orders = (_updated, _number, _stage)
    return [kept for of_one in versions.values() for kept in _narrowed(of_one, orders)]


def prevailing(found: Sequence[T], entry_of: Callable[[T], Entry]) -> list[T]:
    """Of statements on one time keep those that correct the others, or were issued later."""

    def by(order: Callable[[Entry], float | None]) -> Callable[[T], float | None]:
        return lambda one: order(entry_of(one))

    return _narrowed(found, [by(_stage), by(_issued), by(_updated)])


def _narrowed(found: Sequence[T], orders: Sequence[Callable[[T], float | None]]) -> list[T]:
    """Keep what is highest in the first order, of that in the second, and so on.

    An order that some have no place in tells nothing.
    """
    kept = list(found)
    for order in orders:
        places = [place for one in kept if (place := order(one)) is not None]
        if len(places) == len(kept):
            kept = [one for one in kept if order(one) == max(places)]
    return kept


def _stage(entry: Entry) -> float | None:
    return _STAGE.get(str(entry.resource.get("status")))


def _issued(entry: Entry) -> float | None:
    return _moment(entry.resource.get("issued"))


def _updated(entry: Entry) -> float | None:
    return _moment(_meta(entry, "lastUpdated"))


def _number(entry: Entry) -> float | None:
    version = _meta(entry, "versionId")
    if not isinstance(version, str) or not version.isascii() or not version.isdigit():
        return None
    return float(version)


def _moment(text: Any) -> float | None:
    time = read_time(text)
    return None if time is None else time.first.timestamp()


def _meta(entry: Entry, key: str) -> Any:
    meta = entry.resource.get("meta")
    return meta.get(key) if isinstance(meta, dict) else None
