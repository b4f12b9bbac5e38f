"""What is published about each therapy: attributes and CRS rates, one row a study."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pipeline.errors import InputError, did_you_mean

MODALITIES = (
    "car_t",
    "t_cell_engager",
    "tcr_t",
    "til",
    "checkpoint_inhibitor",
    "monoclonal_antibody",
)
_ALLOWED = {
    "modality": MODALITIES,
    "costimulation": ("CD28", "4-1BB", "none", "mixed"),
    "grading_system": ("ASTCT", "Lee2014", "Penn", "CTCAE", ""),
    "use": ("rate", "attributes"),
    "evidence": ("published", "assumed"),
}
_NUMERIC: dict[str, tuple[float, float]] = {
    "step_up": (0, 1),
    "patients": (1, float("inf")),
    "any_pct": (0, 100),
    "ge3_pct": (0, 100),
    "onset_days": (0, float("inf")),
    "duration_days": (0, float("inf")),
    "tocilizumab_pct": (0, 100),
    "steroid_pct": (0, 100),
}
_TEXT = (
    "therapy",
    "aliases",
    "target",
    "disease",
    "indication",
    "trial",
    "why_not",
    "source",
    "assumed_fields",
)
_ATTRIBUTES = ("modality", "target", "costimulation")


def read_therapies(path: Path) -> pd.DataFrame:
    """Read and check the table of therapies.

    Parameters
    ----------
    path : Path
        CSV with one row per therapy and study; ``data/README.md`` explains the columns.

    Returns
    -------
    DataFrame
        Text columns as ``str`` with empty strings where nothing is stated; numbers as
        float64, rates in per cent, NaN where unknown. Rows keep the order of the file.

    Raises
    ------
    InputError
        If a column is missing, a value is not one of those allowed, a rate lies outside
        0-100 or below the rate of a higher grade, one alias means two therapies, or the
        rows of one therapy contradict each other about what it is.
    """
    if not path.is_file():
        raise InputError(
            "no such file", file=path, mend="set 'therapy_prior.table' to a file that exists"
        )
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"not readable as CSV: {error}", file=path) from None
    known = [*_TEXT, *_ALLOWED, *_NUMERIC]
    for column in known:
        if column not in table.columns:
            raise InputError("column is missing", file=path, column=column)
    for column in table.columns:
        if column not in known:
            raise InputError(
                f"unknown column{did_you_mean(column, known)}", file=path, column=column
            )
    table = table.apply(lambda column: column.str.strip())
    _check_text(table, path)
    for column, limits in _NUMERIC.items():
        table[column] = _numbers(table[column], limits, path)
    _check_rates(table, path)
    _check_identity(table, path)
    return table


def canonical_names(values: pd.Series, therapies: pd.DataFrame) -> pd.Series:
    """Replace brands, short names and other spellings by the therapy's canonical name.

    Parameters
    ----------
    values : Series of str
        Therapies as a cohort spells them; missing values stay missing.
    therapies : DataFrame
        What `read_therapies` returned.

    Returns
    -------
    Series of str
        Same index. A name that the table does not know stays as it is.
    """
    names = _alias_map(therapies)
    folded = values.astype("str").str.strip().str.casefold()
    return folded.map(names).where(folded.isin(list(names)), values).astype("str")


def _alias_map(therapies: pd.DataFrame) -> dict[str, str]:
    names: dict[str, str] = {}
    for therapy, aliases in zip(therapies["therapy"], therapies["aliases"], strict=True):
        for alias in (therapy, *aliases.split(";")):
            if alias.strip():
                names[alias.strip().casefold()] = therapy
    return names


def _check_text(table: pd.DataFrame, path: Path) -> None:
    for column, allowed in _ALLOWED.items():
        wrong = sorted(set(table[column]) - set(allowed))
        if wrong:
            raise InputError(
                f"'{wrong[0]}' is not allowed",
                file=path,
                column=column,
                expected="one of " + ", ".join(a for a in allowed if a),
            )
    for column in ("therapy", "target", "source"):
        empty = int((table[column] == "").sum())
        if empty:
            raise InputError(f"is empty in {empty} row(s)", file=path, column=column)
    unexplained = int(((table["use"] == "attributes") & (table["why_not"] == "")).sum())
    if unexplained:
        raise InputError(
            f"'attributes' without a why_not in {unexplained} row(s)", file=path, column="use"
        )


def _numbers(column: pd.Series, limits: tuple[float, float], path: Path) -> pd.Series:
    numbers = pd.to_numeric(column.where(column != ""), errors="coerce").astype("float64")
    text = int((numbers.isna() & (column != "")).sum())
    if text:
        raise InputError(f"not a number in {text} row(s)", file=path, column=str(column.name))
    low, high = limits
    outside = int(((numbers < low) | (numbers > high)).sum())
    if outside:
        raise InputError(
            f"out of range in {outside} row(s)",
            file=path,
            column=str(column.name),
            expected=f"{low:g} to {high:g}" if high < float("inf") else f"at least {low:g}",
        )
    return numbers


def _check_rates(table: pd.DataFrame, path: Path) -> None:
    above = int((table["ge3_pct"] > table["any_pct"]).sum())
    if above:
        raise InputError(
            f"more CRS of grade 3 or higher than of any grade in {above} row(s)",
            file=path,
            column="ge3_pct",
            expected="at most any_pct",
        )
    without = int(((table["use"] == "rate") & table["any_pct"].isna()).sum())
    if without:
        raise InputError(
            f"empty in {without} row(s) with use 'rate'",
            file=path,
            column="any_pct",
            mend="give the rate in per cent, or set use to 'attributes' with a why_not",
        )


def _check_identity(table: pd.DataFrame, path: Path) -> None:
    meaning: dict[str, str] = {}
    for therapy, aliases in zip(table["therapy"], table["aliases"], strict=True):
        for alias in (therapy, *aliases.split(";")):
            key = alias.strip().casefold()
            if key and meaning.setdefault(key, therapy) != therapy:
                raise InputError(
                    f"'{alias.strip()}' names both '{meaning[key]}' and '{therapy}'",
                    file=path,
                    column="aliases",
                    expected="each name to mean one therapy",
                )
    for column in _ATTRIBUTES:
        counts = table.groupby("therapy", sort=False)[column].nunique()
        if (counts > 1).any():
            raise InputError(
                f"'{counts.index[counts > 1][0]}' has {int(counts.max())} different values",
                file=path,
                column=column,
                expected=f"one {column} for all rows of a therapy",
            )
