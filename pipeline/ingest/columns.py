"""One raw column in, the canonical values of one variable out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.cohort.dictionary import Variable
from pipeline.cohort.units import is_unit, to_canonical
from pipeline.errors import InputError, UnitError, did_you_mean
from pipeline.ingest.cells import as_numbers, as_text, is_number

_TRUTH = {"0": 0.0, "1": 1.0, "false": 0.0, "true": 1.0, "no": 0.0, "yes": 1.0}
_CENSORED = r"^(?P<sign><=|>=|<|>|≤|≥)\s*(?P<limit>.+)$"
_SHOWN_LEVELS = 12


@dataclass(frozen=True)
class Column:
    """Canonical values of one variable, and what reading did to each.

    Attributes
    ----------
    values : Series of float, or of str for categorical and text variables
        Missing values are NaN.
    censored : Series of int
        -1 where the source says "below" the value, +1 where "above", else 0.
    recoded : Series of bool
    converted : bool
        Whether a unit conversion changed the values.
    """

    values: pd.Series
    censored: pd.Series
    recoded: pd.Series
    converted: bool = False


@dataclass(frozen=True)
class Reading:
    """How the cells of one column are to be read, and what messages call it.

    Attributes
    ----------
    file, column : str
        Named in messages.
    missing : sequence of str
        Cells that stand for nothing; empty ones always do.
    decimal : str
        Decimal sign of numbers written as text.
    recode : mapping
        From the text of a cell to what it means. It goes before ``missing``, so that a
        column may give an empty cell a meaning of its own.
    """

    file: str | Path
    column: str
    missing: Sequence[str] = ()
    decimal: str = "."
    recode: Mapping[str, str | float | None] | None = None

    def fault(self, problem: str, *, expected: str, mend: str) -> InputError:
        """Return the error that names this column."""
        return InputError(problem, file=self.file, column=self.column, expected=expected, mend=mend)


def read_column(
    cells: pd.Series, variable: Variable, reading: Reading, unit: str | pd.Series | None = None
) -> Column:
    """Express the raw cells of a column in what the dictionary says of the variable.

    Parameters
    ----------
    cells : Series
        As the file holds them, of any dtype.
    variable : Variable
        Its kind says what is read: numbers, 0/1, levels or text.
    reading : Reading
        The config's instructions for the column.
    unit : str or Series of str, optional
        Unit of all cells, or of each; the canonical unit where absent. Only numeric
        variables have one.

    Raises
    ------
    InputError
        If cells are of another kind than the variable, outside its levels, or infinite.
    UnitError
        If a unit is not accepted for the variable.
    """
    if isinstance(unit, str) and variable.kind != "numeric":
        raise reading.fault(
            f"a unit ('{unit}') is stated for '{variable.name}', which is {variable.kind}",
            expected="units of numeric variables only",
            mend="leave 'unit' out",
        )
    cells, recoded = _recode(cells, reading)
    if variable.kind in ("categorical", "text"):
        text = _without_missing(as_text(cells, reading.decimal), reading)
        text = _in_its_case(text, variable)
        _check_levels(text, variable, reading)
        return Column(text, pd.Series(0, index=cells.index), recoded)
    if variable.kind == "binary":
        return Column(_read_binary(cells, reading), pd.Series(0, index=cells.index), recoded)
    numbers, censored = read_numbers(cells, reading, may_be_censored=variable.role != "outcome")
    values = _to_canonical(numbers, variable, unit, reading)
    converted = not np.array_equal(values, numbers, equal_nan=True)
    return Column(values, censored, recoded, converted)


def _recode(cells: pd.Series, reading: Reading) -> tuple[pd.Series, pd.Series]:
    if not reading.recode:
        return cells, pd.Series(False, index=cells.index)
    recode = {_plain(key): value for key, value in reading.recode.items()}
    text = as_text(cells, reading.decimal)
    hit = text.fillna("").isin(list(recode))
    meant = text.fillna("")[hit].map({k: _cell(v, reading.decimal) for k, v in recode.items()})
    replaced = text.astype(object)
    replaced[hit] = meant.astype(object)
    # An empty text that was left alone, or recoded to nothing, is missing either way.
    return replaced.astype("str"), hit


def _cell(value: str | float | None, decimal: str) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value!r}".replace(".", decimal)


def _plain(token: str) -> str:
    """Return a token of the config as ``as_text`` would write the same cell."""
    return str(as_text(pd.Series([token], dtype="str")).fillna("").iloc[0])


def _without_missing(cells: pd.Series, reading: Reading) -> pd.Series:
    tokens = [_plain(token) for token in reading.missing]
    if pd.api.types.is_numeric_dtype(cells):
        return cells.mask(cells.isin([float(token) for token in tokens if is_number(token)]))
    return cells.mask(cells.isin(tokens))


def read_numbers(
    cells: pd.Series,
    reading: Reading,
    *,
    may_be_censored: bool,
    what: str = "values",
    expected: str = "numbers",
    mend: str = "recode the text under 'recode', or list what stands for no value under 'missing'",
) -> tuple[pd.Series, pd.Series]:
    """Read a column of numbers.

    Parameters
    ----------
    cells, reading
        As for ``read_column``.
    may_be_censored : bool
        Whether ``<0.25`` and ``>2000`` are read as their limits or refused as text.
    what, expected, mend : str
        What messages on text call the cells, and what they ask for.

    Returns
    -------
    numbers : Series of float
    censored : Series of int
        -1 where the number is an upper limit (``<``), +1 where a lower one, else 0.

    Raises
    ------
    InputError
        If cells hold text or infinite numbers.
    """
    censored = pd.Series(0, index=cells.index)
    if pd.api.types.is_numeric_dtype(cells) and not pd.api.types.is_bool_dtype(cells):
        numbers = _without_missing(cells.astype(float), reading)
    else:
        text = _without_missing(as_text(cells, reading.decimal), reading)
        numbers = as_numbers(text, reading.decimal)
        rest = text[numbers.isna() & text.notna()]
        if may_be_censored and len(rest):
            limits = rest.str.extract(_CENSORED)
            at_limit = as_numbers(limits["limit"].str.strip(), reading.decimal).dropna()
            numbers[at_limit.index] = at_limit
            below = limits.loc[at_limit.index, "sign"].isin(["<", "<=", "≤"])
            censored[at_limit.index] = np.where(below, -1, 1)
            rest = rest.drop(at_limit.index)
        if len(rest):
            problem = f"{len(rest)} of {int(text.notna().sum())} {what} are text"
            raise reading.fault(
                problem, expected=expected, mend=_other_decimal(rest, reading) or mend
            )
    infinite = int(np.isinf(numbers).sum())
    if infinite:
        raise reading.fault(
            f"{counted(infinite, 'value')} infinite",
            expected="finite numbers",
            mend="correct the table, or name the text that stands for them under 'missing'",
        )
    return numbers, censored


def _other_decimal(rest: pd.Series, reading: Reading) -> str | None:
    """Return what mends numbers written with the other decimal sign, if there are any."""
    other = "," if reading.decimal == "." else "."
    with_other_sign = int(rest.str.fullmatch(rf"[+-]?\d+[{other}]\d+").sum())
    if not with_other_sign:
        return None
    return (
        f"set 'decimal: \"{other}\"' for this table if that is its decimal sign "
        f"({counted(with_other_sign, 'value')} written so), else remove the signs between "
        "thousands"
    )


def _read_binary(cells: pd.Series, reading: Reading) -> pd.Series:
    text = _without_missing(as_text(cells, reading.decimal), reading)
    values = text.str.casefold().map(_TRUTH).astype(float)
    other = int((values.isna() & text.notna()).sum())
    if other:
        raise reading.fault(
            f"{other} of {int(text.notna().sum())} values are neither yes nor no",
            expected="0 or 1, true or false, yes or no",
            mend="say under 'recode' which text means 0 and which 1, or list it under 'missing'",
        )
    return values


def _in_its_case(text: pd.Series, variable: Variable) -> pd.Series:
    """Write levels as the dictionary does: LBCL for lbcl."""
    level_of = variable.level_of
    own = {cell: level_of.get(cell.casefold(), cell) for cell in text.dropna().unique()}
    if all(cell == level for cell, level in own.items()):
        return text
    return text.map(own).astype(text.dtype)


def _check_levels(text: pd.Series, variable: Variable, reading: Reading) -> None:
    if variable.levels is None:
        return
    outside = int((text.notna() & ~text.isin(variable.levels)).sum())
    if outside:
        # The text of the cells is a patient's and stays unsaid; that of a recode is not.
        written = [v for v in (reading.recode or {}).values() if isinstance(v, str)]
        wrong = [v for v in written if v not in variable.levels]
        said = [f", '{v}' of 'recode' among them{did_you_mean(v, variable.levels)}" for v in wrong]
        raise reading.fault(
            f"{outside} of {int(text.notna().sum())} values are no level of '{variable.name}'"
            + "".join(said[:1]),
            expected="one of " + _listed(variable.levels),
            mend="map them under 'recode', list them under 'missing', or add the level to the "
            "dictionary",
        )


def _to_canonical(
    numbers: pd.Series, variable: Variable, unit: str | pd.Series | None, reading: Reading
) -> pd.Series:
    if unit is None:
        return numbers
    if isinstance(unit, str):
        return pd.Series(_converted(numbers, variable, unit, reading), index=numbers.index)
    present = numbers.notna()
    silent = int((present & unit.isna()).sum())
    if silent and variable.unit:
        raise reading.fault(
            f"{counted(silent, 'value')} without a unit",
            expected="a unit in each row that holds a value",
            mend="complete the unit column, or state one 'unit' for these rows",
        )
    values = numbers.copy()
    for stated in unit[present].dropna().unique():
        rows = present & (unit == stated)
        values[rows] = _converted(numbers[rows], variable, stated, reading, from_table=True)
    return values


def _converted(
    numbers: pd.Series,
    variable: Variable,
    unit: str,
    reading: Reading,
    *,
    from_table: bool = False,
) -> np.ndarray:
    try:
        return to_canonical(numbers.to_numpy(), variable, unit)
    except UnitError as error:
        problem = error.problem
        # In a column of the table anything may stand: only what is a unit is shown.
        if from_table and not is_unit(unit):
            problem = f"the unit column holds no unit that '{variable.name}' accepts"
        if from_table:
            problem += f" ({counted(len(numbers), 'row')})"
        raise UnitError(
            problem,
            file=reading.file,
            column=reading.column,
            expected=error.expected,
            mend=error.mend,
        ) from None


def _listed(levels: Sequence[str]) -> str:
    more = f" and {len(levels) - _SHOWN_LEVELS} more" if len(levels) > _SHOWN_LEVELS else ""
    return ", ".join(levels[:_SHOWN_LEVELS]) + more


def counted(number: int, noun: str) -> str:
    """Return "1 row" or "3 rows"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
