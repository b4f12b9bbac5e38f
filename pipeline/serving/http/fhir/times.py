"""When something was, as FHIR R4 states it, and on which day relative to the infusion.

A date without its day is an interval; a period of an observation counts by its end, and that
of an infusion by its start. What may be from after the infusion is never counted as before it.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from math import floor
from typing import Any

from pipeline.serving.http.fhir.reading import UnusableError

_DAY = 86_400.0
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")
# FHIR's own form: Python would also read week dates and dates without hyphens.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?")


@dataclass(frozen=True)
class When:
    """From the first to the last moment that a stated time may mean.

    Of a date the midnight, so that both are the same for a full date and for an instant.
    """

    first: datetime
    last: datetime
    whole_day: bool

    @property
    def is_vague(self) -> bool:
        """Whether it is a month or a year."""
        return self.first != self.last


def read_time(text: Any) -> When | None:
    """Read a FHIR date, dateTime or instant; None where it is none."""
    if not isinstance(text, str):
        return None
    try:
        if date := _DATE.fullmatch(text):
            year, month, day = (int(part) if part else None for part in date.groups())
            assert year is not None
            last_month = month or 12
            last_day = day or monthrange(year, last_month)[1]
            return When(
                datetime(year, month or 1, day or 1, tzinfo=UTC),
                datetime(year, last_month, last_day, tzinfo=UTC),
                True,
            )
        if not _INSTANT.fullmatch(text):
            return None
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return When(at, at, False)


def observed(resource: Mapping[str, Any]) -> When | None:
    """When an Observation was made; None where nothing is stated.

    Raises
    ------
    UnusableError
        Where what is stated gives no time.
    """
    stated = [key for key in resource if key.startswith("effective") and resource[key] is not None]
    if not stated:
        return None
    timing = resource.get("effectiveTiming")
    candidates = [
        resource.get("effectiveDateTime"),
        resource.get("effectiveInstant"),
        _part(resource.get("effectivePeriod"), "end"),
    ]
    if isinstance(timing, Mapping):
        candidates += _events(timing)
    # An event that cannot be read may be the last.
    times = [read_time(text) for text in candidates if text is not None]
    found = [time for time in times if time is not None]
    if found and len(found) == len(times):
        return max(found, key=lambda time: time.last)
    if "effectiveTiming" in stated:
        raise UnusableError("has a timing without events")
    if "effectivePeriod" in stated:
        raise UnusableError("has a period without an end")
    raise UnusableError("has a time that cannot be read")


def infused(resource: Mapping[str, Any]) -> When | None:
    """When a therapy is first given, by its order, administration or procedure."""
    candidates = [
        resource.get("effectiveDateTime"),
        resource.get("performedDateTime"),
        _part(resource.get("effectivePeriod"), "start"),
        _part(resource.get("performedPeriod"), "start"),
    ]
    instructions = resource.get("dosageInstruction")
    for instruction in instructions if isinstance(instructions, list) else []:
        timing = _part(instruction, "timing")
        if isinstance(timing, Mapping):
            bounds = _part(timing.get("repeat"), "boundsPeriod")
            candidates += [*_events(timing), _part(bounds, "start")]
    times = [time for text in candidates if (time := read_time(text)) is not None]
    return min(times, key=lambda time: time.first, default=None)


def day_of(when: When, infusion: When | None) -> float:
    """Day relative to infusion, of which 1 and more are too late.

    Two instants say exactly what was after infusion: an hour after it is day 1 then. Where one
    of them is a date only, days are counted whole, and the day of infusion is day 0. A month or
    a year counts by its first day, which is the oldest that a value may be. Where no infusion
    is stated, it is still to come, and days are counted from now.

    Raises
    ------
    UnusableError
        Where a month or a year may reach past the infusion, or a value is of the future.
    """
    if infusion is None:
        # Where it is latest on earth: a date tells no time zone, and today's is not the future's.
        now = datetime.now(timezone(timedelta(hours=14)))
        day = _days(when.first, now, when.whole_day)
        if day >= 1:
            raise UnusableError("is dated in the future")
        return day
    whole = when.whole_day or infusion.whole_day
    if when.is_vague and _days(when.last, infusion.first, whole) >= 1:
        raise UnusableError("has a date without a day, which may lie after the infusion")
    return _days(when.first, infusion.first, whole)


def _days(at: datetime, infusion: datetime, whole: bool) -> float:
    if whole:
        return float((at.date() - infusion.date()).days)
    days = (at - infusion).total_seconds() / _DAY
    return max(1.0, days) if days > 0 else float(floor(days))


def _events(timing: Mapping[str, Any]) -> Iterator[Any]:
    events = timing.get("event")
    yield from events if isinstance(events, list) else []


def _part(of: Any, key: str) -> Any:
    return of.get(key) if isinstance(of, Mapping) else None
