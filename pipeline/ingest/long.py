"""Long tables, one row per patient and measurement: the last value inside the window."""

from __future__ import annotations

import pandas as pd

from pipeline.cohort.dictionary import Variable
from pipeline.config import LongRows, LongSource, Table, Window
from pipeline.errors import InputError, did_you_mean
from pipeline.ingest.cells import as_text
from pipeline.ingest.columns import Column, Reading, counted, read_column
from pipeline.ingest.timing import inside_window, read_days


def read_long(
    frame: pd.DataFrame,
    keys: pd.Series,
    variable: Variable,
    name: str,
    table: Table,
    window: Window,
) -> tuple[Column, dict[str, int]]:
    """Pivot the rows of one kind to one value per patient.

    The last value counts: of the rows that hold a value and, for a baseline variable, lie
    inside the window, the one with the latest day; of several on that day, the lowest in
    the file.

    Parameters
    ----------
    frame : DataFrame
        The raw rows of the table.
    keys : Series of str
        The patient of each row.
    variable : Variable
        What the rows become.
    name : str
        Key of ``table.variables`` that says which rows.
    table : Table
    window : Window

    Returns
    -------
    Column
        Indexed by patient; patients without a value are absent.
    dict of str to int
        ``outside_window`` and ``undated``: values dropped for their day.

    Raises
    ------
    InputError
        If no row is of this kind, a value or unit cannot be read, a unit is stated twice,
        or a patient has several values and no column says their days.
    """
    assert table.long is not None  # the config holds 'long' wherever it holds 'variables'
    columns, source = table.long, table.variables[name]
    rows = _rows_of(frame[columns.name], keys, source, columns, table)
    reading = Reading(
        table.file, columns.value, table.missing, table.decimal, source.recode or None
    )
    unit = _units(frame.loc[rows], columns, source, variable, table)
    column = read_column(frame.loc[rows, columns.value], variable, reading, unit)
    present = column.values.notna()
    if columns.day is None:
        several = int(keys[rows][present].duplicated(keep=False).sum())
        if several:
            raise InputError(
                f"{counted(several, 'row')} of '{source.rows}' belong to patients with several",
                file=table.file,
                expected="a day for each row, or one row per patient",
                mend="name the column of days under 'long: day'",
            )
        chosen, dropped = present, {"outside_window": 0, "undated": 0}
        order = keys[rows][chosen]
    else:
        day_reading = Reading(table.file, columns.day, table.missing, table.decimal)
        days = read_days(frame.loc[rows, columns.day], day_reading)
        counts = variable.timing == "baseline"
        inside = inside_window(days, window) if counts else pd.Series(True, index=days.index)
        dropped = {
            "outside_window": int((present & ~inside & days.notna()).sum()),
            "undated": int((present & ~inside & days.isna()).sum()),
        }
        chosen = present & inside
        by_day = days[chosen].sort_values(kind="stable", na_position="first")
        order = keys[by_day.index]
    last = order[~order.duplicated(keep="last")]

    def per_patient(of_rows: pd.Series) -> pd.Series:
        return of_rows[last.index].set_axis(pd.Index(last))

    return (
        Column(
            per_patient(column.values),
            per_patient(column.censored),
            per_patient(column.recoded),
            column.converted,
        ),
        dropped,
    )


def _rows_of(
    names: pd.Series, keys: pd.Series, source: LongSource, columns: LongRows, table: Table
) -> pd.Index:
    text = as_text(names)
    rows = text.index[text == source.rows.strip()]
    if rows.empty:
        # A name that several patients share is a measurement's, never a patient's.
        shared = keys.groupby(text).nunique()
        known = [str(name) for name in shared.index[shared > 1]]
        raise InputError(
            f"no row is named '{source.rows}'{did_you_mean(source.rows, known)}",
            file=table.file,
            column=columns.name,
            mend="correct 'rows' of this variable, or the name column under 'long'",
        )
    return rows


def _units(
    frame: pd.DataFrame, columns: LongRows, source: LongSource, variable: Variable, table: Table
) -> str | pd.Series | None:
    if columns.unit is None or variable.kind != "numeric":
        return source.unit
    if source.unit is not None:
        raise InputError(
            f"the unit of '{variable.name}' is stated twice: '{source.unit}', and in each row",
            file=table.file,
            column=columns.unit,
            mend="leave out 'unit' of the variable, or 'unit' under 'long'",
        )
    return as_text(frame[columns.unit])
