"""Axis ticks that people read: round values, logarithms as values, log-odds as per cent."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.explanation.sources import Source, readable_number

_ROUND = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98,
          99, 99.5, 99.9]  # fmt: skip
# From the roundest to the finest: the first that puts three ticks on the axis is taken.
_PER_CENT = (_ROUND, [*_ROUND, *range(15, 90, 5)], [*_ROUND, *range(2, 98, 2)], [*range(1, 100)])

Ticks = tuple[list[float], list[str]]


def levels_of(source: Source) -> list[str]:
    """Levels of a categorical source that occur, in alphabetical order."""
    return sorted({str(value) for value in source.values if not pd.isna(value)})


def positions(source: Source) -> np.ndarray:
    """Where each patient's value lies on the axis; NaN where missing, shape (n,)."""
    if source.kind != "categorical":
        return np.asarray(source.position, dtype=float)
    place = {level: float(i) for i, level in enumerate(levels_of(source))}
    return np.array([place.get(str(value), np.nan) for value in source.values])


def value_ticks(source: Source) -> Ticks:
    """Positions and texts of ticks over the range of a source's values."""
    if source.kind == "categorical":
        levels = levels_of(source)
        return list(np.arange(float(len(levels)))), levels
    if source.kind == "binary":
        return [0.0, 1.0], ["no", "yes"]
    known = positions(source)
    known = known[~np.isnan(known)]
    if len(known) == 0:
        return [], []
    low, high = float(known.min()), float(known.max())
    if source.log and high - low > 0.5:
        return _log_ticks(low, high)
    if source.log:
        at, texts = _linear_ticks(10**low, 10**high)
        return [float(np.log10(value)) for value in at], texts
    unique = np.unique(known)
    if len(unique) <= 12 and np.all(unique == np.round(unique)):
        return list(unique), [readable_number(value) for value in unique]
    return _linear_ticks(low, high)


def risk_ticks(low: float, high: float) -> Ticks:
    """Log-odds of round risks between two log-odds, far enough apart to be read."""
    found: Ticks = ([], [])
    for choice in _PER_CENT:
        found = _risk_ticks(sorted(set(choice)), low, high)
        if len(found[0]) >= 3:
            break
    return found


def _risk_ticks(choice: list[float], low: float, high: float) -> Ticks:
    places: list[float] = []
    texts: list[str] = []
    room = 0.09 * (high - low)
    for per_cent in choice:
        place = float(np.log(per_cent / (100 - per_cent)))
        apart = not places or place - places[-1] >= room
        if low + room / 2 <= place <= high - room / 2 and apart:
            places.append(place)
            texts.append(f"{per_cent:g}%")
    return places, texts


def _linear_ticks(low: float, high: float) -> Ticks:
    from matplotlib.ticker import MaxNLocator

    locator = MaxNLocator(6, steps=[1, 2, 5, 10])
    ticks = [float(tick) for tick in locator.tick_values(low, high) if low <= tick <= high]
    # Ten digits: what a tick says must be where it stands.
    return ticks, [f"{tick:,.10g}" for tick in ticks]


def _log_ticks(low: float, high: float) -> Ticks:
    decades = range(int(np.floor(low)), int(np.ceil(high)) + 1)
    steps = (1,) if high - low > 3 else (1, 3) if high - low > 1.6 else (1, 2, 5)
    values = [step * 10.0**decade for decade in decades for step in steps]
    kept = [value for value in values if low <= np.log10(value) <= high]
    return [float(np.log10(value)) for value in kept], [readable_number(v) for v in kept]
