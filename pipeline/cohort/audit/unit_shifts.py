"""Values in another unit than stated: whole columns, and a share of the cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.stats import binom

from pipeline.cohort.audit.finding import Finding
from pipeline.cohort.audit.material import Material
from pipeline.cohort.dictionary import Variable
from pipeline.cohort.units import linear_map

POWERS_OF_TEN = (0.001, 0.01, 0.1, 10.0, 100.0, 1000.0)
FEWEST = 8
# A second mode nearer than this is within what one mode may hold.
SMALLEST_FACTOR = 1.5


@dataclass(frozen=True)
class Reading:
    """A unit that values may have been in: ``canonical = factor * value + offset``."""

    name: str
    factor: float
    offset: float = 0.0


def column_unit(material: Material) -> Iterator[Finding]:
    """The whole column: its median, against the dictionary's ``usual`` limits.

    If an accepted unit or a power of ten brings the median inside, that unit is named. An
    error where three quarters of the values lie beyond the limit, or the median twice
    beyond it.
    """
    for variable in material.numeric:
        if variable.usual is None:
            continue
        values = material.cohort[variable.name].dropna().to_numpy()
        low, high = variable.usual
        quarter, median, three_quarters = np.quantile(values, [0.25, 0.5, 0.75])
        if low <= median <= high or len(values) < FEWEST:
            continue
        fitting = [r for r in readings(variable) if low <= apply(r, median) <= high]
        far = median > 0 and max(low / median, median / high) >= 2
        grave = bool(fitting) and (far or three_quarters < low or quarter > high)
        likely = f"; the values would fit {fitting[0].name}" if fitting else ""
        yield Finding(
            "column_unit",
            "error" if grave else "warning",
            f"The median of '{variable.name}' lies {'below' if median < low else 'above'} the "
            f"{low:g} to {high:g} {variable.unit or ''} expected of a cohort{likely}.",
            f"State the source's unit of '{variable.name}', or correct 'usual' in the dictionary.",
            variable.name,
            len(values),
            {"likely_unit": fitting[0].name if fitting else None, "median": float(median)},
        )


def mixed_units(material: Material) -> Iterator[Finding]:
    """A share of the cells in another unit: a second mode one conversion factor away.

    Statistic: values within a quarter of the factor (on the log scale) around the place
    where converted bulk would lie, against values around half way between; exact
    binomial, Bonferroni-adjusted. Only columns with ``usual`` limits are judged: others,
    such as marrow blasts, may have two modes by nature.
    """
    tests = max(1, 8 * len(material.measured))
    for variable in material.measured:
        values = material.cohort[variable.name].dropna().to_numpy()
        values = values[values > 0]
        if variable.usual is None or len(np.unique(values)) < 10:
            continue
        logs = np.sort(np.log10(values))
        centre, spread = _main_mode(logs)
        for reading in readings(variable):
            converted = apply(reading, 10**centre)
            other = _invert(reading, 10**centre)
            if converted <= 0 or other <= 0:
                continue
            place = np.log10(other)
            distance = abs(place - centre)
            if distance < max(4 * spread, np.log10(SMALLEST_FACTOR)):
                continue
            window = min(distance / 4, 3 * spread)
            away = _within(logs, place, window)
            half_way = _within(logs, (place + centre) / 2, window)
            p = tests * binom.sf(away - 1, away + half_way, 0.5) if away else 1.0
            enough = away >= max(4, 0.01 * len(logs))
            if enough and p <= material.settings.alpha_error:
                yield Finding(
                    "mixed_units",
                    "error",
                    f"{away:,} values of '{variable.name}' form a second group where values in "
                    f"{reading.name} would lie: units are mixed, or digits were lost.",
                    "State the unit per row, or mend these values at their source.",
                    variable.name,
                    away,
                    {"likely_unit": reading.name, "share": away / len(logs), "p": float(p)},
                )
                break


def readings(variable: Variable) -> list[Reading]:
    """Units that the stored values may truly be in, known units first."""
    return list(
        _readings(variable.name, variable.unit, tuple(variable.accepts), variable.molar_mass)
    )


def apply(reading: Reading, value: float) -> float:
    """Return the canonical value of a value that is truly in the reading's unit."""
    return reading.factor * value + reading.offset


@cache
def _readings(
    name: str, unit: str | None, accepts: tuple[str, ...], molar_mass: float | None
) -> tuple[Reading, ...]:
    found: list[Reading] = []
    for other in accepts:
        reading = Reading(other, *linear_map(other, unit or "1", molar_mass))
        if abs(np.log10(reading.factor)) > 0.01 or reading.offset:
            found.append(reading)
    # A value converted although it already was canonical is off by the inverse factor.
    twice = [
        Reading(f"{unit} (converted twice from {r.name})", 1 / r.factor)
        for r in found
        if not r.offset
    ]
    powers = [Reading(f"{unit or 'the unit'} with a factor of {f:g}", f) for f in POWERS_OF_TEN]
    for reading in [*twice, *powers]:
        if all(abs(np.log10(reading.factor / known.factor)) > 0.05 for known in found):
            found.append(reading)
    return tuple(found)


def _main_mode(logs: np.ndarray) -> tuple[float, float]:
    """Centre and spread of the shortest interval that holds a third of the sorted values.

    A third, so that one group is found where two are of one size; of a normal
    distribution it is 0.861 standard deviations wide.
    """
    third = len(logs) // 3
    widths = logs[third:] - logs[: len(logs) - third]
    start = int(widths.argmin())
    centre = float(np.median(logs[start : start + third + 1]))
    return centre, max(float(widths[start]) / 0.861, 0.01)


def _within(ordered: np.ndarray, place: float, window: float) -> int:
    first, last = np.searchsorted(ordered, [place - window, place + window])
    return int(last - first)


def _invert(reading: Reading, value: float) -> float:
    return (value - reading.offset) / reading.factor
