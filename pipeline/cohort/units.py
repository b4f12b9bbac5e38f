"""Units: every value is stored in its variable's canonical unit, and checked on the way."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import pint

from pipeline.cohort.dictionary import Variable
from pipeline.errors import InputError, UnitError, did_you_mean

# Spellings that laboratories use beside UCUM's, before pint reads them.
_SPELLINGS = (
    (re.compile(r"\{[^}]*\}"), ""),  # UCUM annotations: mg/L{FEU}, {count}
    (re.compile(r"[µμ]"), "u"),
    (re.compile(r"[x×]?\s*10[*^](\d+)"), r"1e\1"),  # 10*9/L, x10^9/L
    (re.compile(r"(?<![A-Za-z])IU(?![A-Za-z])"), "U"),
    (re.compile(r"\bcells?\b"), "1"),
    (re.compile(r"\bCel\b"), "degC"),
    (re.compile(r"\[degF\]"), "degF"),
    (re.compile(r"^%$"), "percent"),
    (re.compile(r"^a$"), "year"),
    (re.compile(r"^mo$"), "month"),
    (re.compile(r"^wk$"), "week"),
    (re.compile(r"mm\[Hg\]"), "mmHg"),
)


@cache
def _registry() -> pint.UnitRegistry:
    return pint.UnitRegistry(autoconvert_offset_to_baseunit=True)


def _quantity(unit: str) -> pint.Quantity:
    text = unit.strip()
    for pattern, replacement in _SPELLINGS:
        text = pattern.sub(replacement, text)
    # "1e9/L" and "/uL" are numbers over a unit, "" and "1" are pure numbers.
    text = text if text and not text.startswith("/") else f"1{text}"
    scale, rest = re.fullmatch(r"(\d+(?:e\d+)?)?(.*)", text).groups()  # type: ignore[union-attr]
    expression = f"1{rest}" if rest.startswith("/") else rest
    size = float(scale) if scale else 1.0
    parsed = _registry().Unit(rest) if rest and not rest.startswith("/") else None
    if parsed is not None:
        return _registry().Quantity(size, parsed)
    return _registry().Quantity(size, "dimensionless") * _registry().parse_expression(
        expression or "1"
    )


@cache
def linear_map(unit: str, canonical: str, molar_mass: float | None) -> tuple[float, float]:
    """Return ``(factor, offset)`` with ``canonical value = factor * value + offset``.

    Parameters
    ----------
    unit, canonical : str
        Unit of the source and of the dictionary, in UCUM spelling.
    molar_mass : float or None
        Grams per mole, for conversion between mass and amount of substance.

    Raises
    ------
    pint.errors.PintError
        Where a unit is unknown or the two are of different kinds.
    """
    if unit == canonical:
        return 1.0, 0.0
    source, target = _quantity(unit), _quantity(canonical)
    context = ("chemistry",) if molar_mass else ()
    options = {"mw": molar_mass * _registry().gram / _registry().mole} if molar_mass else {}

    def convert(value: float) -> float:
        measured = _registry().Quantity(value * source.magnitude, source.units)
        return float(measured.to(target.units, *context, **options).magnitude) / target.magnitude

    offset = convert(0.0)
    # Fifteen digits: 1 ug/L is 1 ng/mL, not 0.9999999999999999.
    return float(f"{convert(1.0) - offset:.13g}"), float(f"{offset:.13g}")


def to_canonical(values: np.ndarray, variable: Variable, unit: str) -> np.ndarray:
    """Express measured values in the variable's canonical unit.

    Parameters
    ----------
    values : ndarray of float
        Measured values, in ``unit``; missing values stay missing.
    variable : Variable
        Says the canonical and the accepted units.
    unit : str
        The unit of the source.

    Raises
    ------
    UnitError
        If ``unit`` is none of the units the dictionary accepts for the variable.
    """
    accepted = [variable.unit or "1", *variable.accepts]
    if unit not in accepted:
        # Another spelling of an accepted unit (µg/L for ug/L) is that unit.
        same = [known for known in accepted if _folded(known) == _folded(unit)]
        if not same:
            raise UnitError(
                f"unit '{unit}' is not accepted for '{variable.name}'{did_you_mean(unit, accepted)}",
                column=variable.name,
                expected="one of " + ", ".join(accepted),
                mend="correct the unit, or add it to 'accepts' in the dictionary",
            )
        unit = same[0]
    factor, offset = linear_map(unit, variable.unit or "1", variable.molar_mass)
    return np.asarray(values, dtype=float) * factor + offset


def _folded(unit: str) -> str:
    for pattern, replacement in _SPELLINGS:
        unit = pattern.sub(replacement, unit.strip())
    return unit.replace(" ", "")


def check_units(variable: Variable, file: Path) -> None:
    """Refuse a dictionary entry with a unit that is unknown or cannot be converted."""
    for unit in ([variable.unit] if variable.unit else []) + variable.accepts:
        try:
            _quantity(unit)
            linear_map(unit, variable.unit or "1", variable.molar_mass)
        except (pint.errors.PintError, AttributeError, TypeError, ValueError, AssertionError):
            raise InputError(
                f"unit '{unit}' cannot be converted to '{variable.unit}'",
                file=file,
                column=variable.name,
                expected="a unit of the same kind in UCUM spelling (mg/dL, 10*9/L, umol/L)",
                mend="correct the unit, or give molar_mass for mass-to-molar conversion",
            ) from None
