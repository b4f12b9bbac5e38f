"""Calibration figures against statsmodels and by hand; tests that keep their level."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import binomtest, chi2, poisson_binom

from pipeline.monitoring.calibration import (
    calibration_by_period,
    last_period,
    miscalibration,
    scarcity,
    trend,
)
from pipeline.monitoring.closed_test import Site, closed_test, fit
from tests.monitoring.sites import drawn, expit


def test_fit_is_statsmodels():
    rng = np.random.default_rng(3)
    site = drawn(rng, 400, 0.4)
    X = site.design("reweighted")
    ours = fit(X, site.y, site.offset, precision=np.zeros(3))
    theirs = sm.GLM(site.y, X, family=sm.families.Binomial(), offset=site.offset).fit()
    np.testing.assert_allclose(ours.coefficients, theirs.params, atol=1e-7)
    np.testing.assert_allclose(ours.covariance, theirs.cov_params(), rtol=1e-5)
    assert ours.log_likelihood == pytest.approx(theirs.llf)


def test_separated_data_stay_finite():
    y = np.repeat([0.0, 1.0], 20)
    found = fit(np.column_stack([np.ones(40), y - 0.5]), y, np.zeros(40))
    assert np.isfinite(found.coefficients).all()


def test_observed_over_expected_by_hand():
    # 30 of 100 observed, 20 expected: 1.5, and log(O/E) has variance (1 - 0.3) / 30.
    y = np.repeat([1.0, 0.0], [30, 70])
    found = calibration_by_period(y, np.full(100, 0.2), None, 30, 0.95)[0]
    error = 1.959964 * np.sqrt(0.7 / 30)
    assert found["oe"]["estimate"] == pytest.approx(1.5)
    assert found["oe"]["low"] == pytest.approx(1.5 * np.exp(-error), rel=1e-6)
    assert found["intercept"]["estimate"] == pytest.approx(
        np.log(0.3 / 0.7) - np.log(0.2 / 0.8), rel=1e-4
    )
    assert found["slope"]["estimate"] is None


@pytest.mark.parametrize("events", [0, 4, 9])
def test_a_scarce_class_is_tested_exactly_and_no_sharper_than_its_own_distribution(events):
    y = np.repeat([1.0, 0.0], [events, 80 - events])
    level = Site(y, np.full(80, np.log(0.2 / 0.8)), np.zeros(80), np.arange(80))
    found = scarcity(level, 10**9)
    # A null distribution of 16 events in the mean; twice the smaller tail.
    assert found.p == pytest.approx(2 * binomtest(events, 80, 0.2, "less").pvalue, rel=1e-4)
    assert found.expected == pytest.approx(16)
    assert found.shift < 0
    if events:
        seen = np.log(events / (80 - events))
        assert found.shift == pytest.approx(seen - np.log(0.2 / 0.8), rel=1e-2)
    rate = np.random.default_rng(1).normal(-2, 2, 80)
    uneven = scarcity(Site(y, rate, np.zeros(80), np.arange(80)), 10**9)
    assert uneven.p >= 2 * poisson_binom(expit(rate)).cdf(events) - 1e-12
    # Turned round, it is those without the event who are scarce.
    without = scarcity(Site(1 - y, -level.rate, np.zeros(80), np.arange(80)), 10**9)
    assert (without.p, without.shift) == pytest.approx((found.p, -found.shift))


def test_what_training_could_not_tell_is_no_evidence_against_the_level():
    y = np.repeat([1.0, 0.0], [6, 74])
    level = Site(y, np.full(80, np.log(0.2 / 0.8)), np.zeros(80), np.arange(80))
    assert scarcity(level, 80).p > scarcity(level, 10**9).p
    few_expected = Site(y[:40], level.rate[:40], np.zeros(40), np.arange(40))
    assert scarcity(few_expected, 80) is None
    neither_scarce = Site(np.repeat([1.0, 0.0], 40), level.rate, np.zeros(80), np.arange(80))
    assert scarcity(neither_scarce, 80) is None


def test_small_periods_are_joined_and_small_groups_hidden():
    rng = np.random.default_rng(4)
    y = (rng.random(300) < 0.5).astype(float)
    period = np.repeat(["2019", "2020", "2021"], [140, 12, 148]).astype(object)
    names = [p["period"] for p in calibration_by_period(y, np.full(300, 0.5), period, 30, 0.95)]
    assert names == ["all", "2019", "2020 to 2021"]
    rare = np.repeat([1.0, 0.0], [9, 291])
    hidden = calibration_by_period(rare, np.full(300, 0.1), None, 30, 0.95)[0]
    assert hidden["events"] is None
    assert "oe" not in hidden


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        ({}, "none"),
        ({"shift": 0.6}, "intercept"),
        ({"shift": 0.4, "rate_weight": 0.4, "deviation_weight": 0.4}, "intercept and slope"),
        ({"rate_weight": 1.2, "deviation_weight": 0.1}, "reweighted"),
    ],
)
def test_the_closed_test_finds_the_update_that_the_data_call_for(world, expected):
    rng = np.random.default_rng(5)
    chosen = [closed_test({"ge2": drawn(rng, 3000, **world)}, 0.05)[0] for _ in range(20)]
    assert chosen.count(expected) >= 16, chosen


def test_it_updates_a_right_model_no_oftener_than_its_level():
    rng = np.random.default_rng(6)
    updated = sum(closed_test({"a": drawn(rng, 200)}, 0.05)[0] != "none" for _ in range(400))
    assert binomtest(updated, 400, 0.05).pvalue > 0.01 or updated < 20


def test_trend_is_the_line_over_periods():
    rng = np.random.default_rng(9)
    n = 6000
    site, period = drawn(rng, n), rng.integers(2018, 2024, n)
    risk = expit(site.offset + 0.2 * (period - 2020.5))
    y = (rng.random(n) < risk).astype(float)
    drifting = Site(y, site.rate, site.deviation, site.rows)
    p, last = trend(drifting, period.astype(str).astype(object))
    assert p < 1e-6
    assert last == pytest.approx(0.5, abs=0.12)
    assert trend(site, None) is None


def test_the_last_period_is_held_against_those_before_it():
    # By statsmodels: twice the gain in log-likelihood of a level of its own, on one degree.
    site = drawn(np.random.default_rng(21), 600)
    period = np.repeat(["1", "2", "3", "4"], 150).astype(object)
    late = (period == "4").astype(float)
    changed = Site(np.where(late * (np.arange(600) % 3 == 0), 1.0, site.y), *_parts(site))
    for observed in (site, changed):
        fits = [
            sm.GLM(observed.y, X, family=sm.families.Binomial(), offset=site.offset).fit()
            for X in (np.ones((600, 1)), np.column_stack([np.ones(600), late]))
        ]
        expected = chi2.sf(2 * (fits[1].llf - fits[0].llf), 1)
        assert last_period(observed, period, 30) == pytest.approx(expected, rel=1e-3)
    assert last_period(changed, period, 30) < 1e-3
    assert last_period(site, period, 400) is None
    assert last_period(site, None, 30) is None


def _parts(site):
    return site.rate, site.deviation, site.rows


def test_miscalibration_gives_shift_and_slope():
    site = drawn(np.random.default_rng(10), 20_000, -0.5, 0.7, 0.7)
    p, shift, slope = miscalibration(site, 10**9)
    assert p < 1e-9
    assert slope == pytest.approx(0.7, abs=0.07)
    centre = site.offset.mean()
    assert shift == pytest.approx(-0.5 + 0.7 * centre - centre, abs=0.07)


def test_a_small_training_cohort_may_be_off_by_what_it_could_not_know():
    # Models whose level was learned from as many patients as they are now judged on.
    rng, alarms = np.random.default_rng(11), 0
    for _ in range(400):
        learned, now = drawn(rng, 400), drawn(rng, 400)
        level = fit(learned.design("intercept and slope"), learned.y, learned.offset)
        centre = learned.offset.mean()
        shift, slope = level.coefficients
        served = shift + (1 + slope) * (now.offset - centre) + centre
        p, _, _ = miscalibration(Site(now.y, served, np.zeros(400), now.rows), 400)
        alarms += p <= 0.05
    assert binomtest(alarms, 400, 0.05).pvalue > 0.01 or alarms < 20
