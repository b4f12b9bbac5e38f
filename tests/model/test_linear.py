"""The linear learners minimise what they say they minimise."""

import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from pipeline.config import Linear
from pipeline.model.linear import fit_basis, fit_linear, is_coded, tune_linear
from pipeline.model.splines import curved_parts
from pipeline.model.tuning import inner_folds


@pytest.fixture(scope="module")
def data():
    """Patients with two correlated measurements, a skewed one, a 0/1 and a constant column."""
    rng = np.random.default_rng(5)
    n = 300
    first = rng.normal(size=n)
    X = np.column_stack(
        [first, 0.8 * first + 0.6 * rng.normal(size=n), np.exp(rng.normal(size=n)),
         rng.random(n) < 0.2, np.full(n, 3.7)]
    ).astype(float)  # fmt: skip
    offset = rng.normal(scale=0.7, size=n)
    y = (offset + X[:, 0] - 0.5 * X[:, 3] + rng.logistic(size=n) > 0).astype(float)
    return X, is_coded(X), y, offset


UNKNOWN = [0, 0, 0, 0, 0]  # no column's direction is known


def settings(l1_ratio=0.0, knots=0, penalties=(1.0,), **shares):
    return Linear(
        penalties=list(penalties), l1_ratio=l1_ratio, knots=knots, **({"curvature": 1.0} | shares)
    )


def fit(data, penalty, trends=UNKNOWN, **options):
    X, coded, y, offset = data
    only = settings(penalties=[penalty], **options)
    return fit_linear(X, coded, trends[: X.shape[1]], y[:, None], offset[:, None], np.ones(1), only)


def best_intercept(y, log_odds):
    """Where the expected events are as many as the observed: every intercept is free."""
    return brentq(lambda a: np.sum(expit(a + log_odds) - y), -20, 20, xtol=1e-12)


def test_only_columns_of_0_and_1_are_coded():
    Z = np.array([[0, 0.0, 2, np.nan, 0.5], [1, np.nan, 1, np.nan, 1.0]])
    np.testing.assert_array_equal(is_coded(Z), [True, True, False, True, False])


def test_terms_are_standardised_and_codes_scaled_by_a_half(data):
    X, coded, _, _ = data
    terms = fit_basis(X, coded, 0).terms(X)
    np.testing.assert_allclose(terms.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(terms[:, :3].std(axis=0), 1)
    assert np.ptp(terms[:, 3]) == pytest.approx(2)  # from 0 to 1 is two halves, however rare
    np.testing.assert_array_equal(terms[:, 4], 0)


def test_spline_terms_follow_their_column(data):
    X, coded, _, _ = data
    basis = fit_basis(X, coded, 4)
    np.testing.assert_array_equal(basis.column_of_term, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 4])
    raw = curved_parts(X[:, 1], basis.knots[1])
    expected = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    np.testing.assert_allclose(basis.terms(X)[:, 4:6], expected, atol=1e-10)


@pytest.mark.parametrize("penalty", [0.5, 10.0, 300.0])
def test_ridge_equals_scikit_learns(data, penalty):
    X, coded, y, _ = data
    found = fit((X, coded, y, np.zeros(len(y))), penalty)
    reference = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000)
    reference.fit(found.basis.terms(X), y)
    np.testing.assert_allclose(found.coefficients, reference.coef_[0], atol=1e-4)


@pytest.mark.parametrize("knots", [0, 4])
def test_ridge_with_an_offset_minimises_the_penalised_deviance(data, knots):
    X, _, y, offset = data
    penalty = 20.0
    found = fit(data, penalty, knots=knots)
    terms = found.basis.terms(X)

    def objective(beta):
        eta = offset + beta[0] + terms @ beta[1:]
        return np.sum(np.logaddexp(0, eta) - y * eta) + 0.5 * penalty * np.sum(beta[1:] ** 2)

    best = minimize(objective, np.zeros(terms.shape[1] + 1), method="BFGS", options={"gtol": 1e-7})
    intercept = best_intercept(y, offset + found.margin(X))
    ours = objective(np.append(intercept, found.coefficients))
    assert ours <= best.fun + 1e-6
    np.testing.assert_allclose(found.coefficients, best.x[1:], atol=1e-4)


@pytest.mark.parametrize("penalty", [2.0, 20.0, 60.0])
@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_elastic_net_meets_its_optimality_conditions(data, penalty, l1_ratio):
    X, _, y, offset = data
    found = fit(data, penalty, l1_ratio=l1_ratio)
    terms, w = found.basis.terms(X), found.coefficients
    log_odds = offset + found.margin(X)
    residual = y - expit(best_intercept(y, log_odds) + log_odds)
    pull = terms.T @ residual - penalty * (1 - l1_ratio) * w
    tolerance = 5e-5 * len(y)
    kept = w != 0
    np.testing.assert_allclose(
        pull[kept], penalty * l1_ratio * np.sign(w[kept]), rtol=0, atol=tolerance
    )
    assert (np.abs(pull[~kept]) <= penalty * l1_ratio + tolerance).all()


def test_a_strong_lasso_keeps_nothing_but_the_intercept(data):
    np.testing.assert_array_equal(fit(data, 1e4, l1_ratio=1.0).coefficients, 0)


