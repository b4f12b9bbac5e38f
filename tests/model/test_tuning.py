"""Inner cross-validation: fair folds, the right loss, and the choice that was asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from pipeline.model.risk_model import expit
from pipeline.model.tuning import averaging_weights, inner_folds, log_losses, losses_of


@given(
    events=st.integers(0, 60),
    others=st.integers(0, 60),
    folds=st.integers(2, 10),
    seed=st.integers(0, 100),
)
def test_folds_share_patients_and_events_evenly(events, others, folds, seed):
    y = np.random.default_rng(seed).permutation(np.repeat([1.0, 0.0], [events, others]))
    assigned = inner_folds(y, folds, seed)
    for members in (assigned, assigned[y == 1], assigned[y == 0]):
        counts = np.bincount(members, minlength=folds)
        assert len(counts) == folds
        assert np.ptp(counts) <= 1


def test_folds_depend_on_the_seed_alone():
    y = np.repeat([1.0, 0.0], 50)
    np.testing.assert_array_equal(inner_folds(y, 5, 1), inner_folds(y, 5, 1))
    assert (inner_folds(y, 5, 1) != inner_folds(y, 5, 2)).any()


@given(persons=st.integers(10, 80), folds=st.integers(2, 6), seed=st.integers(0, 100))
def test_rows_of_a_person_stay_in_one_fold_and_events_are_spread(persons, folds, seed):
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(persons), rng.integers(1, 5, persons))
    event = (np.arange(persons) % 2)[rows]
    assigned = inner_folds(event, folds, seed, rng.permutation(persons)[rows])
    for person in range(persons):
        assert len(set(assigned[rows == person])) == 1
    assert len(set(assigned)) == folds
    # A person has 4 rows at most: no fold holds more than two persons above its share.
    assert np.bincount(assigned[event == 1]).max() <= event.sum() / folds + 8


def test_folds_of_persons_with_one_row_each_are_dealt_as_ever():
    """The stream of the folds is pinned: whoever has no repeated rows gets the same model."""
    y = np.repeat([1, 0, 2], 4)
    dealt = inner_folds(y, 3, 5).tolist()
    assert dealt == [0, 1, 1, 2, 1, 0, 2, 2, 0, 1, 2, 0]
    assert inner_folds(y, 3, 5, np.arange(12)[::-1]).tolist() == dealt


def test_losses_are_scikit_learns():
    rng = np.random.default_rng(0)
    y, log_odds = rng.integers(0, 2, 500).astype(float), rng.normal(scale=3, size=500)
    expected = log_loss(y, expit(log_odds))
    assert log_losses(y, log_odds).mean() == pytest.approx(expected, rel=1e-12)


def test_losses_of_certain_errors_are_finite():
    np.testing.assert_allclose(log_losses(np.array([1.0, 0.0]), np.array([-800.0, 800.0])), 800)


def test_losses_are_averaged_over_outcomes_each_with_its_offset():
    Y, offset = np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([[0.5, -1.0], [0.0, 2.0]])
    margins = np.array([np.zeros((2, 2)), np.ones((2, 2))])
    found = losses_of(margins, Y, offset)
    expected = [
        [log_loss([1, 0], expit(offset[i] + shift), labels=[0, 1]) if i == 0
         else -np.log(expit(offset[i] + shift)).mean() for i in range(2)]
        for shift in (0, 1)
    ]  # fmt: skip
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_setting_that_is_better_beyond_doubt_takes_all_the_weight():
    losses = np.tile([[0.7], [0.3], [0.9]], 400) + np.random.default_rng(0).normal(0, 0.1, 400)
    np.testing.assert_allclose(averaging_weights(losses, 1), [0, 1, 0], atol=1e-12)


def test_settings_that_predict_alike_share_the_weight():
    losses = np.tile(np.random.default_rng(0).exponential(size=300), (4, 1))
    np.testing.assert_allclose(averaging_weights(losses, 1), 0.25)


def test_a_difference_within_chance_leaves_weight_to_both():
    # The second is worse by 2 in total, with a standard error of 10: a coin nearly fair.
    rng = np.random.default_rng(0)
    gap = rng.normal(size=400) * 0.5
    gap += 2 / 400 - gap.mean()
    base = rng.exponential(size=400)
    first, second = averaging_weights(np.array([base, base + gap]), 1)
    assert first + second == pytest.approx(1)
    assert 0.5 < first < 0.7
