"""CRS grades are those of the published tables, row by row."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cohort.grading import astct_from_days, astct_from_record, astct_grade, lee_grade
from pipeline.cohort.signs import OXYGEN_LEVELS, oxygen_level
from pipeline.errors import InputError
from tests.cohort.signs import MEASURED, NO_SIGNS, OTHER_CAUSES, SIGNS, days

FEVER = {**NO_SIGNS, "temperature": 38.6}


def grade(**signs) -> float:
    return astct_grade(pd.DataFrame([{**FEVER, **signs}])).iloc[0]


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        # Lee DW et al., BBMT 2019;25:625, table of the consensus, row by row
        ({"temperature": 36.8}, 0),
        ({}, 1),
        ({"hypotension": 1}, 2),
        ({"oxygen": "low-flow"}, 2),
        ({"hypotension": 1, "vasopressors": 1}, 3),
        ({"hypotension": 1, "vasopressors": 1, "vasopressin": 1}, 3),
        ({"oxygen": "high-flow"}, 3),
        ({"hypotension": 1, "vasopressors": 2}, 4),
        ({"hypotension": 1, "vasopressors": 2, "vasopressin": 1}, 4),
        ({"oxygen": "positive pressure"}, 4),
        ({"crs_death": 1}, 5),
        # the worse of hypotension and hypoxia decides (the consensus' own example: 3)
        ({"hypotension": 1, "vasopressors": 1, "oxygen": "low-flow"}, 3),
        ({"hypotension": 1, "oxygen": "positive pressure"}, 4),
        # vasopressin alone counts as one vasopressor
        ({"hypotension": 1, "vasopressin": 1}, 3),
        # 38.0 is fever, 37.9 is not, and without fever there is no CRS
        ({"temperature": 38.0}, 1),
        ({"temperature": 37.9}, 0),
        ({"temperature": 37.9, "hypotension": 1, "vasopressors": 2}, 0),
        # signs with another cause do not count, each on its own
        ({"fever_other_cause": 1}, 0),
        ({"fever_other_cause": 1, "hypotension": 1}, 0),
        ({"hypotension": 1, "vasopressors": 1, "hypotension_other_cause": 1}, 1),
        ({"oxygen": "positive pressure", "hypoxia_other_cause": 1}, 1),
        ({"hypotension": 1, "hypotension_other_cause": 1, "oxygen": "low-flow"}, 2),
        # fever gone under treatment, CRS diagnosed before: hypotension and hypoxia decide
        ({"temperature": 36.9, "fever_masked": 1, "oxygen": "low-flow"}, 2),
        ({"temperature": 36.9, "fever_masked": 1}, 0),
        # death of another cause is not CRS
        ({"crs_death": 0, "hypotension": 1}, 2),
    ],
)
def test_astct_decision_table(signs, expected):
    assert grade(**signs) == expected


@pytest.mark.parametrize(
    ("device", "flow", "expected"),
    [
        ("room air", np.nan, "none"),
        ("nasal cannula", 2, "low-flow"),
        ("nasal cannula", 6, "low-flow"),
        ("nasal cannula", 6.5, "high-flow"),
        ("Nasal Cannula", 15, "high-flow"),
        ("blow-by", np.nan, "low-flow"),
        ("facemask", np.nan, "high-flow"),
        ("Venturi mask", 4, "high-flow"),
        ("non-rebreather mask", 15, "high-flow"),
        ("high-flow nasal cannula", np.nan, "high-flow"),
        ("CPAP", np.nan, "positive pressure"),
        ("BiPAP", np.nan, "positive pressure"),
        ("ventilator", np.nan, "positive pressure"),
    ],
)
def test_oxygen_devices_by_the_consensus(device, flow, expected):
    assert oxygen_level(pd.Series([device]), pd.Series([float(flow)])).iloc[0] == expected


def test_a_plain_cannula_without_flow_has_no_level():
    level = oxygen_level(pd.Series(["nasal cannula", None]), pd.Series([np.nan, 3.0]))
    assert level.isna().all()


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        ({"temperature": np.nan}, np.nan),  # fever or not is open: 0 or 1
        ({"temperature": np.nan, "hypotension": 1}, np.nan),
        ({"temperature": np.nan, "fever_other_cause": 1}, 0),
        ({"temperature": 37.0, "hypotension": np.nan, "oxygen": None}, 0),  # no fever, no CRS
        ({"hypotension": 0, "vasopressors": np.nan}, 1),  # none needed, none given
        ({"hypotension": 1, "vasopressors": np.nan}, np.nan),
        ({"hypotension": np.nan, "vasopressors": 2}, 4),
        ({"oxygen": None}, np.nan),
        ({"oxygen": None, "hypotension": 1, "vasopressors": 2}, 4),  # no oxygen could make it worse
        ({"hypotension": 0, "vasopressin": np.nan}, 1),  # none needed, none given
        ({"hypotension": 1, "vasopressin": np.nan}, np.nan),  # 2, or 3 by vasopressin alone
        ({"hypotension": 1, "vasopressors": 1, "vasopressin": np.nan}, 3),
        ({"crs_death": np.nan, "fever_other_cause": np.nan}, 1),  # a judgement not made
    ],
)
def test_a_missing_sign_leaves_the_grade_open_only_where_it_matters(signs, expected):
    assert grade(**signs) == pytest.approx(expected, nan_ok=True)


@given(SIGNS, SIGNS, OTHER_CAUSES, OTHER_CAUSES)
@settings(max_examples=150, deadline=None)
def test_worse_signs_never_lower_the_astct_grade(one, other, cause, other_cause):
    severity = list(OXYGEN_LEVELS).index
    mild, bad = {}, {}
    for sign in one:
        key = severity if sign == "oxygen" else float
        mild[sign], bad[sign] = sorted((one[sign], other[sign]), key=key)
    for sign in cause:  # a sign with another cause counts less
        bad[sign], mild[sign] = sorted((cause[sign], other_cause[sign]))
    grades = astct_grade(pd.DataFrame([mild, bad]))
    assert grades.iloc[0] <= grades.iloc[1]
    assert grades.isin([0, 1, 2, 3, 4, 5]).all()


@given(SIGNS, OTHER_CAUSES, st.sets(st.sampled_from(MEASURED), min_size=1), SIGNS)
@settings(max_examples=150, deadline=None)
def test_a_sign_not_recorded_is_never_taken_for_a_normal_one(signs, causes, lost, filled):
    """Where a grade is given all the same, no value of the lost signs gives another."""
    incomplete = {**signs, **causes, **dict.fromkeys(lost, None)}
    known = astct_grade(pd.DataFrame([incomplete])).iloc[0]
    possible = {**incomplete, **{sign: filled[sign] for sign in lost}}
    # Vasopressors without hypotension are no record that can be.
    if possible["hypotension"] == 0 and (possible["vasopressors"] or possible["vasopressin"]):
        return
    assert np.isnan(known) or known == astct_grade(pd.DataFrame([possible])).iloc[0]


def test_one_row_record_of_a_cohort():
    cohort = pd.DataFrame(
        {
            "post_max_temperature": [37.2, 39.0, 39.0, 40.1],
            "post_hypotension": [1.0, 0.0, 1.0, 1.0],
            "post_vasopressors": [0.0, 0.0, 1.0, 0.0],
            "post_oxygen": ["none", "none", "low-flow", "positive pressure"],
        },
        index=[3, 1, 4, 15],
    )
    graded = astct_from_record(cohort)
    assert graded.tolist() == [0, 1, 3, 4]
    assert graded.index.equals(cohort.index)


LEE_NONE = {
    "temperature": 36.8,
    "hypotension": 0,
    "vasopressors": 0,
    "high_dose_vasopressor": 0,
    "fio2": 21,
    "ventilation": 0,
    "organ_toxicity": 0,
    "transaminitis": 0,
}


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        # Lee DW et al., Blood 2014;124:188, row by row
        ({}, 0),
        ({"temperature": 38.5}, 1),
        ({"constitutional": 1}, 1),
        ({"organ_toxicity": 1}, 0),
        ({"hypotension": 1}, 2),
        ({"hypotension": 1, "vasopressors": 1}, 2),
        ({"fio2": 35}, 2),
        ({"organ_toxicity": 2}, 2),
        ({"hypotension": 1, "vasopressors": 1, "high_dose_vasopressor": 1}, 3),
        ({"hypotension": 1, "vasopressors": 2}, 3),
        ({"hypotension": 1, "vasopressors": 1, "vasopressin": 1}, 3),
        ({"fio2": 40}, 3),
        ({"organ_toxicity": 3}, 3),
        ({"transaminitis": 4}, 3),
        ({"ventilation": 1, "fio2": 50}, 4),
        ({"organ_toxicity": 4}, 4),
        ({"crs_death": 1}, 5),
        ({"hypotension": 1, "hypotension_other_cause": 1}, 0),
        ({"fio2": np.nan}, np.nan),
        ({"fio2": np.nan, "ventilation": 1}, 4),
    ],
)
def test_lee_2014_table(signs, expected):
    graded = lee_grade(pd.DataFrame([{**LEE_NONE, **signs}])).iloc[0]
    assert graded == pytest.approx(expected, nan_ok=True)


LEE_SIGNS = st.fixed_dictionaries(
    {
        "temperature": st.sampled_from([36.5, 38.0, 40.0]),
        "constitutional": st.integers(0, 1),
        "hypotension": st.integers(0, 1),
        "vasopressors": st.integers(0, 3),
        "vasopressin": st.integers(0, 1),
        "high_dose_vasopressor": st.integers(0, 1),
        "fio2": st.sampled_from([21, 28, 39, 40, 80]),
        "ventilation": st.integers(0, 1),
        "organ_toxicity": st.integers(0, 4),
        "transaminitis": st.integers(0, 4),
        "crs_death": st.integers(0, 1),
    }
)


@given(LEE_SIGNS, LEE_SIGNS, OTHER_CAUSES, OTHER_CAUSES)
@settings(max_examples=150, deadline=None)
def test_worse_signs_never_lower_the_lee_grade(one, other, cause, other_cause):
    mild = {sign: min(one[sign], other[sign]) for sign in one}
    bad = {sign: max(one[sign], other[sign]) for sign in one}
    mild |= {sign: max(cause[sign], other_cause[sign]) for sign in cause}
    bad |= {sign: min(cause[sign], other_cause[sign]) for sign in cause}
    grades = lee_grade(pd.DataFrame([mild, bad]))
    assert grades.iloc[0] <= grades.iloc[1]


@given(LEE_SIGNS, st.sampled_from(list(LEE_NONE)), LEE_SIGNS)
@settings(max_examples=100, deadline=None)
def test_a_lost_sign_is_never_normal_to_lee(signs, lost, filled):
    known = lee_grade(pd.DataFrame([{**signs, lost: None}])).iloc[0]
    possible = lee_grade(pd.DataFrame([{**signs, lost: filled[lost]}])).iloc[0]
    assert np.isnan(known) or known == possible


def test_the_two_systems_differ_where_their_authors_say():
    # One low-dose vasopressor: Lee 2, ASTCT 3. Organ toxicity alone: Lee 3, ASTCT by fever only.
    pressor = {"temperature": 39.0, "hypotension": 1, "vasopressors": 1}
    assert lee_grade(pd.DataFrame([{**LEE_NONE, **pressor}])).iloc[0] == 2
    assert grade(**pressor) == 3
    organ = {"temperature": 39.0, "organ_toxicity": 3}
    assert lee_grade(pd.DataFrame([{**LEE_NONE, **organ}])).iloc[0] == 3
    assert grade(temperature=39.0) == 1


@pytest.mark.parametrize(
    ("signs", "words"),
    [
        ({"temperature": 101.3}, "column 'temperature': out of range in 1 row.*30 to 45"),
        ({"hypotension": 2}, "column 'hypotension': not 0 or 1 in 1 row"),
        ({"vasopressors": -1}, "column 'vasopressors': out of range in 1 row"),
        ({"oxygen": "mask"}, "column 'oxygen': an unknown level in 1 row.*one of none, low-flow"),
        ({"crs_death": 3}, "column 'crs_death': not 0 or 1"),
    ],
)
def test_impossible_signs_are_refused_in_words(signs, words):
    with pytest.raises(InputError, match=words):
        grade(**signs)


def test_missing_columns_are_named():
    with pytest.raises(InputError, match="column 'oxygen': the signs cannot be graded"):
        astct_grade(pd.DataFrame([FEVER]).drop(columns="oxygen"))
    with pytest.raises(InputError, match="column 'fio2'"):
        lee_grade(pd.DataFrame([LEE_NONE]).drop(columns="fio2"))
    with pytest.raises(InputError, match="column 'day'"):
        astct_from_days(days({"day": 1}).drop(columns="day"))
    with pytest.raises(InputError, match=r"'day': 1 row.* repeat a day of the same patient"):
        astct_from_days(days({"day": 1}, {"day": 1}))
    with pytest.raises(InputError, match="column 'day': not stated in 1 row"):
        astct_from_days(days({"day": np.nan}))
    with pytest.raises(InputError, match="column 'post_hypotension': the record"):
        astct_from_record(pd.DataFrame({"post_max_temperature": [38.0]}))
