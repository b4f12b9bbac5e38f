"""Raw records as a service gets them: values with units and days, checked and converted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.cohort.dictionary import Dictionary, Variable
from pipeline.cohort.units import Line, accepted_unit, unit_lines
from pipeline.errors import InputError, did_you_mean
from pipeline.features.encoder import Encoder, Inputs
from pipeline.serving.verdict import Verdict

_KEYS = {"value", "unit", "day"}


@dataclass(frozen=True)
class _Field:
    """How a variable's value is read: where it goes, and the linear map of each unit."""

    variable: Variable
    at: int  # column of the numbers, or of the codes where it is text
    is_text: bool
    units: dict[str, Line]
    levels: dict[str, str]  # by their casefolded text


class RecordReader:
    """Reads records of one model.

    Parameters
    ----------
    dictionary : Dictionary
        The variables that the model reads.
    encoder : Encoder
    facts : dict
        Of the artifact: its ``conversions`` and ``scoring.window`` are used.
    """

    def __init__(self, dictionary: Dictionary, encoder: Encoder, facts: dict[str, Any]) -> None:
        self._encoder = encoder
        self._numbers = {name: at for at, name in enumerate(encoder.numbers)}
        carried = facts.get("conversions", {})
        self._first_day, self._last_day = facts["scoring"].get("window", (-30, 0))
        self._fields = {
            v.name: _Field(
                v,
                encoder.texts.index(v.name) if v.name in encoder.texts else self._numbers[v.name],
                v.name in encoder.texts,
                unit_lines(v, carried),
                v.level_of,
            )
            for v in dictionary
        }

    def read(self, records: Sequence[Mapping[str, Any]], verdict: Verdict) -> Inputs:
        """Read records into canonical values.

        Parameters
        ----------
        records : sequence of mapping
            Variable to its value in the dictionary's unit, or to
            ``{"value": …, "unit": …, "day": …}``: the unit in UCUM spelling, one that the
            dictionary accepts (empty: none stated); the day relative to infusion, which is
            day 0. Without a value, and with NaN for one, it is missing, whatever else is said
            of it. A level counts in any case.
        verdict : Verdict
            Gets a reason to abstain where a unit is not accepted or a value was measured
            after infusion, and a warning where one is too old and hence not used.

        Raises
        ------
        InputError
            Where a name is unknown or a value is of a wrong type; values are not quoted.
        """
        n = len(records)
        cells = [[np.nan] * len(self._encoder.numbers) for _ in range(n)]
        codes = [[-1] * len(self._encoder.texts) for _ in range(n)]
        levels: list[dict[str, int]] = [{} for _ in self._encoder.texts]
        numbers, fields = self._numbers, self._fields
        for row, record in enumerate(records):
            for name, given in record.items():
                if type(given) is float and name in numbers:  # nearly every value
                    cells[row][numbers[name]] = given
                    continue
                field = fields.get(name)
                if field is None:
                    raise self._unknown(name, row)
                if given is None:
                    continue
                unit = day = None
                if type(given) is not str and isinstance(given, Mapping):
                    if not given.keys() <= _KEYS:
                        raise self._fault("holds other keys than value, unit and day", name, row)
                    unit, day, given = given.get("unit"), given.get("day"), given.get("value")
                try:
                    value: Any = _text(given) if field.is_text else _number(given, field)
                except _UnreadableError as error:
                    raise self._fault(str(error), name, row) from None
                if value is None or value != value:
                    continue
                if day is not None and not self._in_window(day, name, row, verdict):
                    continue
                if unit is not None and unit != "":
                    line = field.units.get(unit) or _other_spelling(unit, field)
                    if line is None:
                        accepted = ", ".join(field.units)
                        verdict.abstain(
                            row,
                            f"'{name}' is in a unit that is not accepted (accepted: {accepted})",
                        )
                        continue
                    if not field.is_text:
                        value = value * line[0] + line[1]
                if field.is_text:
                    value = field.levels.get(value.casefold(), value)
                    codes[row][field.at] = levels[field.at].setdefault(value, len(levels[field.at]))
                else:
                    cells[row][field.at] = value
        return Inputs(
            np.array(cells, dtype=float).reshape(n, len(numbers)),
            np.array(codes, dtype=int).reshape(n, len(levels)),
            [list(of_text) for of_text in levels],
        )

    def _in_window(self, day: object, name: str, row: int, verdict: Verdict) -> bool:
        if isinstance(day, bool) or not isinstance(day, int | float) or day != day:
            raise self._fault("has a day that is no number", name, row)
        # Days are whole days, as at ingestion: day 0.4 is day 0.
        if day >= self._last_day + 1:
            verdict.abstain(row, f"'{name}' was measured after the infusion")
            return False
        if day < self._first_day:
            days = f"more than {-self._first_day} days before the infusion"
            verdict.warn(row, f"'{name}' was measured {days} and is not used")
            return False
        return True

    def _unknown(self, name: object, row: int) -> InputError:
        # A name may be anything; only one that resembles a variable's is worth repeating.
        hint = did_you_mean(str(name)[:60], self._fields)
        return InputError(
            f"record {row + 1} holds a variable that the model does not read{hint}",
            expected="names of the model's dictionary",
            mend="correct the name, or leave it out",
        )

    def _fault(self, problem: str, name: str, row: int) -> InputError:
        unit = self._fields[name].variable.unit
        number = not self._fields[name].is_text
        return InputError(
            f"record {row + 1} {problem}",
            column=name,
            expected=("a number" + (f" in {unit}" if unit else "")) if number else "text",
            mend="correct the value, or leave it out where it is missing",
        )


class _UnreadableError(Exception):
    """A value that is neither number nor text; says how, without the value."""


def _float(given: float) -> float:
    try:
        return float(given)
    except OverflowError:  # an integer beyond any float: infinite, which abstains
        return float("inf") if given > 0 else float("-inf")


def _number(given: object, field: _Field) -> float | None:
    if type(given) is float or type(given) is int:
        return _float(given)
    if given is None:
        return None
    if isinstance(given, bool | np.bool_) and field.variable.kind != "binary":
        raise _UnreadableError("holds a truth value")
    if isinstance(given, str):
        text = given.strip()
        if not text:
            return None
        try:
            # Python also reads 1_000, which no laboratory writes.
            if "_" not in text:
                return float(text)
        except ValueError:
            # Python's own message repeats the text, which is a patient's value.
            raise _UnreadableError("holds text") from None
        raise _UnreadableError("holds text")
    if isinstance(given, int | float | np.integer | np.floating | np.bool_):
        return _float(given)  # type: ignore[arg-type]
    raise _UnreadableError("holds no number")


def _text(given: object) -> str | None:
    """Spell as ``ingest`` does: 1, 1.0 and "1" are one level; empty text is missing."""
    if isinstance(given, str):
        return given.strip() or None
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, int | float):
        if given != given:
            return None
        return str(int(given)) if given == given // 1 else repr(given)
    if given is None:
        return None
    raise _UnreadableError("holds no text")


def _other_spelling(unit: object, field: _Field) -> Line | None:
    if not isinstance(unit, str) or len(unit) > 30:
        return None
    known = accepted_unit(unit, field.variable)
    return None if known is None else field.units[known]
