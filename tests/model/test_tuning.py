"""Inner cross-validation: fair folds, the right loss, and the choice that was asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from pipeline.model.risk_model import expit
from pipeline.model.tuning import choose, inner_folds, log_losses


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


def test_losses_are_scikit_learns():
    rng = np.random.default_rng(0)
    y, log_odds = rng.integers(0, 2, 500).astype(float), rng.normal(scale=3, size=500)
    expected = log_loss(y, expit(log_odds))
    assert log_losses(y, log_odds).mean() == pytest.approx(expected, rel=1e-12)


def test_losses_of_certain_errors_are_finite():
    np.testing.assert_allclose(log_losses(np.array([1.0, 0.0]), np.array([-800.0, 800.0])), 800)


def test_the_least_loss_wins():
    y = np.tile([1.0, 0.0], 50)
    truth = np.where(y == 1, 1.0, -1.0)
    tuned = choose(
        ["none", "right", "wrong"], np.array([0 * truth, truth, -truth]), y, 0 * y, False
    )
    assert tuned.setting == "right"
    np.testing.assert_array_equal(tuned.margin, truth)
    assert tuned.log_loss == pytest.approx(np.log1p(np.exp(-1)))


def test_the_offset_is_part_of_the_risk():
    # Beside an offset that says all, the margin that adds nothing is best.
    y = np.tile([1.0, 0.0], 50)
    offset = np.where(y == 1, 2.0, -2.0)
    margins = np.array([np.zeros(100), -offset])
    assert choose([0, 1], margins, y, offset, False).setting == 0


@pytest.fixture
def graded():
    """Margins of three settings, simplest first: reversed, as good but noisier, best."""
    rng = np.random.default_rng(3)
    y = np.tile([1.0, 0.0], 200)
    best = np.where(y == 1, 0.8, -0.8) + rng.normal(size=400)
    # What half of the patients gain the others lose: by the loss's convexity a little worse
    # on average, well within one standard error.
    noisier = best + 0.1 * np.where(y == 1, 1, -1) * np.repeat([1, -1], 200)
    return y, np.array([-best, noisier, best])


@pytest.mark.parametrize(("asked", "expected"), [(False, "best"), (True, "noisier")])
def test_the_simplest_within_one_standard_error_when_asked(graded, asked, expected):
    y, margins = graded
    difference = log_loss_of(y, margins[1]) - log_loss_of(y, margins[2])
    assert 0 < difference.mean() < difference.std(ddof=1) / np.sqrt(400)
    assert choose(["reversed", "noisier", "best"], margins, y, 0 * y, asked).setting == expected


def test_a_setting_far_behind_is_not_taken_for_its_simplicity(graded):
    y, margins = graded
    assert choose(["reversed", "best"], margins[[0, 2]], y, 0 * y, True).setting == "best"


def log_loss_of(y, margin):
    risk = expit(margin)
    return -np.log(np.where(y == 1, risk, 1 - risk))
