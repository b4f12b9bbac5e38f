"""Units: every value is stored in its variable's canonical unit, and checked on the way."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import InputError, UnitError, did_you_mean

if TYPE_CHECKING:
    from pipeline.cohort.dictionary import Variable

# Spellings that laboratories use beside UCUM's, before pint reads them.
_SPELLINGS = (
    (re.compile(r"[µμ]"), "u"),
    (re.compile(r"(?<![A-Za-z])([dmu]?)l(?![A-Za-z])"), r"\1L"),  # UCUM's litre is l or L
    (re.compile(r"^K/uL$"), "10*3/uL"),
    (re.compile(r"\[[Ii]U\]"), "U"),
    (re.compile(r"[x×]?\s*10[*^](\d+)"), r"1e\1"),  # 10*9/L, x10^9/L
    (re.compile(r"(?<![A-Za-z])IU(?![A-Za-z])"), "U"),
    (re.compile(r"\bcells?\b"), ""),
    (re.compile(r"\bCel\b|^°C$"), "degC"),
    (re.compile(r"\[degF\]"), "degF"),
    (re.compile(r"^%$"), "percent"),
    (re.compile(r"^(a|y|years?)$"), "year"),
    (re.compile(r"^(mo|months?)$"), "month"),
    (re.compile(r"^wk$"), "week"),
    (re.compile(r"mm\[Hg\]"), "mmHg"),
    (re.compile(r"\bm([23])\b"), r"m**\1"),
)
_ANNOTATION = re.compile(r"\{[^}]*\}")
# Annotations that state the quantity, by what one of them counts in the other: a D-dimer in
# D-dimer units is about half of it in fibrinogen-equivalent units.
_DDIMER = {"{FEU}": 1.0, "{DDU}": 2.0}
# Annotations on their own that UCUM's examples give numbers without a unit.
_UNITLESS = ("{INR}", "{score}")


@cache
def _registry() -> Any:
    # Serving in canonical units needs no pint, so it is imported only here.
    import pint

    return pint.UnitRegistry(autoconvert_offset_to_baseunit=True)


def _canonical_spelling(unit: str) -> str:
    text = unit.strip()
    for pattern, replacement in _SPELLINGS:
        text = pattern.sub(replacement, text)
    return text.replace(" ", "")


def _split(unit: str) -> tuple[float, str]:
    """Split ``10*9/L`` into the number 1e9 and a unit that pint reads, ``1/L``."""
    text = _canonical_spelling(_ANNOTATION.sub("", unit))
    match = re.fullmatch(r"(\d+(?:e\d+)?)?(.*)", text)
    assert match is not None  # every part of the pattern is optional
    number, rest = match.groups()
    return float(number or 1), f"1{rest}" if rest.startswith("/") else rest


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
    (source_size, source), (target_size, target) = _split(unit), _split(canonical)
    counted, wanted = _ddimer(unit), _ddimer(canonical)
    # A unit that states neither is of the other's kind.
    if counted is not None and wanted is not None:
        source_size *= counted / wanted
    registry = _registry()
    molar = ("chemistry",) if molar_mass else ()
    options = {"mw": molar_mass * registry.gram / registry.mole} if molar_mass else {}

    def convert(value: float) -> float:
        measured = registry.Quantity(value * source_size, registry.parse_units(source))
        converted = measured.to(registry.parse_units(target), *molar, **options)
        return float(converted.magnitude) / target_size

    offset = convert(0.0)
    # Thirteen digits: 1 ug/L is 1 ng/mL, not 0.9999999999999999.
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
    known = accepted_unit(unit, variable)
    if known is None:
        accepted = [variable.unit or "1", *variable.accepts]
        # Who has D-dimer units must convert them, not write the other kind's name on them.
        hint = "" if _ANNOTATION.search(unit) else did_you_mean(unit, accepted)
        raise UnitError(
            f"unit '{unit}' is not accepted for '{variable.name}'{hint}",
            column=variable.name,
            expected="one of " + ", ".join(accepted),
            mend="correct the unit, or add it to 'accepts' in the dictionary",
        )
    factor, offset = linear_map(known, variable.unit or "1", variable.molar_mass)
    return np.asarray(values, dtype=float) * factor + offset


def accepted_unit(unit: str, variable: Variable) -> str | None:
    """Find the unit of the dictionary that a source means, or None where it accepts none such.

    Another spelling of an accepted unit (µg/L for ug/L) is that unit. An annotation is passed
    over unless it states another quantity than the dictionary's unit does.
    """
    canonical = variable.unit or "1"
    accepted = [canonical, *variable.accepts]
    if unit in accepted:
        return unit
    if canonical == "1" and unit.strip() in _UNITLESS:
        return canonical
    own = {note.upper() for note in _ANNOTATION.findall(canonical)}

    def spelling(text: str) -> str:
        notes = _ANNOTATION.findall(text)
        telling = [n for n in notes if (n.upper() not in own if own else _ddimer(n) is not None)]
        return _canonical_spelling(_ANNOTATION.sub("", text)) + "".join(telling)

    same = [known for known in accepted if spelling(known) == spelling(unit)]
    return same[0] if same else None


def _ddimer(unit: str) -> float | None:
    """What a unit of D-dimer counts in fibrinogen-equivalent ones; None where it does not say."""
    kinds = [note.upper().replace("-", "") for note in _ANNOTATION.findall(unit)]
    return next((_DDIMER[kind] for kind in kinds if kind in _DDIMER), None)


def conversions(variable: Variable) -> dict[str, list[float]]:
    """Factor and offset to the canonical unit, for each further unit that is accepted.

    As lists, which is what they are once read back from the model's JSON.
    """
    return {
        unit: list(linear_map(unit, variable.unit or "1", variable.molar_mass))
        for unit in variable.accepts
    }


def is_unit(text: str) -> bool:
    """Whether a piece of text is a unit, and not a number, a name or a remark."""
    if len(text) > 20 or not re.search(r"[A-Za-zµμ%]", text):
        return False
    try:
        _registry().parse_units(_split(text)[1])
    except Exception:  # on text of any kind pint fails in any way
        return False
    return True


def check_units(variable: Variable, file: Path) -> None:
    """Refuse a dictionary entry with a unit that is unknown or cannot be converted."""
    for unit in ([variable.unit] if variable.unit else []) + variable.accepts:
        try:
            # The canonical unit converts to itself by name: only parsing shows that it is known.
            _registry().parse_units(_split(unit)[1])
            linear_map(unit, variable.unit or "1", variable.molar_mass)
        except Exception as error:
            if not _is_unit_fault(error):
                raise
            raise InputError(
                f"unit '{unit}' cannot be converted to '{variable.unit}'",
                file=file,
                column=variable.name,
                expected="a unit of the same kind in UCUM spelling (mg/dL, 10*9/L, umol/L)",
                mend="correct the unit, or give molar_mass for mass-to-molar conversion",
            ) from None


def _is_unit_fault(error: Exception) -> bool:
    import tokenize

    import pint

    # pint raises these plain errors on text that it cannot parse.
    plain = (ValueError, AttributeError, TypeError, ArithmeticError, LookupError, SyntaxError)
    return isinstance(error, (pint.errors.PintError, tokenize.TokenError, *plain))
