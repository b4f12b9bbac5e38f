import numpy as np
import pytest
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from pipeline.evaluation.overall import SMALLEST_RISK, brier, log_loss, scaled_brier


@pytest.fixture
def cohort():
    rng = np.random.default_rng(4)
    risk = rng.uniform(0.02, 0.98, size=200)
    observed = (rng.random(200) < risk).astype(float)
    return observed, risk, rng.integers(0, 4, size=(4, 200)).astype(float)


def test_scores_equal_scikit_learn_with_weights(cohort):
    observed, risk, weights = cohort
    expected = [brier_score_loss(observed, risk, sample_weight=w) for w in weights]
    assert brier(observed, risk, weights) == pytest.approx(expected, abs=1e-12)
    expected = [sklearn_log_loss(observed, risk, sample_weight=w) for w in weights]
    assert log_loss(observed, risk, weights) == pytest.approx(expected, abs=1e-12)


def test_scaled_brier_by_hand():
    # Prevalence 1/4: reference 3/16. Brier (0.25 + 3 * 0.01) / 4 = 0.07; 1 - 0.07 * 16 / 3.
    observed, risk = np.array([1, 0, 0, 0.0]), np.array([0.5, 0.1, 0.1, 0.1])
    assert scaled_brier(observed, risk, np.ones((1, 4)))[0] == pytest.approx(1 - 1.12 / 3)


def test_the_prevalence_itself_has_scaled_brier_zero_and_the_truth_one():
    observed = np.array([1, 0, 0, 1, 0.0])
    assert scaled_brier(observed, np.full(5, 0.4), np.ones((1, 5)))[0] == pytest.approx(0)
    assert scaled_brier(observed, observed, np.ones((1, 5)))[0] == 1
    assert np.isnan(scaled_brier(np.zeros(5), np.full(5, 0.4), np.ones((1, 5)))[0])


def test_a_sure_and_wrong_risk_costs_the_documented_maximum():
    loss = log_loss(np.array([1.0, 0.0]), np.array([0.0, 0.0]), np.ones((1, 2)))[0]
    assert loss == pytest.approx(-np.log(SMALLEST_RISK) / 2, rel=1e-6)
