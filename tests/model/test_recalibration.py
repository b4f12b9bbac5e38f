"""The weights of prior and deviation: the constrained optimum, whatever the data say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

from pipeline.model.recalibration import fit_recalibration, fit_shrunk


def penalised_loss(y, offset, F, intercept_sd, mean, sd):
    def loss(beta):
        eta = offset + beta[0] + F @ beta[1:]
        fit = np.sum(np.logaddexp(0, eta) - y * eta)
        return (
            fit + 0.5 * (beta[0] / intercept_sd) ** 2 + 0.5 * np.sum(((beta[1:] - mean) / sd) ** 2)
        )

    return loss


@st.composite
def problems(draw):
    """Correlated deviations that may point either way, as nested outcomes' may."""
    seed, m = draw(st.integers(0, 10_000)), draw(st.integers(0, 4))
    n = draw(st.sampled_from([10, 60, 400]))
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, 1))
    F = draw(st.sampled_from([0.0, 1.0, 3.0])) * shared + rng.normal(size=(n, m))
    offset = rng.normal(size=n)
    true = rng.normal(-0.5, 1.5, m)
    y = (offset + F @ true + rng.logistic(size=n) > 0).astype(float)
    return y, offset, F, 1.0, np.full(m, 0.4), np.full(m, draw(st.sampled_from([0.15, 0.5, 5.0])))


@settings(deadline=None, max_examples=80)
@given(problems())
def test_no_feasible_weights_do_better(problem):
    _, _, F, _, mean, _ = problem
    a, b = fit_recalibration(*problem)
    assert (b >= 0).all()
    loss = penalised_loss(*problem)
    best = minimize(
        loss, np.append(0.0, mean), bounds=[(None, None)] + [(0, None)] * F.shape[1],
        method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9},
    )  # fmt: skip
    assert loss(np.append(a, b)) <= best.fun + 1e-7 * (1 + abs(best.fun))


def test_tight_beliefs_are_returned():
    rng = np.random.default_rng(0)
    y, F = rng.integers(0, 2, 50).astype(float), rng.normal(size=(50, 2))
    a, b = fit_recalibration(y, np.zeros(50), F, 1e-6, np.array([0.5, 0.25]), np.full(2, 1e-6))
    assert a == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(b, [0.5, 0.25], atol=1e-6)


def test_a_reversed_deviation_gets_no_weight_rather_than_a_negative_one():
    rng = np.random.default_rng(1)
    F = rng.normal(size=(500, 1))
    y = (rng.random(500) < expit(-2 * F[:, 0])).astype(float)
    _, b = fit_recalibration(y, np.zeros(500), F, 1.0, np.array([0.5]), np.array([0.25]))
    assert b[0] == 0


def test_a_large_sample_gives_back_what_made_it():
    rng = np.random.default_rng(2)
    n = 200_000
    F, offset = rng.normal(size=(n, 2)), rng.normal(size=n)
    y = (rng.random(n) < expit(offset - 0.4 + F @ [0.8, 0.3])).astype(float)
    a, b = fit_recalibration(y, offset, F, 1.0, np.array([0.5, 0.25]), np.full(2, 0.25))
    assert a == pytest.approx(-0.4, abs=0.03)
    np.testing.assert_allclose(b, [0.8, 0.3], atol=0.03)


def test_without_deviations_the_intercept_alone_is_fitted():
    # A flat belief: the fitted risks add up to the events.
    y = np.repeat([1.0, 0.0], [30, 70])
    a, b = fit_recalibration(y, np.zeros(100), np.empty((100, 0)), 1e3, np.empty(0), np.empty(0))
    assert a == pytest.approx(np.log(30 / 70), abs=1e-5)
    assert b.shape == (0,)


@pytest.mark.parametrize("events", [0, 50])
def test_one_class_alone_stays_finite(events):
    y = np.repeat([1.0, 0.0], [events, 50 - events])
    F = np.random.default_rng(0).normal(size=(50, 1))
    a, b = fit_recalibration(y, np.zeros(50), F, 1.0, np.array([0.5]), np.array([0.25]))
    assert np.isfinite([a, *b]).all()
    assert abs(a) < 6


def test_extreme_deviations_do_not_overflow():
    F = np.array([[1e3], [-1e3], [800.0], [-900.0]])
    y = np.array([1.0, 0.0, 0.0, 1.0])
    a, b = fit_recalibration(y, np.zeros(4), F, 1.0, np.array([0.5]), np.array([0.25]))
    assert np.isfinite([a, *b]).all()


def test_random_intercepts_shrink_small_groups_more():
    # Two groups with the same excess of events, one ten times the other.
    y = np.concatenate(
        [np.tile([1, 1, 1, 0], 100), np.tile([1, 1, 1, 0], 10), np.tile([0, 1], 300)]
    )
    group = np.repeat([0, 1, 2], [400, 40, 600])
    X = (group[:, None] == [0, 1]).astype(float)
    found = fit_shrunk(y.astype(float), np.zeros(len(y)), X, 1.0, 0.5)
    assert 0 < found[1] < found[0] < np.log(3)


def test_random_intercepts_are_the_posterior_mode():
    rng = np.random.default_rng(4)
    X = (rng.integers(0, 3, 200)[:, None] == np.arange(3)).astype(float)
    offset = rng.normal(size=200)
    y = (offset + X @ [1, 0, -1] + rng.logistic(size=200) > 0).astype(float)
    loss = penalised_loss(y, offset, X, 1.0, np.zeros(3), np.full(3, 0.5))
    best = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-8})
    np.testing.assert_allclose(fit_shrunk(y, offset, X, 1.0, 0.5), best.x[1:], atol=1e-5)
