"""CRS grades over days: what hides a fever, what opens the gate, what a lost day leaves open."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cohort.grading import astct_from_days
from tests.cohort.signs import MEASURED, NO_SIGNS, OTHER_CAUSES, SIGNS, days


def course(*rows, **horizon) -> pd.Series:
    return astct_from_days(days(*rows), **horizon).iloc[0]


def test_fever_gone_after_tocilizumab_and_hypoxia_remains():
    # The consensus: once treated, fever is no longer needed to grade.
    graded = course(
        {"day": 2, "temperature": 39.0},
        {"day": 3, "temperature": 38.8, "anticytokine": 1},
        {"day": 4, "temperature": 36.9, "oxygen": "low-flow"},
        {"day": 5},
    )
    assert graded["crs_grade"] == 2
    assert graded["crs_onset_day"] == 2
    assert graded["crs_duration_days"] == 3
    assert graded["first_anticytokine_day"] == 3
    assert graded["unknown_days"] == 0


@pytest.mark.parametrize(
    ("dose", "hypoxia", "expected"),
    [
        (3, 10, 2),  # seven days after the dose the drug still hides the fever
        (3, 11, 1),  # an eighth day on, hypoxia without fever is another event
        (-1, 5, 2),  # a prophylactic dose acts as any other
        (-1, 7, 1),
        (8, 6, 1),  # not yet given
        (6, 6, 2),  # given on the day
    ],
)
def test_a_drug_hides_fever_for_a_week(dose, hypoxia, expected):
    rows = {day: {"day": day} for day in (dose, 2, hypoxia)}
    rows[dose]["anticytokine"] = 1
    rows[2]["temperature"] = 39.0
    rows[hypoxia]["oxygen"] = "low-flow"
    assert course(*rows.values())["crs_grade"] == expected


def test_how_long_a_drug_hides_fever_is_an_argument():
    table = (
        {"day": 2, "temperature": 39.0, "anticytokine": 1},
        {"day": 5, "hypotension": 1},
    )
    assert course(*table)["crs_grade"] == 2
    assert course(*table, masking_days=2)["crs_grade"] == 1
    assert course(*table, masking_days=0)["crs_grade"] == 1


def test_each_dose_begins_the_week_anew():
    table = [{"day": 1, "temperature": 38.5, "anticytokine": 1}]
    table += [{"day": day, "anticytokine": 1} for day in (7, 13)]
    assert course(*table, {"day": 19, "oxygen": "low-flow"})["crs_grade"] == 2
    assert course(*table, {"day": 21, "oxygen": "low-flow"})["crs_grade"] == 1


def test_a_prophylactic_dose_alone_opens_no_gate():
    # That it hid the only fever is a clinician's judgement, and is stated as such.
    table = ({"day": -1, "anticytokine": 1}, {"day": 1, "hypotension": 1})
    graded = course(*table)
    assert graded["crs_grade"] == 0
    assert np.isnan(graded["first_anticytokine_day"])  # no treatment within the horizon
    judged = course(table[0], {**table[1], "fever_masked": 1})
    assert judged["crs_grade"] == 2


def test_a_fever_before_infusion_is_not_crs():
    graded = course(
        {"day": -1, "temperature": 39.5, "anticytokine": 1}, {"day": 1, "hypotension": 1}
    )
    assert graded["crs_grade"] == 0


def test_a_patient_of_whom_nothing_is_recorded_has_no_grade():
    nothing = dict.fromkeys(NO_SIGNS)
    graded = course({"day": 1, **nothing}, {"day": 2, **nothing})
    assert np.isnan(graded["crs_grade"])
    assert (graded["crs_grade_at_least"], graded["crs_grade_at_most"]) == (0, 4)
    assert graded["unknown_days"] == 2


def test_a_lost_sign_matters_only_where_it_could_raise_the_maximum():
    known = {"day": 1, "temperature": 39.0, "hypotension": 1, "vasopressors": 1}
    graded = course(known, {"day": 2, "temperature": np.nan, "oxygen": "low-flow"})
    assert (graded["crs_grade"], graded["unknown_days"]) == (3, 1)
    graded = course(known, {"day": 2, "temperature": 38.2, "oxygen": None})
    assert np.isnan(graded["crs_grade"])
    assert (graded["crs_grade_at_least"], graded["crs_grade_at_most"]) == (3, 4)
    # A temperature not taken may have been the fever by which a later day counts.
    graded = course(
        {"day": 1, "temperature": np.nan, "anticytokine": 1}, {"day": 2, "oxygen": "high-flow"}
    )
    assert (graded["crs_grade_at_least"], graded["crs_grade_at_most"]) == (0, 3)


def test_hypotension_after_fever_that_nobody_treated_is_not_crs():
    graded = course(
        {"day": 2, "temperature": 39.0}, {"day": 6, "hypotension": 1, "vasopressors": 1}
    )
    assert (graded["crs_grade"], graded["crs_duration_days"]) == (1, 1)


def test_treatment_without_fever_before_it_opens_no_gate():
    graded = course({"day": 0, "anticytokine": 1}, {"day": 1, "hypotension": 1})
    assert graded["crs_grade"] == 0
    assert np.isnan(graded["crs_onset_day"])
    assert np.isnan(graded["crs_duration_days"])


def test_sepsis_hypotension_is_not_counted_over_time():
    graded = course(
        {"day": 1, "temperature": 38.5},
        {"day": 2, "temperature": 38.5, "hypotension": 1, "hypotension_other_cause": 1},
    )
    assert graded["crs_grade"] == 1


def test_maximum_over_the_horizon_and_each_patient_alone():
    table = days(
        {"patient_id": "b", "day": 40, "temperature": 39.0, "hypotension": 1},
        {"patient_id": "a", "day": 3, "temperature": 38.4},
        {"patient_id": "b", "day": 2, "temperature": 39.0},
        {"patient_id": "a", "day": 1, "temperature": 39.4, "hypotension": 1, "vasopressors": 1},
        {"patient_id": "c", "day": 50, "temperature": 39.0},
    )
    graded = astct_from_days(table).set_index("patient_id")["crs_grade"]
    assert graded["a"] == 3
    assert graded["b"] == 1
    assert np.isnan(graded["c"])  # nothing known within the horizon
    assert astct_from_days(table, last_day=45).set_index("patient_id")["crs_grade"]["b"] == 2


def test_a_day_without_temperature_is_counted_as_unknown():
    graded = course({"day": 1, "temperature": 38.4}, {"day": 2, "temperature": np.nan})
    assert (graded["crs_grade"], graded["unknown_days"]) == (1, 1)


@given(
    st.lists(st.tuples(SIGNS, st.integers(0, 1)), min_size=1, max_size=5),
    st.integers(0, 4),
    st.sampled_from(["fever", "treatment", "vasopressors", "oxygen"]),
)
@settings(max_examples=60, deadline=None)
def test_a_worse_or_treated_day_never_lowers_the_maximum(rows, which, change):
    table = [{**signs, "day": day, "anticytokine": drug} for day, (signs, drug) in enumerate(rows)]
    before = course(*table)["crs_grade"]
    worse = {
        "fever": {"temperature": 40.0},
        "treatment": {"anticytokine": 1},
        "vasopressors": {"hypotension": 1, "vasopressors": 3},
        "oxygen": {"oxygen": "positive pressure"},
    }[change]
    table[which % len(table)].update(worse)
    assert course(*table)["crs_grade"] >= before


DAY = st.tuples(SIGNS, OTHER_CAUSES, st.integers(0, 1))


@given(st.lists(DAY, min_size=1, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_rows_and_other_patients_change_nothing(rows, shuffle):
    table = [
        {**signs, **causes, "day": day, "anticytokine": drug, "patient_id": patient}
        for patient in ("a", "b")
        for day, (signs, causes, drug) in enumerate(rows if patient == "a" else rows[::-1])
    ]
    together = astct_from_days(days(*table)).set_index("patient_id")
    alone = [row for row in table if row["patient_id"] == "a"]
    pd.testing.assert_series_equal(course(*alone).drop("patient_id"), together.loc["a"],
                                   check_names=False, check_dtype=False)  # fmt: skip
    shuffle.shuffle(table)
    shuffled = astct_from_days(days(*table)).set_index("patient_id")
    pd.testing.assert_frame_equal(shuffled.loc[["a", "b"]], together)


@given(st.lists(DAY, min_size=1, max_size=5), st.data())
@settings(max_examples=60, deadline=None)
def test_bounds_hold_whatever_the_lost_signs_were(rows, data):
    table = [
        {**signs, **causes, "day": day, "anticytokine": drug}
        for day, (signs, causes, drug) in enumerate(rows)
        if signs["hypotension"] or not (signs["vasopressors"] or signs["vasopressin"])
    ]
    if not table:
        return
    lost = data.draw(
        st.sets(st.tuples(st.integers(0, len(table) - 1), st.sampled_from(MEASURED)), min_size=1)
    )
    incomplete = [dict(row) for row in table]
    for row, sign in lost:
        incomplete[row][sign] = None
    graded, true = course(*incomplete), course(*table)["crs_grade"]
    assert graded["crs_grade_at_least"] <= true <= graded["crs_grade_at_most"]
    if not np.isnan(graded["crs_grade"]):
        assert graded["crs_grade"] == true
