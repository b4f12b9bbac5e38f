import numpy as np
import pytest
from glum import GeneralizedLinearRegressor
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from pipeline.evaluation.logistic import fit_logistic


@pytest.fixture
def data():
    rng = np.random.default_rng(5)
    X = np.column_stack([np.ones(400), rng.normal(size=(400, 2))])
    observed = (rng.random(400) < 1 / (1 + np.exp(-(X @ [-0.5, 1.0, -0.3])))).astype(float)
    return X, observed, rng.integers(0, 4, size=(3, 400)).astype(float)


def test_each_row_of_weights_is_the_fit_of_scikit_learn(data):
    X, observed, weights = data
    found = fit_logistic(X, observed, weights)
    for row, w in zip(found, weights, strict=True):
        model = LogisticRegression(C=1e12, fit_intercept=False, tol=1e-10, max_iter=1000)
        assert row == pytest.approx(model.fit(X, observed, w).coef_[0], abs=1e-5)


def test_an_offset_enters_with_weight_one_as_in_glum(data):
    X, observed, _ = data
    offset = np.linspace(-1, 1, len(X))
    model = GeneralizedLinearRegressor(
        family="binomial", alpha=0, fit_intercept=False, gradient_tol=1e-9
    ).fit(X, observed, offset=offset)
    found = fit_logistic(X, observed, np.ones((1, len(X))), offset)[0]
    assert found == pytest.approx(model.coef_, abs=1e-6)


def test_a_precision_is_a_normal_prior(data):
    X, observed, weights = data
    precision = np.array([0.0, 4.0, 25.0])

    def minus_log_posterior(theta):
        eta = X @ theta
        likelihood = weights[0] @ (observed * eta - np.logaddexp(0, eta))
        return -likelihood + precision @ theta**2 / 2

    expected = minimize(minus_log_posterior, np.zeros(3), tol=1e-12).x
    found = fit_logistic(X, observed, weights[:1], precision=precision)[0]
    assert found == pytest.approx(expected, abs=1e-5)


def test_the_start_does_not_change_the_solution(data):
    X, observed, weights = data
    far = fit_logistic(X, observed, weights, start=np.array([3.0, -2.0, 2.0]))
    assert far == pytest.approx(fit_logistic(X, observed, weights), abs=1e-8)


def test_what_has_no_finite_maximum_is_nan_and_leaves_the_others_alone():
    x = np.array([-2.0, -1.0, 1.0, 2.0, 3.0])
    X = np.column_stack([np.ones(5), x])
    observed = np.array([0, 1, 0, 1, 1.0])
    separated, one_class = np.array([1, 0, 1, 1, 0.0]), np.array([1, 0, 1, 0, 0.0])
    weights = np.stack([np.ones(5), separated, one_class, np.ones(5)])
    found = fit_logistic(X, observed, weights)
    assert np.isnan(found).all(axis=1).tolist() == [False, True, True, False]
    assert found[0] == pytest.approx(found[3])


def test_a_prior_makes_a_fold_without_events_finite():
    found = fit_logistic(
        np.ones((10, 1)), np.zeros(10), np.ones((1, 10)), precision=np.array([0.16])
    )[0, 0]
    # The maximum: sum of risks equals the pull of the prior.
    assert 10 / (1 + np.exp(-found)) == pytest.approx(-0.16 * found, rel=1e-6)


def test_single_precision_is_exact_to_a_thousandth_of_a_standard_error(data):
    X, observed, weights = data
    double = fit_logistic(X, observed, weights)
    single = fit_logistic(X, observed, weights.astype(np.float32), tolerance=1e-3)
    risk = 1 / (1 + np.exp(-(X @ double[0])))
    information = (X * (weights[0] * risk * (1 - risk))[:, None]).T @ X
    standard_error = np.sqrt(np.diag(np.linalg.inv(information)))
    assert (np.abs(single - double)[0] < 1e-3 * standard_error).all()
