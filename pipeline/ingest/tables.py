"""The ``table`` source: files joined on the patient's key become one canonical cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.cohort.dictionary import Dictionary, Variable
from pipeline.config import Config, Table, TableSource
from pipeline.errors import InputError, did_you_mean
from pipeline.ingest.cells import as_text
from pipeline.ingest.checks import check_map, check_outcomes, check_patients
from pipeline.ingest.columns import Column, Reading, counted, read_column
from pipeline.ingest.files import check_file, digest, read_cells
from pipeline.ingest.long import read_long
from pipeline.ingest.public.cache import table_path
from pipeline.ingest.timing import inside_window, read_days


def read_tables(config: Config, dictionary: Dictionary) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read, join and check the files of a table source.

    The first table defines the patients; the others are joined to it on their keys. All is
    checked before anything is returned.

    Parameters
    ----------
    config : Config
        Its ``source`` is a ``TableSource``; ``window`` and ``outcomes`` are read too.
    dictionary : Dictionary
        Says what each variable is.

    Returns
    -------
    cohort : DataFrame
        One row per patient in the order of the first table: the id variable as text, then
        the mapped variables in the dictionary's order, in canonical units.
    report : dict
        What was read, converted, censored and dropped, in counts; JSON values without any
        value of a patient.

    Raises
    ------
    InputError
        If a file, a column, a cell or the cohort as a whole cannot be used.
    """
    source = config.source
    assert isinstance(source, TableSource)  # stages choose the reader by the source's kind
    check_map(source, config, dictionary)
    patients: pd.Index | None = None
    unmatched: set[str] = set()
    columns: dict[str, pd.Series] = {}
    files, variables = [], {}
    for table in source.tables:
        path = _located(table, config)
        frame = read_cells(
            path, separator=table.separator, sheet=table.sheet, obtain=_obtain(source)
        )
        files.append(
            {"file": path.name, "rows": len(frame), "columns": frame.shape[1]}
            | {"sha256": digest(path)}
        )
        _check_columns(frame, table)
        keys = _keys(frame, table)
        if patients is None:
            patients = pd.Index(keys.unique())
        known = keys.isin(patients)
        if not known.any():
            raise InputError(
                f"none of its {keys.nunique()} patients is in the first table "
                f"('{source.tables[0].file}')",
                file=table.file,
                column=table.key,
                expected="the same identifiers in both",
                mend="name the column that holds them as 'key' of each table",
            )
        unmatched |= set(keys[~known])
        for name in [*table.columns, *table.variables]:
            variable = dictionary[name]
            read = _from_long if table.long else _from_wide
            column, counts = read(frame[known], keys[known], variable, table, config)
            columns[name] = column.values.reindex(patients)
            variables[name] = (
                counts
                | {"canonical_unit": variable.unit}
                | _counts(column, columns[name], len(patients))
            )
    assert patients is not None  # the config has at least one table
    cohort = pd.DataFrame({dictionary.id_name: patients.astype("str")})
    for name in dictionary.names():
        if name in columns:
            cohort[name] = columns[name].to_numpy()
        elif name in source.constants:
            cohort[name] = _constant(
                dictionary[name], source.constants[name], config, len(patients)
            )
    check_patients(cohort, source)
    check_outcomes(cohort, config, dictionary)
    return cohort, {
        "kind": "table",
        "patients": len(cohort),
        "files": files,
        "variables": {name: variables[name] for name in cohort.columns if name in variables},
        "unmatched_patients": len(unmatched),
        "constants": dict(source.constants),
    }


def input_files(config: Config) -> list[Path]:
    """Return the files that ``read_tables`` would read, each once.

    Raises
    ------
    InputError
        If one is absent (with the source's ``obtain``) or no table.
    """
    source = config.source
    assert isinstance(source, TableSource)
    paths = list(dict.fromkeys(_located(table, config) for table in source.tables))
    for path in paths:
        check_file(path, obtain=_obtain(source))
    return paths


def _located(table: Table, config: Config) -> Path:
    path = config.path(table.file)
    assert isinstance(config.source, TableSource)
    if config.source.public is None or path.exists():
        return path
    fetched = table_path(config.source.public, path.name)
    return fetched if fetched.exists() else path


def _obtain(source: TableSource) -> str | None:
    if source.public is None:
        return source.obtain
    fetch = f"run 'python -m pipeline fetch {source.public}'"
    return f"{fetch}, or {source.obtain}" if source.obtain else fetch


