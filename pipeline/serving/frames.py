"""Tables of raw columns, of any dtype and order, as the scorer's inputs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.cohort.dictionary import Dictionary, Variable
from pipeline.errors import InputError
from pipeline.features.encoder import Encoder, Inputs
from pipeline.ingest.cells import as_text


def inputs_of_frame(frame: pd.DataFrame, dictionary: Dictionary, encoder: Encoder) -> Inputs:
    """Take the model's variables from a frame.

    Parameters
    ----------
    frame : DataFrame
        One row per patient, columns of any dtype in any order, in the dictionary's units.
        Further columns are ignored; an absent one is missing throughout.
    dictionary : Dictionary
        The variables that the model reads.
    encoder : Encoder

    Returns
    -------
    Inputs
        Codes of a category are spelt as ``ingest`` spells them (1, 1.0 and "1" are one
        level, and so are LBCL and lbcl), and an empty cell of a category is missing.

    Raises
    ------
    InputError
        Where a column stands twice, a numeric column holds text, dates, truth values, or a
        category holds lists. Values are counted, never quoted.
    """
    n = len(frame)
    numbers = np.full((n, len(encoder.numbers)), np.nan, order="F")
    for at, name in enumerate(encoder.numbers):
        if name in frame:
            numbers[:, at] = _numbers(_once(frame, name), dictionary[name])
    codes = np.full((n, len(encoder.texts)), -1, order="F")
    levels: list[list[str]] = [[] for _ in encoder.texts]
    for at, name in enumerate(encoder.texts):
        if name in frame:
            codes[:, at], levels[at] = _text(_once(frame, name), dictionary[name])
    return Inputs(numbers, codes, levels)


def _once(frame: pd.DataFrame, name: str) -> pd.Series:
    column = frame[name]
    if isinstance(column, pd.DataFrame):
        raise InputError(
            f"stands {column.shape[1]} times",
            column=name,
            expected="each column once",
            mend="drop or rename the others",
        )
    return column


def _numbers(column: pd.Series, variable: Variable) -> np.ndarray:
    dtype = column.dtype
    if dtype == np.float64:
        return column.to_numpy()
    if variable.kind != "binary" and _holds_truth(column):
        raise InputError(
            "holds truth values",
            column=variable.name,
            expected=f"numbers in {variable.unit}" if variable.unit else "numbers",
            mend="convert the column, and give missing values as NaN or null",
        )
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


def _holds_truth(column: pd.Series) -> bool:
    if column.dtype == object:
        return any(isinstance(cell, bool | np.bool_) for cell in column)
    return pd.api.types.is_bool_dtype(column.dtype)


def _text(column: pd.Series, variable: Variable) -> tuple[np.ndarray, list[str]]:
    try:
        if not isinstance(column.dtype, pd.StringDtype):
            column = column.astype(object)
        codes, unique = pd.factorize(column)
        cells = np.asarray(unique, dtype=object)
    except TypeError:
        raise InputError(
            "holds lists or mappings", column=variable.name, expected="one value per patient"
        ) from None
    if not all(isinstance(cell, str) and cell == cell.strip() != "" for cell in cells):
        spelt = as_text(pd.Series(cells, dtype=object)).astype(object)
        missing = spelt.isna().to_numpy()
        # Position -1, the missing value's code, is the False at the end.
        codes = np.where(np.append(missing, False)[codes], -1, codes)
        cells = spelt.where(~missing, "").to_numpy()
    levels = variable.level_of
    return codes, [levels.get(text.casefold(), text) for text in map(str, cells)]
