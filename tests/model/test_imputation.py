"""Missing values get their conditional expectation, and nothing else changes."""

import numpy as np
import pytest

from pipeline.model.imputation import FactorImputer, fit_imputer


def factor_data(n, seed=0, columns=12, noise=0.5):
    """Gaussian data of two factors, on scales of their own, and its exact covariance."""
    rng = np.random.default_rng(seed)
    loadings = np.random.default_rng(99).normal(size=(columns, 2))
    scale, centre = np.geomspace(0.01, 1000, columns), np.linspace(-5, 50, columns)
    X = rng.normal(size=(n, 2)) @ loadings.T + noise * rng.normal(size=(n, columns))
    covariance = loadings @ loadings.T + noise**2 * np.eye(columns)
    return centre + scale * X, centre, scale, covariance


def with_holes(Z, share, seed=1):
    holes = np.random.default_rng(seed).random(Z.shape) < share
    return np.where(holes, np.nan, Z), holes


def conditional_mean(row, known, centre, scale, covariance):
    """E[missing | known] of a Gaussian, from the textbook."""
    x = (row[known] - centre[known]) / scale[known]
    weights = np.linalg.solve(covariance[np.ix_(known, known)], x)
    expected = centre.copy()
    expected[~known] += scale[~known] * (covariance[np.ix_(~known, known)] @ weights)
    return expected[~known]


def test_it_finds_the_conditional_expectation_of_a_factor_model():
    Z, centre, scale, covariance = factor_data(3000)
    holed, holes = with_holes(Z, 0.3)
    filled = fit_imputer(holed, 2, 0).fill(holed)
    exact = Z.copy()
    for row in range(len(Z)):
        exact[row, holes[row]] = conditional_mean(Z[row], ~holes[row], centre, scale, covariance)
    spread = Z.std(axis=0)
    error = ((filled - exact) / spread)[holes]
    guess = ((centre - exact) / spread)[holes]
    assert np.sqrt(np.mean(error**2)) < 0.15 * np.sqrt(np.mean(guess**2))


def test_it_predicts_hidden_values_far_better_than_the_mean():
    Z, *_ = factor_data(400)
    holed, holes = with_holes(Z, 0.2)
    filled = fit_imputer(holed, 8, 0).fill(holed)
    mean = np.broadcast_to(np.nanmean(holed, axis=0), Z.shape)
    spread = Z.std(axis=0)
    ours = np.mean((((filled - Z) / spread)[holes]) ** 2)
    naive = np.mean((((mean - Z) / spread)[holes]) ** 2)
    assert ours < 0.4 * naive


def test_independent_columns_are_not_made_up():
    # Nothing predicts: the expectation is near the mean, and chance factors may not pretend.
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(1000, 10))
    holed, holes = with_holes(Z, 0.2)
    filled = fit_imputer(holed, 8, 0).fill(holed)
    assert np.sqrt(np.mean(filled[holes] ** 2)) < 0.3


def test_known_values_are_untouched_and_nothing_stays_missing():
    Z, *_ = factor_data(200)
    holed, holes = with_holes(Z, 0.4)
    before = holed.copy()
    filled = fit_imputer(holed, 5, 0).fill(holed)
    np.testing.assert_array_equal(filled[~holes], Z[~holes])
    np.testing.assert_array_equal(holed, before)
    assert np.isfinite(filled).all()


def test_a_patient_of_whom_nothing_is_known_gets_the_means():
    holed, _ = with_holes(factor_data(200)[0], 0.3)
    imputer = fit_imputer(holed, 4, 0)
    nothing = np.full((1, holed.shape[1]), np.nan)
    np.testing.assert_allclose(imputer.fill(nothing)[0], np.nanmean(holed, axis=0), rtol=1e-12)


def test_a_row_is_filled_alike_alone_and_among_others():
    holed, _ = with_holes(factor_data(100)[0], 0.3)
    imputer = fit_imputer(holed, 4, 0)
    together = imputer.fill(holed)
    alone = np.concatenate([imputer.fill(holed[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(alone, together[:20], rtol=1e-10)


def test_same_data_and_seed_give_the_same_bits():
    Z = np.tile(with_holes(factor_data(3000)[0], 0.2)[0], (2, 1))  # more than are fitted
    first, second = fit_imputer(Z, 4, 7), fit_imputer(Z, 4, 7)
    np.testing.assert_array_equal(first.loadings, second.loadings)
    np.testing.assert_array_equal(first.own_variance, second.own_variance)


def constant_column():
    Z = np.random.default_rng(0).normal(size=(50, 3))
    Z[:, 1] = 4.0
    Z[::5, 1] = np.nan
    return Z


def missing_column():
    Z = np.random.default_rng(0).normal(size=(50, 3))
    Z[:, 2] = np.nan
    return Z


def copied_columns():
    x = np.random.default_rng(0).normal(size=(50, 1))
    Z = np.hstack([x, x, 2 * x])
    Z[::4, 0] = np.nan
    return Z


@pytest.mark.parametrize(
    "Z",
    [
        np.array([[1.0], [np.nan], [3.0]]),
        constant_column(),
        missing_column(),
        copied_columns(),
        np.array([[1.0, np.nan, 3.0], [2.0, 5.0, np.nan]]),
        np.array([[1.0, np.nan, 3.0]]),
        np.full((5, 2), np.nan),
    ],
    ids=["one column", "constant", "missing", "copies", "two patients", "one patient", "nothing"],
)
def test_degenerate_cohorts_are_filled_with_finite_values(Z):
    imputer = fit_imputer(Z, 8, 0)
    assert np.isfinite(imputer.fill(Z)).all()
    assert np.isfinite(imputer.fill(np.full((2, Z.shape[1]), np.nan))).all()


def test_a_constant_column_is_filled_with_its_value():
    Z = constant_column()
    np.testing.assert_allclose(fit_imputer(Z, 2, 0).fill(Z)[:, 1], 4.0)


def test_columns_that_training_knew_throughout_are_told_apart():
    Z, _ = factor_data(6000, columns=4)[0], None
    Z[5999, 1] = np.nan  # one missing value among more patients than are fitted
    imputer = fit_imputer(Z, 2, 0)
    np.testing.assert_array_equal(imputer.complete, [True, False, True, True])
    asked = np.array([[np.nan, np.nan, 1.0, 1.0]])
    found = imputer.fill_complete(asked, imputer.fill(asked))
    assert np.isfinite(found[0, 0])
    assert np.isnan(found[0, 1])
    np.testing.assert_array_equal(found[0, 2:], [1.0, 1.0])


def test_the_fitted_model_is_plain_numbers():
    imputer = fit_imputer(factor_data(50)[0], 3, 0)
    assert isinstance(imputer, FactorImputer)
    assert imputer.loadings.shape == (12, 3)
    assert (imputer.own_variance > 0).all()
