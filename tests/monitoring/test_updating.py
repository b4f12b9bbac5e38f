"""Recalibration: what it recovers, what it borrows, and what it never does."""

import numpy as np
import pytest

from pipeline.config import Monitoring, Updating
from pipeline.model.update import Update
from pipeline.monitoring.closed_test import Site, closed_test, smallest_shift
from pipeline.monitoring.observations import Observations
from pipeline.monitoring.updating import _fitted, _on_top, recalibrate


def expit(x):
    return 1 / (1 + np.exp(-x))


def site(rng, n, shift=0.0, v=1.0, w=1.0, level=-0.5):
    rate, deviation = rng.normal(level, 0.8, n), rng.normal(0, 0.6, n)
    truth = shift + v * rate + w * deviation
    return Site((rng.random(n) < expit(truth)).astype(float), rate, deviation, np.arange(n))


def test_a_large_site_gives_back_its_intercept_and_weights():
    found = site(np.random.default_rng(1), 40_000, 0.5, 0.7, 0.4)
    update = _fitted({"a": found}, {"a": found}, "reweighted", Updating())["a"]
    assert update.alpha == pytest.approx(0.5, abs=0.08)
    assert update.rate_weight == pytest.approx(0.7, abs=0.08)
    assert update.deviation_weight == pytest.approx(0.4, abs=0.08)


def test_its_covariance_is_what_repetition_shows():
    rng = np.random.default_rng(2)
    settings = Updating(intercept_sd=100, slope_sd=100)
    drawn = [
        _fitted({"a": s}, {"a": s}, "intercept and slope", settings)["a"]
        for s in (site(rng, 400, 0.5) for _ in range(400))
    ]
    claimed = np.sqrt(np.mean([u.covariance[0][0] for u in drawn]))
    assert np.std([u.alpha for u in drawn]) == pytest.approx(claimed, rel=0.15)


def test_rare_grades_borrow_the_shift_of_common_ones():
    rng = np.random.default_rng(3)
    errors = []
    for _ in range(60):
        common, rare = site(rng, 150, 0.8), site(rng, 150, 0.8, level=-4.0)
        both = {"ge2": common, "ge3": rare}
        tested = {"ge2": common}
        shared = _fitted(both, tested, "intercept", Updating())["ge3"].alpha
        alone = _fitted({"ge3": rare}, {"ge3": rare}, "intercept", Updating())["ge3"].alpha
        errors.append((abs(shared - 0.8), abs(alone - 0.8)))
    assert np.mean(errors, axis=0)[0] < 0.7 * np.mean(errors, axis=0)[1]


def test_ranking_is_never_reversed():
    found = site(np.random.default_rng(4), 5000, 0.0, -1.0, -1.0)
    update = _fitted({"a": found}, {"a": found}, "intercept and slope", Updating(slope_sd=5))["a"]
    assert update.rate_weight == update.deviation_weight == pytest.approx(0.05)


def test_two_updates_are_one_after_the_other():
    first = Update("intercept and slope", 0.4, 0.7, 0.7, ((0.0,) * 3,) * 3, 100)
    second = Update("reweighted", -0.2, 1.1, 0.5, ((0.04, 0, 0), (0, 0, 0), (0, 0, 0.01)), 90)
    both = _on_top(first, second)
    rate, deviation = np.array([0.3, -1.0]), np.array([0.5, 0.2])
    expected = second.log_odds(*first.parts(rate, deviation))
    np.testing.assert_allclose(both.log_odds(rate, deviation), expected)
    # The new uncertainty is felt at the parts as the first update serves them.
    np.testing.assert_allclose(
        both.sd(rate, deviation), second.sd(*first.parts(rate, deviation)), rtol=1e-12
    )


def test_nested_outcomes_get_one_kind_and_a_right_model_is_left_alone(artifact, cohort):
    seen = Observations.of(cohort, artifact, Monitoring())
    _, abstains = seen.score(artifact)
    sites = seen.sites(artifact, ~abstains)
    assert not recalibrate(artifact, sites, Updating()).changed
    graver = cohort.assign(crs_grade=(cohort["crs_grade"] + 1).clip(upper=2))
    worse = Observations.of(graver, artifact, Monitoring()).sites(artifact, ~abstains)
    found = recalibrate(artifact, worse, Updating())
    assert found.changed
    assert len({head.update.kind for head in found.artifact.model.heads}) == 1
    risk = [
        Observations.of(graver, model, Monitoring()).score(model)[0]
        for model in (artifact, found.artifact)
    ]
    observed = np.array([s.y.mean() for s in worse.values()])
    before, after = (np.abs(np.nanmean(r, axis=0) - observed) for r in risk)
    assert (after < before / 3).all()


def test_the_smallest_shift_is_found_every_other_time():
    rng = np.random.default_rng(8)
    _, shift = smallest_shift({"a": site(rng, 300)}, 0.05)
    found = [closed_test({"a": site(rng, 300, shift)}, 0.05)[0] != "none" for _ in range(400)]
    # Five standard errors of a share of 400.
    assert np.mean(found) == pytest.approx(0.5, abs=0.125)
