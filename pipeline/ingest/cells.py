"""Cells as text and as numbers, the same whichever kind of file held them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_INFINITE = r"[+-]?(?:inf|infinity)"
# 277.0 in one file is 277 in another; 007 is not 7, because zeros in front identify.
_WHOLE = {".": r"-?(?:0|[1-9]\d*)\.0+", ",": r"-?(?:0|[1-9]\d*),0+"}


def as_text(cells: pd.Series, decimal: str = ".") -> pd.Series:
    """Express cells as text without surrounding blanks; empty cells are missing.

    Whole numbers have no fraction (``277``, ``277.0`` and ``" 277"`` are the same text),
    zeros in front of text are kept, truth values are ``true`` and ``false``.

    Parameters
    ----------
    cells : Series
        Of any dtype, mixed ones included.
    decimal : str
        The decimal sign that numbers get, so that a column mixing typed numbers with text
        follows one convention.

    Returns
    -------
    Series of str
    """
    is_text = isinstance(cells.dtype, pd.StringDtype)
    text = (cells.astype("str") if is_text else _typed_as_text(cells, decimal)).str.strip()
    text = text.mask(text == "")
    whole = text.str.fullmatch(_WHOLE[decimal]).fillna(False).astype(bool)
    if whole.any():
        text[whole] = text[whole].str.split(decimal, regex=False).str[0]
    return text


def as_numbers(text: pd.Series, decimal: str = ".") -> pd.Series:
    """Read text as numbers; what is no number is NaN.

    With a decimal comma a point is refused, as it would mark thousands there (and the
    other way round): 1.234 must not be read as 1234, nor 1,234 as 1.234.

    Parameters
    ----------
    text : Series of str
    decimal : str
        ``.`` or ``,``.

    Returns
    -------
    Series of float
        Infinite where the text says so (``inf``) or exceeds what a float holds.
    """
    pattern = _NUMBER.replace(r"\.", ",") if decimal == "," else _NUMBER
    readable = text.str.fullmatch(f"{pattern}|{_INFINITE}", case=False).fillna(False).astype(bool)
    numbers = text.where(readable)
    if decimal == ",":
        numbers = numbers.str.replace(",", ".", regex=False)
    # Python's own conversion is exact to the last digit, pandas' faster one is not always.
    return pd.Series(
        numbers.to_numpy(dtype=object, na_value=np.nan).astype(float), index=text.index
    )


def is_number(text: str) -> bool:
    """Whether one piece of text is a finite number with a decimal point."""
    return re.fullmatch(_NUMBER, text.strip()) is not None


def _typed_as_text(cells: pd.Series, decimal: str) -> pd.Series:
    text = cells.astype(object).map(lambda cell: _plain(cell, decimal), na_action="ignore")
    return text.astype("str")


def _plain(cell: object, decimal: str) -> str:
    if isinstance(cell, bool | np.bool_):
        return str(cell).lower()
    if isinstance(cell, float | np.floating):
        if float(cell).is_integer():
            return str(int(cell))
        return repr(float(cell)).replace(".", decimal)
    return str(cell)
