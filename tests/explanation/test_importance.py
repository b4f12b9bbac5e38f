"""Global importance: means by hand, shares, order and intervals."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.explanation.importance import global_importance, leading_sources


@pytest.fixture
def table(explanations):
    return global_importance(explanations, draws=500, level=0.95, seed=1)


def test_means_and_shares_by_hand(explanations):
    contributions = np.zeros((4, len(explanations.sources), 2))
    contributions[:, 0, 1] = [1, -1, 3, -3]  # mean of the absolute values: 2
    contributions[:, 1, 1] = [0.5, 0.5, -0.5, -0.5]
    few = replace(explanations, contributions=contributions)
    table = global_importance(few, draws=200, level=0.95, seed=1)
    ge2 = table[table["outcome"] == "ge2"].set_index("source")
    first, second = (source.name for source in explanations.sources[:2])
    assert ge2.index[:2].tolist() == [first, second]
    assert ge2.loc[first, ["mean_abs", "share"]].tolist() == pytest.approx([2, 0.8])
    # Every resample of equal sizes has the same mean.
    assert ge2.loc[second, ["mean_abs", "low", "high"]].tolist() == pytest.approx([0.5] * 3)
    assert (table.loc[table["outcome"] == "any", "share"] == 0).all()


def test_shares_add_up_and_the_largest_comes_first(table):
    for _, rows in table.groupby("outcome"):
        assert rows["share"].sum() == pytest.approx(1)
        assert rows["mean_abs"].is_monotonic_decreasing
        assert (rows["low"] <= rows["mean_abs"]).all()
        assert (rows["mean_abs"] <= rows["high"]).all()


def test_the_interval_is_that_of_a_mean(table, explanations):
    # The bootstrap of a mean approaches mean +- 1.96 standard errors.
    j = [source.name for source in explanations.sources].index("ldh")
    size = np.abs(explanations.contributions[:, j, 1])
    row = table[(table["outcome"] == "ge2") & (table["source"] == "ldh")].iloc[0]
    error = size.std() / np.sqrt(len(size))
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_what_drives_the_outcome_leads(table):
    # The grade was drawn from LDH alone; scores that hold LDH share its part. The published
    # rates of the two therapies are wrong for such a cohort, which their own effect corrects.
    of_patients = [s for s in leading_sources(table, "ge2", 99) if s != "therapy"]
    assert of_patients[0] in ("ldh", "s_easix")
    assert "therapy_prior" not in leading_sources(table, "ge2", 99)


def test_where_all_risks_are_the_same_nothing_leads(prior_alone):
    table = global_importance(prior_alone, draws=100, level=0.95, seed=1)
    assert (table[["mean_abs", "low", "high", "share"]] == 0).all(axis=None)
    assert leading_sources(table, "ge2", 5) == []
