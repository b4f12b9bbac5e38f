from functools import partial

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from pipeline.evaluation.bootstrap import replicates as replicates_of
from pipeline.evaluation.bootstrap import summaries
from pipeline.evaluation.calibration import (
    calibration_intercept,
    calibration_slope,
    calibration_slope_within,
    curve_distances,
    flexible_curve,
    observed_expected,
    risk_groups,
)
from pipeline.evaluation.performance import performance


@pytest.fixture
def cohort():
    rng = np.random.default_rng(6)
    truth = expit(rng.normal(-0.7, 1.0, size=800))
    observed = (rng.random(800) < truth).astype(float)
    risk = expit(0.4 + 1.3 * logit(truth) + rng.normal(0, 0.3, size=800))
    return observed, risk, rng.integers(0, 4, size=(3, 800)).astype(float)


def restricted_cubic_basis(x, knots):
    """Harrell's basis from its defining conditions: cubic pieces, straight beyond the knots."""
    t = knots
    columns = [np.ones_like(x), x]
    for j in range(len(t) - 2):
        c = [0.0] * len(t)
        c[j] = 1.0
        c[-2] = -(t[-1] - t[j]) / (t[-1] - t[-2])
        c[-1] = (t[-2] - t[j]) / (t[-1] - t[-2])
        columns.append(sum(ck * np.clip(x - tk, 0, None) ** 3 for ck, tk in zip(c, t, strict=True)))
    return np.column_stack(columns)


def test_intercept_solves_its_score_equation(cohort):
    observed, risk, weights = cohort
    found = calibration_intercept(observed, risk, weights)
    for a, w in zip(found, weights, strict=True):
        expected = brentq(lambda a, w=w: w @ (observed - expit(a + logit(risk))), -5, 5)
        assert a == pytest.approx(expected, abs=1e-3)
    exact = brentq(lambda a: np.sum(observed - expit(a + logit(risk))), -5, 5, xtol=1e-12)
    assert calibration_intercept(observed, risk, np.ones((1, 800)))[0] == pytest.approx(exact)


def test_slope_is_that_of_scikit_learn(cohort):
    observed, risk, weights = cohort
    weights = np.concatenate([np.ones((1, 800)), weights])
    found = calibration_slope(observed, risk, weights)
    for slope, w in zip(found, weights, strict=True):
        model = LogisticRegression(C=1e12, tol=1e-10).fit(logit(risk)[:, None], observed, w)
        assert slope == pytest.approx(model.coef_[0, 0], abs=1e-4)


def test_intercept_and_slope_are_those_of_statsmodels(cohort):
    observed, risk, weights = cohort
    binomial, ones = sm.families.Binomial(), np.ones(len(risk))
    everyone = np.vstack([ones, weights])
    intercepts = calibration_intercept(observed, risk, everyone)
    slopes = calibration_slope(observed, risk, everyone)
    for row, intercept, slope in zip(everyone, intercepts, slopes, strict=True):
        large = sm.GLM(observed, ones, binomial, offset=logit(risk), freq_weights=row).fit()
        line = sm.GLM(observed, sm.add_constant(logit(risk)), binomial, freq_weights=row).fit()
        assert intercept == pytest.approx(large.params[0], abs=0.002 * large.bse[0])
        assert slope == pytest.approx(line.params[1], abs=0.002 * line.bse[1])


def test_a_known_distortion_is_recovered_exactly():
    # The true risk in the outcome's place takes chance away: logit(truth) = -0.3 + 0.7 x.
    predicted = np.random.default_rng(7).normal(-1, 1, size=500)
    truth, risk = expit(-0.3 + 0.7 * predicted), expit(predicted)
    ones = np.ones((1, 500))
    assert calibration_slope(truth, risk, ones)[0] == pytest.approx(0.7, abs=1e-9)
    too_low = expit(predicted - 0.25)
    assert calibration_intercept(risk, too_low, ones)[0] == pytest.approx(0.25)
    # The curve contains the straight recalibration, so its distances are those of the truth.
    found = curve_distances(flexible_curve(truth, risk, ones), risk)
    distance = np.abs(truth - risk)
    assert found["ici"][0] == pytest.approx(distance.mean(), abs=1e-8)
    assert found["e50"][0] == pytest.approx(np.quantile(distance, 0.5, method="inverted_cdf"))
    assert found["e90"][0] == pytest.approx(np.quantile(distance, 0.9, method="inverted_cdf"))


