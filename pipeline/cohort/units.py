"""Units: every value is stored in its variable's canonical unit, and checked on the way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import InputError, UnitError, did_you_mean

if TYPE_CHECKING:
    from pipeline.cohort.dictionary import Variable

# Factor and offset: canonical value = factor * value + offset.
Line = tuple[float, float]

# Spellings whose meaning is remembered; a caller may send any.
_REMEMBERED = 4096
_LOWERED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
# Spellings that laboratories use beside UCUM's, before pint reads them; in any case, which is
# the case-insensitive form of UCUM. The only place for spellings that are true of any variable.
_SPELLINGS = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"[µμ]", "u"),
        (r"[⁰¹²³⁴-⁹]+", lambda raised: "^" + raised[0].translate(_LOWERED)),
        (r"(?<![A-Z])mc(?=(g|L|mol|kat)(?![A-Z]))", "u"),
        (r"(?<![A-Z])(mm\^?3|cu\s?mm|cumm)(?![A-Z])", "uL"),
        (r"(?<![A-Z])([dmnu]?)l(?![A-Z])", r"\1L"),  # UCUM's litre is l or L
        (r"\[IU\]|(?<![A-Z])(IU|UI|units?)(?![A-Z])", "U"),
        # 10*9/L, x10^9/L, 10E9/L, x10(3)/uL: all are powers of ten
        (r"[x×]?\s*10\s*([*^]|E|\()(\d+)\)?", r"1e\2"),
        (r"^(K|thou|thousands?)\s*(?=/)", "1e3"),
        (r"^(giga|Gpt)\s*(?=/)", "1e9"),  # French and German laboratories
        (r"^1?\s*/\s*nL$", "1e9/L"),
        (r"\b(cells?|beats?)\b", ""),
        (r"^bpm$", "/min"),
        (r"^1\s*(?=/)", ""),
        (r"^(°|deg)?\s*C(el)?$", "degC"),
        (r"^(°|deg|\[deg)?\s*F\]?$", "degF"),
        (r"^%$", "percent"),
        (r"^fraction$", "1"),
        (r"^(a|y|yrs?|years?)$", "year"),
        (r"^(mo|months?)$", "month"),
        (r"^wk$", "week"),
        (r"^(d|days?)$", "day"),
        (r"mm\s?\[?Hg\]?", "mmHg"),
        (r"\bm\^?([23])\b", r"m**\1"),
    )
)
_ANNOTATION = re.compile(r"\{[^}]*\}")
# Annotations that state the quantity, by what one of them counts in the other: a D-dimer in
# D-dimer units is about half of it in fibrinogen-equivalent units.
_DDIMER = {"{FEU}": 1.0, "{DDU}": 2.0}
# What laboratories write after the unit, where UCUM has an annotation.
_WRITTEN_ANNOTATION = re.compile(r"\s*\(?(?<!\{)\b(FEU|DDU)\b(?!\})\)?", re.IGNORECASE)
# What numbers without a unit are given on their own: annotations of UCUM's examples, and words.
_UNITLESS = ("{inr}", "{score}", "{ratio}", "inr", "ratio", "score")


@cache
def _registry() -> Any:
    # Serving in canonical units needs no pint, so it is imported only here.
    import pint

    registry: Any = pint.UnitRegistry(autoconvert_offset_to_baseunit=True)
    registry.define("equivalent = mole = eq")  # as UCUM has it
    return registry


@lru_cache(_REMEMBERED)
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
        annotated = _ANNOTATION.search(unit) or _WRITTEN_ANNOTATION.search(unit)
        hint = "" if annotated else did_you_mean(unit, accepted)
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

    Another spelling of an accepted unit (µg/L or mcg/L for ug/L) is that unit. An annotation is
    passed over unless it states another quantity than the dictionary's unit does. Case counts
    only where it would tell accepted units apart: MG/DL is mg/dL, as no blood holds megagrams.
    """
    canonical = variable.unit or "1"
    accepted = [canonical, *variable.accepts]
    if unit in accepted:
        return unit
    if canonical == "1" and unit.strip().casefold() in _UNITLESS:
        return canonical
    own = {note.upper() for note in _ANNOTATION.findall(canonical)}

    def spelling(text: str) -> str:
        text = _WRITTEN_ANNOTATION.sub(lambda kind: f"{{{kind[1]}}}", text)
        notes = _ANNOTATION.findall(text)
        telling = [n for n in notes if (n.upper() not in own if own else _ddimer(n) is not None)]
        return _canonical_spelling(_ANNOTATION.sub("", text)) + "".join(telling)

    known = {text: spelling(text) for text in accepted}
    meant = spelling(unit)
    if "1e9/L" in known.values():
        meant = re.sub(r"^G(?=/L)", "1e9", meant)  # French: giga cells, where cells are counted
    same = [text for text, spelt in known.items() if spelt == meant]
    if not same and len(set(known.values())) == len({v.casefold() for v in known.values()}):
        same = [text for text, spelt in known.items() if spelt.casefold() == meant.casefold()]
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


def unit_lines(variable: Variable, carried: Mapping[str, Any]) -> dict[str, Line]:
    """Factor and offset of every unit that is accepted, the canonical one first.

    Parameters
    ----------
    variable : Variable
    carried : mapping
        Variable to what ``conversions`` gave when a model was trained; a variable that is not
        in it is converted anew.
    """
    others = carried.get(variable.name) or conversions(variable)
    return {variable.unit or "1": (1.0, 0.0)} | {u: (f, o) for u, (f, o) in others.items()}


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
