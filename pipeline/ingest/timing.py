"""Which values were measured before infusion: the day of each, and the baseline window."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.config import Window
from pipeline.ingest.cells import as_text
from pipeline.ingest.columns import Reading, counted, read_numbers

_DAYS = "days relative to infusion (infusion is day 0, the day before it -1)"
# Two separators make a date: 1.2.2020 is one, day 1.2 is not.
_DATE = r"^(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4})"


def read_days(cells: pd.Series, reading: Reading) -> pd.Series:
    """Read days relative to infusion, whole or in fractions.

    Parameters
    ----------
    cells : Series
        As the file holds them, of any dtype.
    reading : Reading
        Names the file and the day column; its ``missing`` and ``decimal`` apply.

    Returns
    -------
    Series of float
        Infusion is day 0, the day before it -1; NaN where no day is stated.

    Raises
    ------
    InputError
        If the column holds dates or other text.
    """
    dates = int(as_text(cells).str.match(_DATE).fillna(False).sum())
    if dates:
        raise reading.fault(
            f"{counted(dates, 'cell')} of the day column hold dates",
            expected=_DAYS,
            mend="subtract the date of infusion in the table",
        )
    return read_numbers(
        cells,
        reading,
        may_be_censored=False,
        what="days",
        expected=f"{_DAYS}, whole or in fractions",
        mend="correct the day column in the table, leave cells empty where no day is known, or "
        "list what stands for no day under 'missing'",
    )[0]


def inside_window(days: pd.Series, window: Window) -> pd.Series:
    """Return whether each day lies in the baseline window; an unknown day does not.

    Days are whole days: a value of day 0.4 was drawn on day 0 and one of day 1.2 on day 1.
    """
    return np.floor(days).between(window.first_day, window.last_day)
