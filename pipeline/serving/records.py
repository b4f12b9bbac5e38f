"""Raw records as a service gets them: checked, and typed as ``ingest`` types a cohort."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.cohort.dictionary import Dictionary, Variable
from pipeline.errors import InputError
from pipeline.ingest.cells import as_text


def typed_records(frame: pd.DataFrame, dictionary: Dictionary) -> pd.DataFrame:
    """Take the dictionary's columns from a frame, numbers as float64 and categories as text.

    Parameters
    ----------
    frame : DataFrame
        One row per patient, columns of any dtype in any order.
    dictionary : Dictionary
        The variables that the model reads.

    Returns
    -------
    DataFrame
        With the frame's index and those of the dictionary's columns that it holds. Codes of a
        category are spelt as ``ingest`` spells them (1, 1.0 and "1" are one level), and an
        empty cell of a category is missing.

    Raises
    ------
    InputError
        Where a column stands twice, a numeric column holds text, dates or the like, or a
        category holds lists. Values are counted, never quoted.
    """
    columns = {}
    for variable in dictionary:
        if variable.name not in frame:
            continue
        column = frame[variable.name]
        if isinstance(column, pd.DataFrame):
            raise InputError(
                f"stands {column.shape[1]} times",
                column=variable.name,
                expected="each column once",
                mend="drop or rename the others",
            )
        as_typed = _text if variable.kind == "categorical" else _numbers
        columns[variable.name] = as_typed(column, variable)
    return pd.DataFrame(columns, index=frame.index)


def _numbers(column: pd.Series, variable: Variable) -> np.ndarray:
    dtype = column.dtype
    if pd.api.types.is_numeric_dtype(dtype) and dtype.kind != "c":
        return column.to_numpy(dtype=float, na_value=np.nan)
    if dtype.kind in "mMc" or isinstance(dtype, pd.PeriodDtype | pd.IntervalDtype):
        found = pd.Series(np.nan, index=column.index)
    else:
        try:
            found = pd.to_numeric(column, errors="coerce")
        except (OverflowError, TypeError, ValueError):  # an integer beyond any float, say
            found = pd.Series(np.nan, index=column.index)
        if found.dtype.kind == "c":
            found = pd.Series(np.nan, index=column.index)
    wrong = int((found.isna() & column.notna()).sum())
    if wrong:
        raise InputError(
            "1 value is no number" if wrong == 1 else f"{wrong} values are no numbers",
            column=variable.name,
            expected=f"numbers in {variable.unit}" if variable.unit else "numbers",
            mend="convert the column, and give missing values as NaN or null",
        )
    return found.to_numpy(dtype=float, na_value=np.nan)


def _text(column: pd.Series, variable: Variable) -> np.ndarray:
    try:
        codes, cells = pd.factorize(column.astype(object).to_numpy(dtype=object))
    except TypeError:
        raise InputError(
            "holds lists or mappings", column=variable.name, expected="one value per patient"
        ) from None
    if not all(isinstance(cell, str) and cell == cell.strip() != "" for cell in cells):
        spelt = as_text(pd.Series(cells, dtype=object)).astype(object)
        cells = spelt.where(spelt.notna(), None).to_numpy()
    # Position -1, the missing value's code, is the None at the end.
    return np.append(np.asarray(cells, dtype=object), [None])[codes]
