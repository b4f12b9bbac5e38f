"""What a table source must fulfil as a whole: its map before reading, its cohort after."""

from __future__ import annotations

import pandas as pd

from pipeline.cohort.dictionary import Dictionary, Variable
from pipeline.config import Config, Outcome, Table, TableSource
from pipeline.errors import InputError

# A numeric outcome without a unit whose range spans no more steps than this is a grade.
_MOST_GRADES = 10
# Fewer cannot be split into folds that hold both classes; no figure of them means anything.
_FEWEST_PATIENTS = 20


def check_map(source: TableSource, config: Config, dictionary: Dictionary) -> None:
    """Refuse a map with unknown variables, one twice, no outcome, or an outcome as predictor.

    Raises
    ------
    InputError
        Naming the variable and the config.
    """
    origins: dict[str, str] = {}
    mapped = [(table.file, name) for table in source.tables for name in _names(table)]
    for origin, name in [*mapped, *(("constants", name) for name in source.constants)]:
        variable = dictionary[name]
        if variable.role == "id":
            raise InputError(
                f"'{name}' is mapped, but is filled from the 'key' of the first table",
                file=config.file,
                column=name,
                mend="leave it out",
            )
        if name in origins:
            raise InputError(
                f"'{name}' is mapped twice, in {origins[name]} and in {origin}",
                file=config.file,
                column=name,
                mend="keep one of the two",
            )
        origins[name] = origin
    _check_shared_columns(source, config, dictionary)
    for name, outcome in config.outcomes.items():
        variable = dictionary[outcome.column]
        if outcome.column not in origins:
            raise InputError(
                f"no table maps '{outcome.column}', the column of outcome '{name}'",
                file=config.file,
                column=outcome.column,
                mend="map it under 'columns' of one of the tables",
            )
        if variable.kind not in ("numeric", "binary"):
            raise InputError(
                f"outcome '{name}' is of kind {variable.kind}",
                file=config.file,
                column=outcome.column,
                expected="a numeric or binary variable that 'at_least' can be compared with",
                mend="recode it to numbers, and change its kind in the dictionary",
            )


def check_patients(cohort: pd.DataFrame, source: TableSource) -> None:
    """Refuse a cohort too small for any figure to mean something.

    Raises
    ------
    InputError
        With the number of patients.
    """
    if len(cohort) < _FEWEST_PATIENTS:
        raise InputError(
            f"holds {len(cohort)} patients",
            file=source.tables[0].file,
            expected=f"at least {_FEWEST_PATIENTS}",
            mend="add patients: on so few nothing can be estimated",
        )


def check_outcomes(cohort: pd.DataFrame, config: Config, dictionary: Dictionary) -> None:
    """Refuse outcomes out of range, between grades, missing, or the same in all patients.

    Raises
    ------
    InputError
        Naming the column, the number of patients and the outcome.
    """
    files = _files(config)
    for name in map(str, cohort.columns):
        check_values(cohort[name], dictionary[name], config, files.get(name))
    for name, outcome in config.outcomes.items():
        values, file = cohort[outcome.column], files.get(outcome.column)
        missing = int(values.isna().sum())
        if missing:
            raise InputError(
                f"{missing} of {len(values)} patients have no value of '{outcome.column}', and "
                f"outcome '{name}' needs it",
                file=file,
                column=outcome.column,
                expected="an outcome for each patient of the first table",
                mend="leave these patients out of the first table, or, where an empty cell "
                "means that nothing happened, recode it: 'recode: {\"\": 0}'",
            )
        _check_classes(values, name, outcome, file)


def check_values(values: pd.Series, variable: Variable, config: Config, file: str | None) -> None:
    """Refuse values of an outcome that are out of range or between grades.

    Parameters
    ----------
    values : Series of float
        NaN where not known.
    variable : Variable
        One that is no outcome is left alone.
    config : Config
        Whose outcomes say what is a grade.
    file : str or None
        For messages.

    Raises
    ------
    InputError
        Naming the column and the number of patients, never a value.
    """
    if variable.role != "outcome":
        return
    limits = (0.0, 1.0) if variable.kind == "binary" else variable.range
    if limits and variable.kind in ("numeric", "binary"):
        _check_range(values, variable.name, limits, file)
    if _is_grade(variable, config):
        _check_whole(values, variable, file)


def _check_shared_columns(source: TableSource, config: Config, dictionary: Dictionary) -> None:
    """Refuse a column that is read both as what happened afterwards and as a baseline value."""
    readers: dict[tuple[str, str | int, str], list[Variable]] = {}
    for table in source.tables:
        for name, read in table.columns.items():
            place = (table.file, table.sheet, read.column)
            readers.setdefault(place, []).append(dictionary[name])
    for (file, _, column), variables in readers.items():
        after = [v for v in variables if v.role == "outcome" or v.timing == "post"]
        before = [v for v in variables if v not in after]
        if after and before:
            raise InputError(
                f"'{column}' of {file} is mapped to '{after[0].name}', known only after infusion, "
                f"and to '{before[0].name}', a baseline variable",
                file=config.file,
                column=column,
                expected="a column of its own for each: else the outcome would predict itself",
                mend=f"correct the column of '{before[0].name}', or leave that variable out",
            )


def _is_grade(variable: Variable, config: Config) -> bool:
    """Whether an outcome counts in whole steps: a few of them, and thresholds on the steps."""
    if variable.kind != "numeric" or variable.unit or variable.range is None:
        return False
    low, high = variable.range
    limits = [o.at_least for o in config.outcomes.values() if o.column == variable.name]
    whole = all(float(x).is_integer() for x in (low, high, *limits))
    return bool(limits) and high - low <= _MOST_GRADES and whole


def _check_whole(values: pd.Series, variable: Variable, file: str | None) -> None:
    assert variable.range is not None
    low, high = variable.range
    between = int((values.notna() & (values % 1 != 0)).sum())
    if between:
        raise InputError(
            f"{between} of {int(values.notna().sum())} values of '{variable.name}' lie between "
            "two grades",
            file=file,
            column=variable.name,
            expected=f"whole grades from {low:g} to {high:g}",
            mend="correct the grades in the table, or recode each to a whole grade under 'recode'",
        )


def _check_range(
    values: pd.Series, name: str, limits: tuple[float, float], file: str | None
) -> None:
    low, high = limits
    outside = int(((values < low) | (values > high)).sum())
    if outside:
        raise InputError(
            f"{outside} of {int(values.notna().sum())} values of '{name}' are outside its range",
            file=file,
            column=name,
            expected=f"values from {low:g} to {high:g}",
            mend="correct the table; a code for what is not known, such as 9, is to be empty, or "
            "null under 'recode' of a config",
        )


def _check_classes(values: pd.Series, name: str, outcome: Outcome, file: str | None) -> None:
    events = int((values >= outcome.at_least).sum())
    if events in (0, len(values)):
        raise InputError(
            f"outcome '{name}' has one class only: {events} of {len(values)} patients reach "
            f"{outcome.at_least:g}",
            file=file,
            column=outcome.column,
            expected="patients with the outcome and patients without",
            mend="remove the outcome from the config, or correct 'at_least' or the column map",
        )


def _names(table: Table) -> list[str]:
    return [*table.columns, *table.variables]


def _files(config: Config) -> dict[str, str]:
    """Which file holds each mapped variable."""
    assert isinstance(config.source, TableSource)
    return {name: table.file for table in config.source.tables for name in _names(table)}
