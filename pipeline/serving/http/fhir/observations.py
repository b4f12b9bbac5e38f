"""Observations: found by LOINC code, valued in UCUM units, the latest before infusion taken."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from pipeline.cohort.dictionary import Variable
from pipeline.model.artifact import Artifact
from pipeline.serving.http.fhir.reading import Reading, UnusableError
from pipeline.serving.http.fhir.resources import Entry, loinc_codes, texts
from pipeline.serving.http.fhir.times import When, day_of, is_unordered, observed, recency

_UCUM = "http://unitsofmeasure.org"
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def read_observations(
    entries: list[Entry], infusion: When | None, artifact: Artifact, found: Reading
) -> None:
    """Add to a reading the latest value before infusion of each variable.

    Parameters
    ----------
    entries : list of Entry
    infusion : When or None
        None where it is still to come, at a time that is not stated.
    artifact : Artifact
    found : Reading
        Gets values, basis, and a remark on whatever is not used.
    """
    by_code = {v.loinc: v for v in artifact.dictionary if v.loinc}
    best: dict[str, tuple[tuple[bool, float], dict[str, Any], Entry]] = {}
    for entry in entries:
        if entry.kind != "Observation":
            continue
        codes = loinc_codes(entry.resource.get("code"))
        variable = next((by_code[code] for code in codes if code in by_code), None)
        # What the Patient says of age and sex goes first.
        if variable is None or (variable.name in ("age", "sex") and variable.name in found.record):
            continue
        try:
            if entry.is_void:
                raise UnusableError("is cancelled or entered in error")
            given, when = _value(entry.resource, variable), observed(entry.resource)
            if when is not None:
                given["day"] = day_of(when, infusion)
        except UnusableError as why:
            found.remark(f"{variable.label} {why}: not used")
            continue
        # One from after the infusion, and one without a time, only where there is no other.
        before = given.get("day", 0.0) < 1
        rank = before, recency(when, infusion) if when is not None else -math.inf
        if variable.name not in best or rank > best[variable.name][0]:
            best[variable.name] = rank, given, entry
    for name, (_, given, entry) in best.items():
        found.record[name] = given
        if entry.address is not None:
            found.basis.append({"reference": entry.address})
    same_day = [
        name for name, (_, _, e) in best.items() if is_unordered(observed(e.resource), infusion)
    ]
    if same_day:
        labels = ", ".join(sorted(artifact.dictionary[name].label for name in same_day))
        found.remark(f"taken as from before the infusion of the same day: {labels}")
    undated = [name for name, (_, given, _) in best.items() if "day" not in given]
    if undated:
        labels = ", ".join(sorted(artifact.dictionary[name].label for name in undated))
        found.remark(f"taken as measured before infusion, for want of a time: {labels}")


def _value(resource: Mapping[str, Any], variable: Variable) -> dict[str, Any]:
    unitless = variable.kind != "numeric" or variable.unit in (None, "1")
    quantity = resource.get("valueQuantity")
    if isinstance(quantity, Mapping):
        if quantity.get("comparator"):
            raise UnusableError("is stated as a limit (less or more than)")
        value, unit = quantity.get("value"), _unit(quantity)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UnusableError("has no value that can be read")
        if unit is None and not unitless:
            raise UnusableError("has no unit")
        return {"value": value} | ({"unit": unit} if unit is not None else {})
    plain = [resource.get(key) for key in ("valueInteger", "valueBoolean", "valueString")]
    stated = [v for v in plain if isinstance(v, int | float | str)]
    stated += texts(resource.get("valueCodeableConcept"))
    if not stated:
        raise UnusableError("has no value that can be read")
    if variable.kind in ("categorical", "text"):
        known = [v for v in stated if v in (variable.levels or [])]
        return {"value": (known or stated)[0]}
    numbers = [v for v in stated if not isinstance(v, str) or _NUMBER.fullmatch(v.strip())]
    if not numbers:
        raise UnusableError("is stated in words, not as a number")
    if not unitless:
        raise UnusableError("has no unit")
    return {"value": numbers[0]}


def _unit(quantity: Mapping[str, Any]) -> str | None:
    """The unit's code, where it is UCUM's; else the unit as it is written."""
    code, written = (
        text if isinstance(text := quantity.get(key), str) and text.strip() else None
        for key in ("code", "unit")
    )
    return code or written if quantity.get("system", _UCUM) == _UCUM else written
