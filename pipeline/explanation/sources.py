"""What a contribution belongs to: its label, unit, and the values that people read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from pipeline.features.matrix import Values, score_values
from pipeline.features.plan import THERAPY_SOURCES, FeaturePlan
from pipeline.features.scores import BY_NAME
from pipeline.model.risk_model import PRIOR_SOURCE

MISSING = "missing"

_UNITS = {"a": "years", "mo": "months", "d": "days", "Cel": "°C", "[degF]": "°F", "1": ""}
_MICRO = r"\bu(?=g|mol|L|kat)"
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Source:
    """A variable, score or therapy attribute, with the values of n patients.

    Attributes
    ----------
    name, label : str
    unit : str
        For people, such as ``10⁹/L``; empty where there is none.
    kind : str
        ``numeric``, ``binary`` or ``categorical``.
    log : bool
        Whether the value is read on a logarithmic scale.
    floor : float
        Smallest value that the logarithm takes.
    values : ndarray, shape (n,)
        float64 in the canonical unit, or object where categorical; NaN or None if missing.
    """

    name: str
    label: str
    unit: str
    kind: Literal["numeric", "binary", "categorical"]
    log: bool
    floor: float
    values: np.ndarray

    @property
    def heading(self) -> str:
        """Label and unit, as an axis shows them."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def position(self) -> np.ndarray:
        """Where numeric values lie on their axis: their common logarithm if ``log``."""
        return np.log10(np.maximum(self.values, self.floor)) if self.log else self.values

    def shown(self, row: int) -> str:
        """One patient's value as people read it."""
        value = self.values[row]
        if pd.isna(value):
            return MISSING
        if self.kind == "categorical":
            return str(value).replace("_", " ")
        if self.kind == "binary":
            return "yes" if value else "no"
        space = "" if self.unit == "%" else " "
        return f"{readable_number(float(value))}{space}{self.unit}".strip()


def sources_of(values: Values, plan: FeaturePlan) -> list[Source]:
    """List what contributions belong to, in their order: the plan's sources, then the prior."""
    variables = {variable.name: variable for variable in plan.variables}
    scores = score_values(values, plan)
    therapies = np.full(len(next(iter(values.values()))), None, dtype=object)
    if plan.facts is not None and plan.therapy is not None:
        therapies = plan.facts.names(values[plan.therapy])
    found = []
    for name in plan.sources:
        label = plan.labels[name]
        if name in scores:
            score = BY_NAME[name]
            log = score.scale == "log"
            found.append(Source(name, label, "", "numeric", log, score.floor, scores[name]))
        elif plan.facts is not None and name in THERAPY_SOURCES:
            text = plan.facts.values(therapies, name)
            found.append(Source(name, label, "", "categorical", False, 0.0, text))
        else:
            variable = variables[name]
            assert variable.kind != "text"  # the plan lets no free text become a predictor
            log = variable.scale == "log"
            floor = variable.log_floor if log else 0.0
            unit = readable_unit(variable.unit)
            found.append(Source(name, label, unit, variable.kind, log, floor, values[name]))
    return [
        *found,
        Source(PRIOR_SOURCE, plan.prior_label, "", "categorical", False, 0.0, therapies),
    ]


def readable_unit(unit: str | None) -> str:
    """Write a UCUM unit for people: ``10*9/L`` as ``10⁹/L``, ``ug{FEU}/mL`` as ``µg/mL FEU``.

    Of what stands in braces only a D-dimer's kind remains: it says what is counted.
    """
    if unit is None:
        return ""
    if unit in _UNITS:
        return _UNITS[unit]
    text = re.sub(r"[\[\]]|\{[^}]*\}", "", unit)
    text = re.sub(r"10[*^](\d+)", lambda m: "10" + m[1].translate(_RAISED), text)
    text = re.sub(r"(?<=m)([23])\b", lambda m: m[1].translate(_RAISED), text)
    return f"{re.sub(_MICRO, 'µ', text)} {d_dimer_kind(unit)}".strip()


def d_dimer_kind(unit: str | None) -> str:
    """Kind of D-dimer units, ``FEU`` or ``DDU`` (half as many), or empty where none is stated."""
    stated = re.search(r"\{(FEU|DDU)\}", unit or "", re.IGNORECASE)
    return stated[1].upper() if stated else ""


def readable_number(value: float) -> str:
    """Write a number with about three significant digits and never an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 2 if value == 0 else max(0, 2 - int(np.floor(np.log10(abs(value)))))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
