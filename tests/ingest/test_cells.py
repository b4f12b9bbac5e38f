import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.cells import as_numbers, as_text, is_number


@pytest.mark.parametrize("cell", [277, 277.0, "277", " 277", "277.0 ", "277.00", np.int64(277)])
def test_one_whole_number_has_one_text_in_every_kind_of_file(cell):
    assert as_text(pd.Series([cell], dtype=object)).tolist() == ["277"]


@pytest.mark.parametrize("text", ["007", "007.0", "1,000", "1.000,0", "2.50", "A-1", "1e3"])
def test_other_text_stays_as_it_stands(text):
    assert as_text(pd.Series([text])).tolist() == [text]


def test_mixed_columns_become_text_and_empty_cells_missing():
    cells = pd.Series([True, 1.5, None, np.nan, "", "  ", datetime.date(2020, 1, 2)], dtype=object)
    text = as_text(cells)
    assert text.dropna().tolist() == ["true", "1.5", "2020-01-02"]
    assert text.isna().sum() == 4


def test_typed_numbers_follow_the_decimal_sign_of_their_column():
    mixed = pd.Series([1.5, "2,5", 3], dtype=object)
    assert as_numbers(as_text(mixed, ","), ",").tolist() == [1.5, 2.5, 3.0]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_text_of_a_number_reads_back_as_the_same_number(value):
    text = as_text(pd.Series([value]))
    assert as_numbers(text).iloc[0] == value


@pytest.mark.parametrize("text", ["0x10", "1_000", "1,5", "12 mg", "nan", "--1", "1e", ".", "<5"])
def test_what_is_no_plain_number_is_not_read(text):
    assert as_numbers(pd.Series([text])).isna().all()
    assert not is_number(text)


@pytest.mark.parametrize("text", ["1.5", "1.234,5", "1.234"])
def test_a_point_is_refused_beside_a_decimal_comma(text):
    assert as_numbers(pd.Series([text]), ",").isna().all()


def test_infinite_numbers_are_seen_as_such():
    assert np.isinf(as_numbers(pd.Series(["inf", "-INF", "1e999"]))).all()
