"""When something was, as FHIR R4 states it, and on which day relative to the infusion.

A date without its day is an interval; a period of an observation counts by its end, and that
of an infusion by its start. What may be from after the infusion is never counted as before it.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
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

    Of a date the midnight, so that both are the same for a full date and for an instant. A
    result's release is a bound: what it tells of was then or earlier.
    """

    first: datetime
    last: datetime
    whole_day: bool
    is_release: bool = False

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
    """When an Observation was made, or else released; None where nothing is stated.

    Raises
    ------
    UnusableError
        Where what is stated gives no time.
    """
    stated = [key for key in resource if key.startswith("effective") and resource[key] is not None]
    if not stated:
        released = read_time(resource.get("issued"))
        return replace(released, is_release=True) if released is not None else None
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
        resource.get("occurrenceDateTime"),
        _part(resource.get("effectivePeriod"), "start"),
        _part(resource.get("performedPeriod"), "start"),
        _part(resource.get("occurrencePeriod"), "start"),
    ]
    instructions = resource.get("dosageInstruction")
    for instruction in instructions if isinstance(instructions, list) else []:
        timing = _part(instruction, "timing")
        candidates += _starts(timing)
    candidates += _starts(resource.get("occurrenceTiming"))
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
        Where a month or a year may reach past the infusion, where only the release of a result
        is known and lies after it, or where a value is of the future.
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
    day = _days(when.first, infusion.first, whole)
    if when.is_release and day >= 1:
        raise UnusableError("was released after the infusion, and does not say when it was taken")
    return day


def is_unordered(when: When | None, infusion: When | None) -> bool:
    """Whether both are of one day, of which nothing tells which was first.

    An instant is of the day that it has at its own offset from UTC.
    """
    if when is None or infusion is None or not (when.whole_day or infusion.whole_day):
        return False
    return when.first.date() == infusion.first.date()


def recency(when: When, infusion: When | None) -> float:
    """Rank times before an infusion: the later, the higher.

    Of those on its day that nothing orders, the earlier is the higher: it is the likelier to be
    from before.
    """
    if not is_unordered(when, infusion):
        return when.first.timestamp()
    midnight = when.first.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    return midnight + 1 - (when.first.timestamp() - midnight) / _DAY


def _days(at: datetime, infusion: datetime, whole: bool) -> float:
    if whole:
        return float((at.date() - infusion.date()).days)
    days = (at - infusion).total_seconds() / _DAY
    return max(1.0, days) if days > 0 else float(floor(days))


def _starts(timing: Any) -> Iterator[Any]:
    if isinstance(timing, Mapping):
        yield from _events(timing)
        yield _part(_part(timing.get("repeat"), "boundsPeriod"), "start")


def _events(timing: Mapping[str, Any]) -> Iterator[Any]:
    events = timing.get("event")
    yield from events if isinstance(events, list) else []


def _part(of: Any, key: str) -> Any:
    return of.get(key) if isinstance(of, Mapping) else None
