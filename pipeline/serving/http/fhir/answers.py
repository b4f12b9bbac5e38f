"""Coded answers whose meaning a terminology fixes, and what they say of a variable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.serving.http.fhir.coding import codes
from pipeline.serving.http.fhir.resources import parts_of

_ORDINAL = "http://hl7.org/fhir/StructureDefinition/ordinalValue"

# ECOG performance status: LOINC's answer list LL529-9, and findings of SNOMED CT. Sex: LOINC's
# answers, and findings of SNOMED CT.
_MEANING: dict[tuple[str, str], float | str] = {
    ("loinc", "LA9622-7"): 0.0,
    ("loinc", "LA9623-5"): 1.0,
    ("loinc", "LA9624-3"): 2.0,
    ("loinc", "LA9625-0"): 3.0,
    ("loinc", "LA9626-8"): 4.0,
    ("snomed", "425389002"): 0.0,
    ("snomed", "422512005"): 1.0,
    ("snomed", "422894000"): 2.0,
    ("snomed", "423053003"): 3.0,
    ("snomed", "423237006"): 4.0,
    ("loinc", "LA2-8"): "male",
    ("loinc", "LA3-6"): "female",
    ("snomed", "248153007"): "male",
    ("snomed", "248152002"): "female",
}


def answers(concept: Any) -> Iterator[float | str]:
    """What the codings of a CodeableConcept mean, as far as that is fixed.

    A number comes from FHIR's extension for ordinals too, and from a code that is one digit:
    registries code grades so. No other code is a number, whatever its digits.
    """
    yield from (_MEANING[known] for known in codes(concept) if known in _MEANING)
    for coding in parts_of(concept):
        if isinstance(code := coding.get("code"), str) and code in tuple("0123456789"):
            yield float(code)
        extensions = coding.get("extension")
        for extension in extensions if isinstance(extensions, list) else []:
            if isinstance(extension, Mapping) and extension.get("url") == _ORDINAL:
                value = extension.get("valueDecimal")
                if isinstance(value, int | float):
                    yield value
