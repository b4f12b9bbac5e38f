"""Groups of patients: large enough to be shared, together everyone who may be shown."""

import numpy as np
import pytest

from pipeline.explanation.dependence import grouped_dependence

NAMES = ["bridging", "ldh", "platelets", "bulky"]


@pytest.fixture
def table(explanations):
    return grouped_dependence(explanations, "ge2", NAMES, minimum_cell=10)


def test_no_group_is_smaller_than_the_minimum_cell(explanations):
    for minimum in (10, 60, 150):
        table = grouped_dependence(explanations, "ge2", NAMES, minimum)
        assert (table["patients"] >= minimum).all()


def test_rare_levels_are_not_named(table, cohort):
    bridging = table[table["source"] == "bridging"]
    assert (cohort["bridging"] == "no response").sum() < 10
    assert set(bridging["level"]) == {"none", "response", "missing"}
    assert dict(zip(bridging["level"], bridging["patients"], strict=True)) == {
        "none": (cohort["bridging"] == "none").sum(),
        "response": (cohort["bridging"] == "response").sum(),
        "missing": cohort["bridging"].isna().sum(),
    }


def test_numbers_are_cut_into_tenths_in_rising_order(table, cohort):
    ldh = table[table["source"] == "ldh"]
    assert ldh["patients"].tolist() == [40] * 10
    tenths = np.sort(cohort["ldh"].to_numpy()).reshape(10, 40)
    # The dictionary reads LDH on a log scale: the mean is geometric.
    np.testing.assert_allclose(ldh["value"], np.exp(np.log(tenths).mean(axis=1)))
    assert table["source"].drop_duplicates().tolist() == NAMES


def test_the_mean_over_all_groups_is_the_mean_over_all_patients(table, explanations):
    for name in ("ldh", "platelets", "bulky"):
        rows = table[table["source"] == name]
        j = [source.name for source in explanations.sources].index(name)
        whole = explanations.contributions[:, j, 1]
        assert rows["patients"].sum() == len(whole)
        mean = np.average(rows["contribution"], weights=rows["patients"])
        assert mean == pytest.approx(whole.mean(), abs=1e-12)


def test_a_trend_of_the_dictionary_is_kept_by_the_groups(table):
    # Trees obey the trend and the drawn effect is increasing.
    ldh = table[table["source"] == "ldh"]
    assert ldh["contribution"].iloc[-1] > ldh["contribution"].iloc[0]


def test_nothing_asked_gives_an_empty_table(explanations):
    assert grouped_dependence(explanations, "ge2", [], 10).empty
