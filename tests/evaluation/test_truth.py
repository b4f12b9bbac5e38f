import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import entropy
from sklearn.metrics import roc_auc_score

from pipeline.evaluation.truth import (
    calibration_to_truth,
    coverage_by_therapy,
    distance_to_truth,
    expected_discrimination,
    interval_coverage,
    oracle,
)

FOLDS = np.zeros((20, 500), dtype=int)  # one fold: all pairs
ONES = np.ones((1, 500))


@pytest.fixture
def truth():
    return expit(np.random.default_rng(1).normal(-1, 1, size=500))


def test_the_truth_itself_has_no_regret_no_error_and_is_calibrated(truth):
    found = distance_to_truth(truth, truth[None, :], ONES)
    assert found["regret"][0] == pytest.approx(0, abs=1e-15)
    assert found["mean_absolute_error"][0] == 0
    found = calibration_to_truth(truth, truth[None, :], ONES)
    assert found["calibration_intercept"][0] == pytest.approx(0, abs=1e-9)
    assert found["calibration_slope"][0] == pytest.approx(1)


def test_regret_is_the_mean_kullback_leibler_divergence(truth):
    risks = np.stack([np.full(500, 0.3), np.clip(truth + 0.05, 0, 0.99)])
    expected = np.mean([entropy(np.stack([truth, 1 - truth]), np.stack([r, 1 - r])) for r in risks])
    assert distance_to_truth(truth, risks, ONES)["regret"][0] == pytest.approx(expected)


def test_a_distortion_of_the_truth_is_read_off(truth):
    risk = expit(2 * logit(truth) - 0.4)  # logit(truth) = 0.2 + 0.5 logit(risk)
    found = calibration_to_truth(truth, risk[None, :], ONES)
    assert found["calibration_slope"][0] == pytest.approx(0.5, abs=1e-8)


def test_the_oracles_auroc_is_that_of_the_true_risks(truth):
    observed = (np.random.default_rng(2).random(500) < truth).astype(float)
    found = oracle(observed, truth, FOLDS[:1], None, ONES)
    assert found["auroc"][0] == pytest.approx(roc_auc_score(observed, truth))
    assert np.isnan(found["auroc_within_therapy"][0])


def test_expected_aurocs_count_every_pair_by_the_chance_of_its_outcomes():
    rng = np.random.default_rng(3)
    truth, risks = rng.random(40), np.round(rng.random((2, 40)), 1)  # with ties
    strata, weights = rng.integers(-1, 3, 40), rng.integers(0, 3, (4, 40)).astype(float)
    folds = rng.integers(0, 2, (2, 40))
    found = expected_discrimination(truth, risks, folds, strata, weights)
    for name, codes in (
        ("expected_auroc", np.zeros(40)),
        ("expected_auroc_within_therapy", strata),
    ):
        for w, value in zip(weights, found[name], strict=True):
            shares = []
            for risk, fold in zip(risks, folds, strict=True):
                concordant = pairs = 0.0
                for i in range(40):
                    for j in range(40):
                        if i != j and codes[i] == codes[j] >= 0 and fold[i] == fold[j]:
                            weight = w[i] * w[j] * truth[i] * (1 - truth[j])
                            pairs += weight
                            concordant += weight * ((risk[i] > risk[j]) + (risk[i] == risk[j]) / 2)
                shares.append(concordant / pairs)
            assert value == pytest.approx(np.mean(shares))


def test_the_expected_auroc_is_the_mean_over_outcomes_that_might_have_been(truth):
    rng = np.random.default_rng(4)
    risk = np.clip(truth + rng.normal(0, 0.1, size=500), 0, 1)
    drawn = [roc_auc_score(rng.random(500) < truth, risk) for _ in range(400)]
    found = expected_discrimination(truth, risk[None, :], FOLDS[:1], None, ONES)
    margin = 4 * np.std(drawn) / np.sqrt(400)
    assert found["expected_auroc"][0] == pytest.approx(np.mean(drawn), abs=margin)
    assert np.isnan(found["expected_auroc_within_therapy"][0])


def test_no_risks_rank_better_on_average_than_the_true_ones(truth):
    rng = np.random.default_rng(5)
    best = expected_discrimination(truth, truth[None, :], FOLDS[:1], None, ONES)["expected_auroc"][
        0
    ]
    other = expected_discrimination(truth, rng.random((20, 500)), FOLDS, None, ONES)
    near = expected_discrimination(truth, truth + rng.normal(0, 0.01, (20, 500)), FOLDS, None, ONES)
    assert best > near["expected_auroc"][0] > other["expected_auroc"][0]


def test_coverage_counts_intervals_that_hold_the_truth():
    truth = np.array([0.2, 0.5, 0.9, 0.4])
    low = np.array([[0.1, 0.6, 0.9, 0.3], [0.3, 0.4, 0.8, 0.3]])
    high = low + 0.2
    # Repeat one holds 0.2, 0.9 and 0.4; repeat two 0.5, 0.9 and 0.4.
    found = interval_coverage(truth, low, high, np.ones((1, 4)))
    assert found["coverage"][0] == pytest.approx(0.75)
    assert found["mean_width"][0] == pytest.approx(0.2)


def test_coverage_by_therapy_by_hand():
    truth = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    # Two repeats: the second interval misses the third patient.
    low = np.array([[0.0, 0.3, 0.2, 0.3, 0.6], [0.0, 0.3, 0.4, 0.3, 0.6]])
    high = low + 0.25
    strata = np.array([0, 0, 1, 1, -1])
    found = coverage_by_therapy(
        truth, low, high, strata, np.array([[1, 1, 1, 1, 1], [3, 1, 0, 0, 9]])
    )
    assert found["coverage"][0] == pytest.approx([0.5, 0.75])
    assert found["coverage"][1] == pytest.approx([0.75, np.nan], nan_ok=True)
