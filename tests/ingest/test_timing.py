import numpy as np
import pandas as pd
import pytest

from pipeline.config import Window
from pipeline.errors import InputError
from pipeline.ingest.columns import Reading
from pipeline.ingest.timing import inside_window, read_days

READING = Reading("labs.csv", "day", ["NA"])


@pytest.mark.parametrize(
    ("day", "inside"),
    [
        (0, True),
        (0.4, True),  # the morning of infusion
        (0.999, True),
        (1, False),
        (1.2, False),
        (-0.2, True),  # the evening before: day -1
        (-30, True),
        (-29.3, True),  # whole day -30
        (-30.1, False),  # whole day -31
        (np.nan, False),
    ],
)
def test_days_are_whole_days(day, inside):
    window = Window(first_day=-30, last_day=0)
    assert inside_window(pd.Series([day], dtype=float), window).tolist() == [inside]


def test_days_are_read_from_text_and_numbers():
    np.testing.assert_array_equal(
        read_days(pd.Series(["-1", " 0.5", "NA", "", "2"]), READING), [-1, 0.5, np.nan, np.nan, 2]
    )
    np.testing.assert_array_equal(read_days(pd.Series([-1.0, np.nan]), READING), [-1, np.nan])


@pytest.mark.parametrize(
    "cells",
    [
        pd.Series(["2021-03-04", "0"]),
        pd.Series(["4.3.2021", "1.2"]),
        pd.Series(["3/4/21", ""]),
        pd.to_datetime(pd.Series(["2021-03-04", None])),
    ],
)
def test_dates_are_no_days_since_infusion(cells):
    with pytest.raises(InputError, match=r"labs\.csv, column 'day': 1 cell of the day column") as e:
        read_days(cells, READING)
    assert "days relative to infusion" in str(e.value)


def test_other_text_is_counted():
    with pytest.raises(InputError, match="2 of 3 days are text"):
        read_days(pd.Series(["pre", "post", "1"]), READING)