def test_curve_is_logistic_regression_on_a_restricted_cubic_spline(cohort):
    observed, risk, _ = cohort
    x = logit(risk)
    basis = restricted_cubic_basis(x, np.quantile(x, [0.05, 0.35, 0.65, 0.95]))
    scaled = basis[:, 1:] / basis[:, 1:].std(axis=0)
    model = LogisticRegression(C=1e12, tol=1e-10, max_iter=5000).fit(scaled, observed)
    found = flexible_curve(observed, risk, np.ones((1, 800))).in_data(risk)
    assert found == pytest.approx(model.predict_proba(scaled)[:, 1], abs=2e-4)


def test_curve_follows_a_bend_that_the_slope_cannot_see():
    x = np.random.default_rng(8).normal(0, 1.2, size=40_000)
    truth = expit(0.5 * x + 0.4 * np.maximum(x, 0) ** 2)
    at = expit(np.array([-1.0, 0.5, 1.5]))
    found = flexible_curve(truth, expit(x), np.ones((1, len(x)))).in_data(at)
    expected = expit(0.5 * logit(at) + 0.4 * np.maximum(logit(at), 0) ** 2)
    assert found == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(("events", "knots"), [(12, 0), (60, 3), (210, 4)])
def test_the_curve_has_as_many_knots_as_events_allow(events, knots):
    rng = np.random.default_rng(9)
    observed = (np.arange(600) < events).astype(float)
    risk = expit(rng.normal(observed, 1) - 2)
    x = logit(risk)
    curve = flexible_curve(observed, risk, np.ones((1, 600))).in_data(risk)
    # Without knots the curve is straight in log-odds; beyond the outer knots it always is.
    bend = np.polyfit(x, logit(curve), 1, full=True)[1][0]
    assert (bend < 1e-12) == (knots == 0)


def test_constant_risks_have_no_slope_but_a_curve_at_the_prevalence():
    observed = np.array([1, 0, 0, 0, 1.0] * 10)
    risk, ones = np.full(50, 0.3), np.ones((1, 50))
    assert np.isnan(calibration_slope(observed, risk, ones)[0])
    assert calibration_intercept(observed, risk, ones)[0] == pytest.approx(logit(0.4) - logit(0.3))
    found = curve_distances(flexible_curve(observed, risk, ones), risk)
    assert [found[k][0] for k in ("ici", "e50", "e90")] == pytest.approx([0.1] * 3)


def test_observed_over_expected_by_hand():
    observed, risk = np.array([1, 0, 1, 0.0]), np.array([0.5, 0.25, 0.5, 0.25])
    weights = np.array([[1, 1, 1, 1], [0, 2, 1, 1.0]])
    assert observed_expected(observed, risk, weights) == pytest.approx([2 / 1.5, 1 / 1.25])


def intervals(slope, cohorts, n=500, replicates=200):
    """Intervals of ICI, E50 and E90 of risks whose truth has ``slope`` times their log-odds."""
    large = np.random.default_rng(11).normal(-1, 1, size=200_000)
    distance = np.abs(expit(slope * large) - expit(large))
    truth = {"ici": distance.mean(), **dict(zip(("e50", "e90"), np.quantile(distance, [0.5, 0.9]),
                                                strict=True))}  # fmt: skip
    found = []
    for cohort in range(cohorts):
        rng = np.random.default_rng([12, cohort])
        predicted = rng.normal(-1, 1, size=n)
        observed = (rng.random(n) < expit(slope * predicted)).astype(float)
        one = np.zeros((1, n), dtype=int)
        risk = expit(predicted)[None, :]
        measure = partial(performance, observed, risk, one, None, figures=("ici", "e50", "e90"))
        drawn = replicates_of({"": measure}, n, replicates, cohort)[""]
        found.append(summaries(drawn, 0.95, {}))
    return truth, found


@pytest.mark.parametrize("slope", [1.0, 0.7])
def test_intervals_of_distances_cover_the_truth_and_hold_their_estimate(slope):
    # A calibrated model's distance is 0, which percentiles of replicates never hold. 100
    # cohorts: a coverage of 95 % shows 88 or fewer about twice in a thousand.
    truth, found = intervals(slope, cohorts=100)
    for name, true in truth.items():
        ends = [(f[name]["low"], f[name]["estimate"], f[name]["high"]) for f in found]
        assert all(low <= estimate <= high for low, estimate, high in ends)
        assert sum(low <= true <= high for low, _, high in ends) > 88
    holds_none = sum(f["ici"]["low"] == 0 for f in found)
    assert holds_none > 88 if slope == 1 else holds_none < 40


