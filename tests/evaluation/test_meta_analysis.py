"""Random effects against a published analysis and an independent implementation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.meta_analysis import combine_effects

from pipeline.evaluation.meta_analysis import between_variance, random_effects

# The 13 trials of BCG vaccine against tuberculosis (Colditz, JAMA 1994;271:698): cases and
# others, vaccinated and not.
VACCINATED = np.array([[4, 119], [6, 300], [3, 228], [62, 13536], [33, 5036], [180, 1361],
                       [8, 2537], [505, 87886], [29, 7470], [17, 1699], [186, 50448],
                       [5, 2493], [27, 16886]])  # fmt: skip
CONTROLS = np.array([[11, 128], [29, 274], [11, 209], [248, 12619], [47, 5761], [372, 1079],
                     [10, 619], [499, 87892], [45, 7232], [65, 1600], [141, 27197],
                     [3, 2338], [29, 17825]])  # fmt: skip


def log_relative_risks():
    def log_rate(arm):
        return np.log(arm[:, 0] / arm.sum(axis=1)), 1 / arm[:, 0] - 1 / arm.sum(axis=1)

    (treated, variance_t), (untreated, variance_u) = log_rate(VACCINATED), log_rate(CONTROLS)
    return treated - untreated, variance_t + variance_u


def test_the_bcg_trials_as_published():
    """Viechtbauer, J Stat Softw 2010;36(3): REML gives tau2 0.3132 and a mean of -0.7145."""
    estimates, variances = log_relative_risks()
    assert between_variance(estimates, variances) == pytest.approx(0.3132, abs=5e-5)
    found = random_effects(estimates, variances, 0.95)
    assert found.estimate == pytest.approx(-0.7145, abs=5e-5)
    assert found.units == 13


def test_units_of_one_size_as_statsmodels_has_them():
    """With equal variances every estimator of tau2 is the sample variance less the common one."""
    rng = np.random.default_rng(1)
    estimates, variances = rng.normal(0.3, 0.5, 9), np.full(9, 0.04)
    found = random_effects(estimates, variances, 0.95)
    other = combine_effects(estimates, variances, method_re="iterated", use_t=True)
    row = other.summary_frame().loc["random effect"]
    assert found.tau**2 == pytest.approx(estimates.var(ddof=1) - 0.04, rel=1e-6)
    assert found.tau**2 == pytest.approx(other.tau2, rel=1e-5)
    assert found.estimate == pytest.approx(row["eff"], abs=1e-7)
    hartung_knapp = np.sqrt(other.var_hksj_re)
    half = 2.306004 * hartung_knapp  # t with 8 degrees of freedom
    assert (found.low, found.high) == pytest.approx(
        (found.estimate - half, found.estimate + half), abs=1e-5
    )
    half = 2.364624 * np.sqrt(found.tau**2 + hartung_knapp**2)  # 7 degrees of freedom
    assert found.prediction_high == pytest.approx(found.estimate + half, abs=1e-5)


def test_units_that_agree_by_chance_give_no_narrower_interval_than_their_own_errors():
    estimates = np.array([0.10, 0.11, 0.10, 0.11])
    found = random_effects(estimates, np.full(4, 0.04), 0.95)
    assert found.tau == 0
    assert found.high - found.estimate == pytest.approx(3.182446 * 0.1, rel=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 12), st.floats(0, 1), st.integers(0, 10**6))
def test_the_deviance_is_nowhere_lower_and_intervals_nest(k, tau, seed):
    rng = np.random.default_rng(seed)
    variances = rng.uniform(0.01, 0.5, k)
    estimates = rng.normal(0, np.sqrt(tau**2 + variances))
    tau2 = between_variance(estimates, variances)

    def deviance(at):
        weights = 1 / (variances + at)
        mean = np.average(estimates, weights=weights)
        return np.sum(-np.log(weights) + weights * (estimates - mean) ** 2) + np.log(weights.sum())

    grid = np.linspace(0, 4, 4001)
    assert deviance(tau2) <= min(deviance(at) for at in grid) + 1e-6
    found = random_effects(estimates, variances, 0.95)
    assert found.prediction_low <= found.low <= found.estimate <= found.high
    assert found.high <= found.prediction_high


def test_prediction_intervals_hold_the_next_unit_about_as_often_as_they_say():
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(600):
        variances = rng.uniform(0.02, 0.1, 20)
        truth = rng.normal(0, 0.3, 21)
        found = random_effects(rng.normal(truth[:20], np.sqrt(variances)), variances, 0.95)
        held += found.prediction_low <= truth[20] <= found.prediction_high
    assert 0.92 <= held / 600 <= 0.98


def test_two_units_are_too_few():
    with pytest.raises(ValueError, match="needs 3 units, found 2"):
        random_effects(np.zeros(2), np.ones(2), 0.95)