def _check_columns(frame: pd.DataFrame, table: Table) -> None:
    needed = {table.key: "key"}
    for name, source in table.columns.items():
        needed[source.column] = f"'column' of {name}"
        if source.day is not None:
            needed[source.day] = f"'day' of {name}"
    if table.long is not None:
        for part, column in table.long.model_dump(exclude_none=True).items():
            needed[column] = f"'{part}' under 'long'"
    for column, role in needed.items():
        if column not in frame.columns:
            raise InputError(
                f"no such column{did_you_mean(column, map(str, frame.columns))}",
                file=table.file,
                column=column,
                expected="one of the columns of the file",
                mend=f"correct {role} in the config",
            )


def _keys(frame: pd.DataFrame, table: Table) -> pd.Series:
    keys = as_text(frame[table.key])
    keys = keys.mask(keys.isin(table.missing))
    empty = int(keys.isna().sum())
    if empty:
        raise InputError(
            f"the key is empty in {counted(empty, 'row')}",
            file=table.file,
            column=table.key,
            expected="the patient's identifier in each row",
            mend="complete the identifiers, or remove the rows",
        )
    repeated = int(keys.duplicated(keep=False).sum())
    if repeated and table.long is None:
        raise InputError(
            f"duplicate patient: {keys[keys.duplicated()].nunique()} identifiers stand in "
            f"{repeated} rows",
            file=table.file,
            column=table.key,
            expected="one row per patient",
            mend="keep one row per patient, or read the table as 'long'",
        )
    return keys


def _from_wide(
    frame: pd.DataFrame, keys: pd.Series, variable: Variable, table: Table, config: Config
) -> tuple[Column, dict[str, Any]]:
    source = table.columns[variable.name]
    reading = Reading(table.file, source.column, table.missing, table.decimal, source.recode)
    column = read_column(frame[source.column], variable, reading, source.unit)
    counts: dict[str, Any] = {
        "source": f"{Path(table.file).name}: {source.column}",
        "unit": source.unit or variable.unit,
        "long": False,
        "dated": source.day is not None,
        "outside_window": 0,
        "undated": 0,
    }
    values = column.values
    if source.day is not None and variable.timing == "baseline":
        day_reading = Reading(table.file, source.day, table.missing, table.decimal)
        days = read_days(frame[source.day], day_reading)
        inside = inside_window(days, config.window)
        dropped = values.notna() & ~inside
        counts["outside_window"] = int((dropped & days.notna()).sum())
        counts["undated"] = int((dropped & days.isna()).sum())
        values = values.where(inside)
    by_patient = pd.Index(keys)
    return Column(
        values.set_axis(by_patient),
        column.censored.set_axis(by_patient),
        column.recoded.set_axis(by_patient),
        column.converted,
    ), counts


def _from_long(
    frame: pd.DataFrame, keys: pd.Series, variable: Variable, table: Table, config: Config
) -> tuple[Column, dict[str, Any]]:
    assert table.long is not None
    source = table.variables[variable.name]
    column, dropped = read_long(frame, keys, variable, variable.name, table, config.window)
    per_row = table.long.unit is not None and variable.kind == "numeric"
    return column, {
        "source": f"{Path(table.file).name}: {source.rows} in {table.long.name}",
        "unit": f"as in column '{table.long.unit}'" if per_row else source.unit or variable.unit,
        "long": True,
        "dated": table.long.day is not None,
        **dropped,
    }


def _counts(column: Column, values: pd.Series, patients: int) -> dict[str, Any]:
    kept = column.values.notna()
    present = int(values.notna().sum())
    return {
        "present": present,
        "missing": patients - present,
        "censored_low": int((column.censored[kept] < 0).sum()),
        "censored_high": int((column.censored[kept] > 0).sum()),
        "recoded": int(column.recoded.sum()),
        "converted": column.converted,
    }


def _constant(variable: Variable, value: str | float, config: Config, patients: int) -> pd.Series:
    reading = Reading(config.file, f"source.constants.{variable.name}")
    cell = pd.Series([value], dtype=object)
    constant = read_column(cell, variable, reading).values
    if constant.isna().any():
        raise reading.fault("is empty", expected="a value", mend="state it, or leave it out")
    return pd.Series(constant.repeat(patients).to_numpy())
