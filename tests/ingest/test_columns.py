import numpy as np
import pandas as pd
import pytest

from pipeline.cohort.dictionary import Dictionary
from pipeline.errors import InputError, UnitError
from pipeline.ingest.columns import Reading, read_column


@pytest.fixture
def dictionary(dictionary):
    """The project's dictionary and one more binary variable."""
    flag = dictionary["prior_car_t"].model_copy(update={"name": "bridging_flag"})
    return Dictionary([*dictionary, flag], dictionary.file)


def reading(**changes):
    return Reading("labs.csv", "LAB", **{"missing": ["NA", "-99"], **changes})


def values(cells, variable, unit=None, **changes):
    return read_column(pd.Series(cells), variable, reading(**changes), unit).values.tolist()


def test_crp_in_mg_per_dl_becomes_mg_per_l(dictionary):
    column = read_column(pd.Series(["1.2", "NA", "30"]), dictionary["crp"], reading(), "mg/dL")
    np.testing.assert_allclose(column.values, [12, np.nan, 300])
    assert column.converted


def test_without_a_unit_values_are_canonical(dictionary):
    column = read_column(pd.Series([12.5]), dictionary["crp"], reading())
    assert column.values.tolist() == [12.5]
    assert not column.converted


@pytest.mark.parametrize("cells", [["5", "-99", "-99.0", "NA", ""], [5.0, -99.0, np.nan]])
def test_missing_tokens_hold_for_text_and_for_typed_numbers(dictionary, cells):
    read = pd.Series(values(cells, dictionary["crp"]))
    assert read.dropna().tolist() == [5.0]


def test_censored_values_are_taken_at_the_limit_and_counted(dictionary):
    cells = ["<0.25", "> 2000", "≤0.5", ">=100", "7"]
    column = read_column(pd.Series(cells), dictionary["il6"], reading(), "ng/mL")
    np.testing.assert_allclose(column.values, [250, 2_000_000, 500, 100_000, 7000])
    assert column.censored.tolist() == [-1, 1, -1, 1, 0]


def test_decimal_commas_also_behind_censoring_signs(dictionary):
    assert values(["<0,25", "1,5"], dictionary["il6"], decimal=",") == [0.25, 1.5]


@pytest.mark.parametrize("cells", [["Male", "F", "1"], ["Male ", " F", "1.0"]])
def test_recode_maps_text_to_levels(dictionary, cells):
    recode = {"Male": "male", "F": "female", "1": None}
    column = read_column(pd.Series(cells), dictionary["sex"], reading(recode=recode))
    assert column.values.dropna().tolist() == ["male", "female"]
    assert column.recoded.tolist() == [True, True, True]


def test_recode_reaches_typed_numbers(dictionary):
    recode = {"2": "female", "1": "male"}
    assert values([1, 2], dictionary["sex"], recode=recode) == ["male", "female"]
    assert values([1.0, 2.0], dictionary["sex"], recode=recode) == ["male", "female"]
    read = values([0.0, 9.0, 3.0], dictionary["crs_grade"], recode={"9": None, "3": 2.5})
    np.testing.assert_array_equal(read, [0, np.nan, 2.5])


def test_recode_goes_before_missing(dictionary):
    recode = {"": 0.0, "NA": 1.0}
    assert values(["", "NA", "1"], dictionary["bridging_flag"], recode=recode) == [0, 1, 1]


@pytest.mark.parametrize(
    "cells",
    [
        ["0", "1", "1.0", "NA"],
        ["False", "TRUE", "true", ""],
        ["no", "Yes", "YES", "-99"],
        [0.0, 1.0, 1.0, np.nan],
        pd.array([False, True, True, None], dtype="boolean"),
        pd.Series([False, True, 1, None], dtype=object),
    ],
)
def test_binary_accepts_the_usual_spellings(dictionary, cells):
    np.testing.assert_array_equal(values(cells, dictionary["prior_car_t"]), [0, 1, 1, np.nan])


@pytest.mark.parametrize(("cells", "bad"), [(["2", "0"], 1), (["y", "n", "1"], 2), ([0.5, 1], 1)])
def test_binary_refuses_anything_else(dictionary, cells, bad):
    with pytest.raises(InputError, match=f"{bad} of {len(cells)} values are neither yes nor no"):
        values(cells, dictionary["prior_car_t"])


def test_outcomes_are_never_censored(dictionary):
    with pytest.raises(InputError, match="1 of 2 values are text"):
        values(["<3", "2"], dictionary["crs_grade"])


def test_each_row_may_state_its_own_unit(dictionary):
    cells, units = pd.Series(["1", "20", "", "3"]), pd.Series(["mg/dL", "mg/L", None, "mg/dL"])
    column = read_column(cells, dictionary["crp"], reading(), units)
    np.testing.assert_allclose(column.values, [10, 20, np.nan, 30])
    assert column.converted


def test_a_row_without_its_unit_is_refused(dictionary):
    units = pd.Series(["mg/L", None])
    with pytest.raises(InputError, match=r"1 value without a unit.*complete the unit column"):
        read_column(pd.Series(["1", "2"]), dictionary["crp"], reading(), units)


def test_a_unit_of_the_rows_is_named_only_if_it_is_a_unit(dictionary):
    cells = pd.Series(["1", "2", "3"])
    units = pd.Series(["mg/L", "mmol/L", "mmol/L"])
    with pytest.raises(UnitError, match=r"unit 'mmol/L' is not accepted for 'crp'.*\(2 rows\)"):
        read_column(cells, dictionary["crp"], reading(), units)
    for secret in ("481.5", "Wurzel", "1.2.1990"):
        with pytest.raises(UnitError) as error:
            read_column(cells, dictionary["crp"], reading(), pd.Series([secret] * 3))
        assert secret not in str(error.value)
        assert "labs.csv, column 'LAB'" in str(error.value)
        assert "(3 rows). Expected one of mg/L, mg/dL, ug/mL" in str(error.value)


def test_a_stated_unit_is_checked_even_where_all_values_are_missing(dictionary):
    with pytest.raises(UnitError, match="unit 'mg/ml' is not accepted for 'crp'; did you mean"):
        values(["NA", ""], dictionary["crp"], unit="mg/ml")


def test_levels_count_in_any_case(dictionary):
    column = read_column(
        pd.Series(["Female", "MALE", None, "male"]), dictionary["sex"], Reading("a.csv", "Sex")
    )
    assert column.values.isna().tolist() == [False, False, True, False]
    assert column.values.dropna().tolist() == ["female", "male", "male"]


def test_whole_numbers_become_the_text_of_their_level(dictionary):
    assert values([1.0, 2.0], dictionary["site"]) == ["1", "2"]
    assert values(["1.0", "2"], dictionary["site"]) == ["1", "2"]