def test_penalty_is_a_priors_precision_whatever_the_number_of_patients(data):
    # Twice the patients carry twice the likelihood: the same fit needs twice the precision,
    # and the same precision shrinks less.
    X, coded, y, offset = data
    doubled = (np.tile(X, (2, 1)), coded, np.tile(y, 2), np.tile(offset, 2))
    once = fit(data, 30.0).coefficients
    np.testing.assert_allclose(fit(doubled, 60.0).coefficients, once, atol=1e-5)
    assert np.linalg.norm(fit(doubled, 30.0).coefficients) > 1.1 * np.linalg.norm(once)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_a_constant_column_gets_no_weight_and_does_not_move_others(data, l1_ratio):
    X, coded, y, offset = data
    found = fit(data, 5.0, l1_ratio=l1_ratio)
    assert found.coefficients[4] == 0
    without = fit((X[:, :4], coded[:4], y, offset), 5.0, l1_ratio=l1_ratio)
    np.testing.assert_allclose(found.coefficients[:4], without.coefficients, atol=1e-5)
    # Nor does a value that training never saw in it.
    changed = X.copy()
    changed[:, 4] = 1e6
    np.testing.assert_array_equal(found.margin(changed), found.margin(X))


def test_nothing_but_constant_columns_deviates_from_nothing():
    y = np.repeat([0.0, 1.0], [60, 40])
    cases = (np.ones((100, 2)), np.array([True, False]), y, np.zeros(100))
    np.testing.assert_array_equal(fit(cases, 10.0, knots=4).margin(np.full((3, 2), 5.0)), 0)


def test_rescaling_a_column_changes_nothing(data):
    X, coded, y, offset = data
    scaled = X * np.array([1000.0, 1, 0.001, 1, 1]) + np.array([5.0, 0, 2, 0, 0])
    np.testing.assert_allclose(
        fit((scaled, coded, y, offset), 10.0, knots=4).margin(scaled),
        fit(data, 10.0, knots=4).margin(X),
        atol=1e-6,
    )


def test_tuning_returns_margins_of_models_that_did_not_see_the_patient(data):
    X, coded, y, offset = data
    folds = inner_folds(y, 3, 0)
    only = settings(penalties=[8.0])
    weights, margin = tune_linear(X, coded, UNKNOWN, y[:, None], offset[:, None], folds, only, 1)
    np.testing.assert_array_equal(weights, [1.0])
    held = folds == 1
    alone = fit((X[~held], coded, y[~held], offset[~held]), 8.0)
    np.testing.assert_allclose(margin[held], alone.margin(X[held]), atol=1e-4)


def test_noise_is_shrunk_harder_than_signal(data):
    X, coded, y, offset = data
    noise = np.random.default_rng(1).permutation(y)
    folds = inner_folds(y, 5, 0)
    grid = settings(penalties=[0.1, 1, 10, 100, 1000])
    zero = np.zeros((len(y), 1))
    weights, _ = tune_linear(X, coded, UNKNOWN, y[:, None], offset[:, None], folds, grid, 1)
    of_noise, _ = tune_linear(X, coded, UNKNOWN, noise[:, None], zero, folds, grid, 1)
    assert of_noise @ np.log(grid.penalties) > weights @ np.log(grid.penalties)


def test_coefficients_are_averaged_over_penalties(data):
    X, coded, y, offset = data
    weights = np.array([0.25, 0.75])
    both = settings(penalties=[5.0, 50.0])
    found = fit_linear(X, coded, UNKNOWN, y[:, None], offset[:, None], weights, both)
    each = [fit(data, penalty).coefficients for penalty in (5.0, 50.0)]
    np.testing.assert_allclose(found.coefficients, weights @ np.array(each), atol=1e-4)
    assert found.penalty == pytest.approx(5.0**0.25 * 50.0**0.75)


def test_nested_outcomes_are_one_logistic_regression_with_an_intercept_each(data):
    # Independent solver: the stacked outcomes, an indicator for each, the ridge on the rest.
    X, coded, y, offset = data
    harder = y * (np.random.default_rng(2).random(len(y)) < 0.4)
    Y, offsets = np.column_stack([y, harder]), np.column_stack([offset, offset - 1])
    found = fit_linear(X, coded, UNKNOWN, Y, offsets, np.ones(1), settings(penalties=[15.0]))
    terms = found.basis.terms(X)

    def objective(beta):
        eta = offsets + beta[:2] + (terms @ beta[2:])[:, None]
        # The penalty counts once per outcome, as the patients do.
        return np.sum(np.logaddexp(0, eta) - Y * eta) + 2 * 0.5 * 15.0 * np.sum(beta[2:] ** 2)

    best = minimize(objective, np.zeros(terms.shape[1] + 2), method="BFGS", options={"gtol": 1e-6})
    np.testing.assert_allclose(found.coefficients, best.x[2:], atol=2e-4)


def test_each_term_bears_its_share_of_the_penalty(data):
    """The gradient of the likelihood balances each term's own penalty."""
    X, _, y, offset = data
    shares = {"known_direction": 0.25, "curvature": 7.0}
    found = fit(data, 20.0, trends=[1, 0, -1, 0, 0], knots=4, **shares)
    terms, w = found.basis.terms(X), found.coefficients
    a = best_intercept(y, offset + terms @ w)
    pull = terms.T @ (y - expit(a + offset + terms @ w))
    column = found.basis.column_of_term
    assert column.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 4]
    share = np.array([0.25, 7, 7, 1, 7, 7, 0.25, 7, 7, 1, 1])
    np.testing.assert_allclose(pull, 20.0 * share * w, atol=0.05)


def test_less_penalty_means_a_larger_effect(data):
    known, unknown = fit(data, 30.0, trends=[1, 0, 0, 0, 0]), fit(data, 30.0)
    assert known.coefficients[0] > unknown.coefficients[0] > 0
    bent = [
        np.abs(fit(data, 5.0, knots=4, curvature=c).coefficients[1:3]).sum() for c in (1.0, 100.0)
    ]
    assert bent[1] < 0.1 * bent[0]