def test_the_curve_of_the_data_is_that_of_equal_weights(cohort):
    observed, risk, weights = cohort
    curve = flexible_curve(observed, risk, weights)
    everyone = flexible_curve(observed, risk, np.ones((2, len(risk))))
    assert curve.in_data(risk) == pytest.approx(everyone.in_replicates(risk)[1], abs=1e-9)
    assert curve_distances(everyone, risk)["ici_moved"] == pytest.approx(0, abs=1e-9)
    moved = np.abs(curve.in_replicates(risk) - curve.in_data(risk)).mean(axis=1)
    assert curve_distances(curve, risk)["ici_moved"] == pytest.approx(moved)


def test_groups_hold_everyone_once_and_ties_together():
    risk = np.repeat([0.1, 0.2, 0.9], [40, 5, 5])
    observed = (np.arange(50) % 5 == 0).astype(float)
    groups = risk_groups(observed, risk)
    assert sum(g["n"] for g in groups) == 50
    assert sum(g["events"] for g in groups) == observed.sum()
    assert groups[0]["n"] == 40
    assert np.all(np.diff([g["predicted"] for g in groups]) > 0)


def test_slope_within_strata_is_statsmodels_with_an_intercept_for_each():
    rng = np.random.default_rng(8)
    n = 3000
    strata = rng.integers(0, 5, n)
    score = rng.normal(size=n)
    risk = expit(np.array([-2, -1, 0, 1, 1.5])[strata] + score)
    observed = (
        rng.random(n) < expit(np.array([-1.5, -1, 0.3, 1, 1])[strata] + 0.6 * score)
    ).astype(float)
    dummies = (strata[:, None] == np.arange(5)).astype(float)
    design = np.column_stack([logit(risk), dummies])
    expected = sm.Logit(observed, design).fit(disp=0)
    found = calibration_slope_within(observed, risk, strata, np.ones((1, n)))
    # The weak prior of the intercepts moves the slope by far less than its standard error.
    assert found[0] == pytest.approx(expected.params[0], abs=0.05 * expected.bse[0])
    weights = rng.multinomial(n, np.full(n, 1 / n), size=3).astype(float)
    for row, slope in zip(weights, calibration_slope_within(observed, risk, strata, weights),
                          strict=True):  # fmt: skip
        again = sm.GLM(observed, design, sm.families.Binomial(), freq_weights=row).fit()
        assert slope == pytest.approx(again.params[0], abs=0.05 * again.bse[0])


def test_rates_between_strata_do_not_hide_a_wrong_slope_within():
    """Right for every therapy, upside down within: pooled it looks fair."""
    rng = np.random.default_rng(9)
    strata = rng.integers(0, 4, 4000)
    middle, score = np.array([-3.0, -1, 1, 3])[strata], 0.5 * rng.normal(size=4000)
    observed = (rng.random(4000) < expit(middle - score)).astype(float)
    ones = np.ones((1, 4000))
    risk = expit(middle + score)
    assert calibration_slope(observed, risk, ones)[0] > 0.7
    assert calibration_slope_within(observed, risk, strata, ones)[0] == pytest.approx(-1, abs=0.25)


def test_slope_within_strata_leaves_out_what_tells_nothing():
    rng = np.random.default_rng(10)
    strata, score = rng.integers(0, 3, 600), rng.normal(size=600)
    observed = (rng.random(600) < expit(score)).astype(float)
    observed[strata == 2] = 0  # no event
    risk, ones = expit(score), np.ones((1, 600))
    kept = strata < 2
    expected = calibration_slope_within(observed[kept], risk[kept], strata[kept], ones[:, kept])
    assert calibration_slope_within(observed, risk, strata, ones) == pytest.approx(expected)
    unknown = np.where(strata == 1, -1, strata)
    only = strata == 0
    assert calibration_slope_within(observed, risk, unknown, ones) == pytest.approx(
        calibration_slope_within(observed[only], risk[only], strata[only], ones[:, only])
    )
    constant = calibration_slope_within(observed, np.array([0.2, 0.4, 0.6])[strata], strata, ones)
    assert np.isnan(constant).all()
