"""The value that an Observation, or one of its components, states of a variable."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.cohort.dictionary import Variable
from pipeline.cohort.units import Line, accepted_unit
from pipeline.serving.http.fhir.answers import answers
from pipeline.serving.http.fhir.coding import spellings
from pipeline.serving.http.fhir.reading import UnusableError

_UCUM = "http://unitsofmeasure.org"
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_LIMITS = ("<", "<=", ">=", ">")
_LONGEST_UNIT = 30


@dataclass(frozen=True)
class Value:
    """A value in one of the units that the dictionary accepts.

    Attributes
    ----------
    value : float or str
        As it is stated.
    unit : str or None
        As the dictionary spells it; None where the variable has none and none is stated.
    canonical : float or str
        The value in the dictionary's unit.
    is_limit : bool
        Whether it is stated as less or more than the value.
    """

    value: float | str
    unit: str | None
    canonical: float | str
    is_limit: bool = False


def read_value(holder: Mapping[str, Any], variable: Variable, lines: Mapping[str, Line]) -> Value:
    """Read a value.

    Parameters
    ----------
    holder : mapping
        An Observation or a component.
    variable : Variable
    lines : mapping
        Factor and offset of each unit that the dictionary accepts for it.

    Raises
    ------
    UnusableError
        Where there is none that can be used; without the value.
    """
    quantity = holder.get("valueQuantity")
    if isinstance(quantity, Mapping):
        return _measured(quantity, variable, lines)
    concept = holder.get("valueCodeableConcept")
    plain = [holder.get(key) for key in ("valueInteger", "valueBoolean", "valueString")]
    stated: list[Any] = [v for v in plain if isinstance(v, int | float | str)]
    stated += [*answers(concept), *spellings(concept)]
    if not stated:
        raise UnusableError("has no value that can be read")
    if variable.kind in ("categorical", "text"):
        level_of = variable.level_of
        known = (level_of.get(v.strip().casefold()) for v in stated if isinstance(v, str))
        level = next((level for level in known if level is not None), stated[0])
        return Value(level, None, level)
    if not (variable.kind != "numeric" or variable.unit in (None, "1")):
        raise UnusableError("has no unit")
    numbers = {number for v in stated if (number := _number(v, variable)) is not None}
    if not numbers:
        raise UnusableError("is stated in words, not as a number")
    if len(numbers) > 1:
        raise UnusableError("states several values that disagree")
    (number,) = numbers
    return Value(number, None, number)


def _measured(quantity: Mapping[str, Any], variable: Variable, lines: Mapping[str, Line]) -> Value:
    comparator, value = quantity.get("comparator"), _finite(quantity.get("value"))
    if comparator is not None and comparator not in _LIMITS:
        raise UnusableError("has a comparator that is not known")
    if value is None:
        raise UnusableError("has no value that can be read")
    unit = _unit(quantity, variable, lines)
    factor, offset = lines[unit] if unit is not None else (1.0, 0.0)
    return Value(value, unit, value * factor + offset, comparator is not None)


def _unit(quantity: Mapping[str, Any], variable: Variable, lines: Mapping[str, Line]) -> str | None:
    """The unit's code, where it is UCUM's; else the unit as it is written."""
    code, written = (
        text.strip() if isinstance(text := quantity.get(key), str) and text.strip() else None
        for key in ("code", "unit")
    )
    if quantity.get("system", _UCUM) != _UCUM:
        code = None
    stated = code or written
    if stated is None:
        if variable.kind == "numeric" and variable.unit not in (None, "1"):
            raise UnusableError("has no unit")
        return None
    unit = _accepted(stated, variable)
    if unit is None:
        raise UnusableError("has a unit that is not accepted")
    other = _accepted(written, variable) if written is not None else None
    if other is not None and lines[other] != lines[unit]:
        raise UnusableError("has a unit whose code and text disagree")
    return unit


def _accepted(text: str, variable: Variable) -> str | None:
    return accepted_unit(text, variable) if len(text) <= _LONGEST_UNIT else None


def _number(stated: Any, variable: Variable) -> float | None:
    if isinstance(stated, bool):
        return float(stated) if variable.kind == "binary" else None
    if isinstance(stated, str):
        return float(stated) if _NUMBER.fullmatch(stated.strip()) else None
    return _finite(stated)


def _finite(stated: Any) -> float | None:
    if isinstance(stated, bool) or not isinstance(stated, int | float):
        return None
    try:
        number = float(stated)
    except OverflowError:  # an integer beyond any float
        return None
    return number if math.isfinite(number) else None
