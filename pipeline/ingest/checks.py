"""What a table source must fulfil as a whole: its map before reading, its cohort after."""

from __future__ import annotations

import pandas as pd

from pipeline.cohort.dictionary import Dictionary, Variable
from pipeline.config import Config, Outcome, Table, TableSource
from pipeline.errors import InputError

# Fewer cannot be split into folds that hold both classes; no figure of them means anything.
_FEWEST_PATIENTS = 20


def check_map(source: TableSource, config: Config, dictionary: Dictionary) -> None:
    """Refuse a column map that names unknown variables, one twice, or no outcome.

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
    """Refuse outcomes that are out of range, missing, or the same in all patients.

    Raises
    ------
    InputError
        Naming the column, the number of patients and the outcome.
    """
    files = _files(config)
    for name in cohort.columns:
        variable = dictionary[str(name)]
        if variable.role == "outcome" and variable.kind == "numeric" and variable.range:
            _check_range(cohort[name], variable, files.get(variable.name))
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


def _check_range(values: pd.Series, variable: Variable, file: str | None) -> None:
    assert variable.range is not None
    low, high = variable.range
    outside = int(((values < low) | (values > high)).sum())
    if outside:
        raise InputError(
            f"{outside} of {int(values.notna().sum())} values of '{variable.name}' are outside "
            "its range",
            file=file,
            column=variable.name,
            expected=f"values from {low:g} to {high:g}",
            mend="correct the table, or recode a code such as 9 to null under 'recode'",
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
