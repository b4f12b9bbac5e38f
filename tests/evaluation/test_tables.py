import numpy as np

from pipeline.evaluation.tables import curve_table, group_table, threshold_table, unless_small


def test_one_hidden_group_takes_a_second_with_it():
    # Groups of 50 with 3, 20 and 25 events: 3 alone would follow from the total of 48.
    risk = np.repeat([0.1, 0.4, 0.5], 50)
    events = np.concatenate([np.arange(50) < k for k in (3, 20, 25)]).astype(float)
    table = group_table(events, risk, minimum=10)
    assert [group["events"] for group in table] == [None, None, 25]
    assert [group["n"] for group in table] == [50, 50, 50]
    assert table[0]["reason"] == "fewer than 10 patients in a cell"


def test_large_groups_are_shown():
    risk = np.repeat([0.1, 0.4], 50)
    events = np.concatenate([np.arange(50) < k for k in (12, 20)]).astype(float)
    assert [group["observed"] for group in group_table(events, risk, 10)] == [0.24, 0.4]


def test_a_threshold_is_shown_from_the_minimum_on():
    figures = {"ppv": np.tile([0.5, 0.6], (101, 1))}
    low, enough = threshold_table(np.array([0.1, 0.2]), figures, np.array([9, 10]), 0.95, 10)
    assert low["ppv"]["estimate"] is None
    assert enough["ppv"]["estimate"] == 0.6


def test_figures_at_a_threshold_are_as_coarse_as_along_the_decision_curve():
    figures = {"ppv": np.full((101, 1), 0.6049), "alerts_per_100": np.full((101, 1), 23.4)}
    (row,) = threshold_table(np.array([0.2]), figures, np.array([30]), 0.95, 10)
    assert row["ppv"] == {"estimate": 0.6, "low": 0.6, "high": 0.6}
    assert row["alerts_per_100"] == {"estimate": 23, "low": 23, "high": 23}


def test_the_curve_has_its_band_beside_it():
    values = np.concatenate([[[0.2]], np.linspace(0.1, 0.3, 101)[:, None]])
    (point,) = curve_table(np.array([0.25]), values, 0.9)
    assert (point["risk"], point["observed"]) == (0.25, 0.2)
    assert np.allclose([point["low"], point["high"]], [0.11, 0.29])


def test_no_patient_at_all_may_be_said():
    assert [unless_small(count, 10) for count in (0, 1, 9, 10)] == [0, None, None, 10]
