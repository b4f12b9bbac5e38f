import numpy as np
import pandas as pd
import pytest

from pipeline.config import Table, Window
from pipeline.errors import InputError
from pipeline.ingest.long import read_long

ROWS = pd.DataFrame(
    [
        # patient, test, day, value, unit
        ("a", "IL-6", "-3", "1", "pg/mL"),
        ("a", "IL-6", "-1", "2", "pg/mL"),
        ("a", "IL-6", "2", "999", "pg/mL"),  # after infusion
        ("a", "CRP", "0", "5", "mg/L"),
        ("b", "IL-6", "0.6", "<4", "ng/mL"),  # on the day of infusion
        ("b", "IL-6", "-2", "8", "pg/mL"),
        ("c", "IL-6", "-1", "", "pg/mL"),  # the last day holds nothing
        ("c", "IL-6", "-5", "16", "pg/mL"),
        ("d", "IL-6", "", "32", "pg/mL"),  # day unknown
        ("e", "IL-6", "-40", "64", "pg/mL"),  # too early
        ("f", "IL-6", "-1", "128", "pg/mL"),
        ("f", "IL-6", "-1", "256", "pg/mL"),  # same day: the lower row counts
    ],
    columns=["id", "test", "day", "value", "unit"],
)


def read(dictionary, rows=ROWS, name="il6", day="day", row_units="unit", **source):
    table = Table(
        file="long.csv",
        key="id",
        long={"name": "test", "value": "value", "day": day, "unit": row_units},
        variables={name: {"rows": "IL-6", **source}},
    )
    return read_long(rows, rows["id"], dictionary[name], name, table, Window())


def test_the_last_value_inside_the_window_counts(dictionary):
    column, dropped = read(dictionary)
    # By hand: a day -1; b 4 ng/mL = 4000 pg/mL; c the last day with a value; d, e none.
    assert column.values.to_dict() == {"a": 2.0, "b": 4000.0, "c": 16.0, "f": 256.0}
    assert dropped == {"outside_window": 2, "undated": 1}
    assert column.censored["b"] == -1
    assert column.censored.abs().sum() == 1


def test_the_order_of_days_not_of_rows_decides(dictionary):
    different_days = ROWS[ROWS["id"] != "f"]
    expected, _ = read(dictionary, different_days)
    for seed in range(5):
        column, _ = read(dictionary, different_days.sample(frac=1, random_state=seed))
        pd.testing.assert_series_equal(
            column.values.sort_index(), expected.values.sort_index(), check_names=False
        )


def test_variables_known_after_infusion_have_no_window(dictionary):
    column, dropped = read(dictionary, name="post_peak_il6", rows=ROWS[ROWS["id"] == "a"])
    assert column.values.to_dict() == {"a": 999.0}
    assert dropped == {"outside_window": 0, "undated": 0}


def test_without_days_one_row_per_patient_is_taken(dictionary):
    column, _ = read(dictionary, rows=ROWS[ROWS["id"].isin(["d", "e"])], day=None)
    assert column.values.to_dict() == {"d": 32.0, "e": 64.0}


def test_without_days_several_rows_cannot_be_ordered(dictionary):
    rows = ROWS[ROWS["id"].isin(["d", "f"])]
    with pytest.raises(InputError, match="2 rows of 'IL-6' belong to patients with several") as e:
        read(dictionary, rows=rows, day=None)
    assert "'long: day'" in str(e.value)


def test_one_unit_for_all_rows(dictionary):
    rows = ROWS[ROWS["id"] == "d"]
    column, _ = read(dictionary, rows=rows.assign(day="0"), row_units=None, unit="ng/mL")
    assert column.values.to_dict() == {"d": 32000.0}


def test_recode_and_numbers_as_names(dictionary):
    rows = pd.DataFrame(
        {"id": ["a", "b"], "test": [3.0, 3.0], "value": ["neg", "2"], "day": [0, 0]}
    )
    table = Table(
        file="long.csv",
        key="id",
        long={"name": "test", "value": "value", "day": "day"},
        variables={"il6": {"rows": 3, "recode": {"neg": 0.5}}},
    )
    column, _ = read_long(rows, rows["id"], dictionary["il6"], "il6", table, Window())
    assert column.values.to_dict() == {"a": 0.5, "b": 2.0}
    assert column.recoded.to_dict() == {"a": True, "b": False}


def test_ten_thousand_rows_agree_with_a_loop(dictionary):
    rng = np.random.default_rng(1)
    rows = pd.DataFrame(
        {
            "id": rng.integers(0, 500, 10_000).astype(str),
            "test": rng.choice(["IL-6", "CRP"], 10_000),
            "day": np.round(rng.uniform(-40, 10, 10_000), 6),
            "value": np.round(rng.lognormal(size=10_000), 6),
            "unit": "pg/mL",
        }
    )
    expected = {}
    for row in rows.sort_values("day").itertuples():
        if row.test == "IL-6" and -30 <= np.floor(row.day) <= 0:
            expected[row.id] = row.value
    column, _ = read(dictionary, rows=rows)
    assert column.values.to_dict() == expected
