"""The linear learners: penalised logistic regression on top of the prior log-odds.

A ridge on restricted cubic splines and an elastic net on straight terms are the same code
with other settings. Both read the model matrix with its missing values filled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.config import Linear as Settings
from pipeline.model.splines import curved_parts, place_knots
from pipeline.model.tuning import Tuned, choose


@dataclass(frozen=True)
class Basis:
    """How the filled model matrix becomes terms of a linear model; fitted on training patients.

    Attributes
    ----------
    knots : list of list of float
        Per column; empty for a straight term alone.
    centre, scale : ndarray, shape (terms,)
        Mean and standard deviation of each term (1/2 for 0/1 columns, after Gelman 2008:
        rare levels are then not blown up). Terms without variation have scale infinity.
    """

    knots: list[list[float]]
    centre: np.ndarray
    scale: np.ndarray

    @property
    def column_of_term(self) -> np.ndarray:
        """Column of the model matrix that each term comes from, shape (terms,)."""
        counts = [1 + max(len(k) - 2, 0) for k in self.knots]
        return np.repeat(np.arange(len(self.knots)), counts)

    def terms(self, filled: np.ndarray) -> np.ndarray:
        """Centred and scaled terms, shape (n, terms)."""
        return (_raw_terms(filled, self.knots) - self.centre) / self.scale


@dataclass(frozen=True)
class LinearLearner:
    """A fitted penalised logistic regression.

    Attributes
    ----------
    basis : Basis
    coefficients : ndarray, shape (terms,)
        On the scaled terms.
    intercept : float
    penalty : float
        What inner cross-validation chose.
    """

    basis: Basis
    coefficients: np.ndarray
    intercept: float
    penalty: float

    def contributions(self, filled: np.ndarray) -> np.ndarray:
        """Contribution of each column in log-odds, and the base value last.

        Terms are centred at their training means, so that the base value is the learner's
        margin of the average patient. Shape (n, columns + 1).
        """
        parts = self.basis.terms(filled) * self.coefficients
        starts = np.flatnonzero(np.diff(self.basis.column_of_term, prepend=-1))
        out = np.empty((len(filled), filled.shape[1] + 1))
        out[:, :-1] = np.add.reduceat(parts, starts, axis=1)
        out[:, -1] = self.intercept
        return out

    def margin(self, filled: np.ndarray) -> np.ndarray:
        """Deviation in log-odds, shape (n,)."""
        return self.basis.terms(filled) @ self.coefficients + self.intercept


def fit_basis(filled: np.ndarray, coded: np.ndarray, knots: int) -> Basis:
    """Fit knots, centres and scales on training patients.

    Parameters
    ----------
    filled : ndarray, shape (n, columns)
        Model matrix without missing values.
    coded : ndarray of bool, shape (columns,)
        Which columns are 0/1.
    knots : int
        Knots of the restricted cubic splines, 0 for straight terms.
    """
    places = [[] if c else place_knots(z, knots) for z, c in zip(filled.T, coded, strict=True)]
    raw = _raw_terms(filled, places)
    centre, scale = raw.mean(axis=0), raw.std(axis=0)
    constant = scale <= 1e-9 * np.maximum(np.abs(centre), 1.0)
    basis = Basis(places, centre, scale)
    scale = np.where(coded[basis.column_of_term], 0.5, scale)
    return Basis(places, centre, np.where(constant, np.inf, scale))


def is_coded(Z: np.ndarray) -> np.ndarray:
    """Which columns of a model matrix hold nothing but 0 and 1, shape (columns,)."""
    return np.all(np.isnan(Z) | (Z == 0) | (Z == 1), axis=0)


def tune_linear(
    filled: np.ndarray,
    coded: np.ndarray,
    y: np.ndarray,
    offset: np.ndarray,
    folds: np.ndarray,
    settings: Settings,
    one_standard_error: bool,
) -> Tuned:
    """Choose the penalty by inner cross-validation; see ``tune_trees`` for the shapes."""
    penalties = sorted(settings.penalties, reverse=True)
    margins = np.empty((len(penalties), len(y)))
    for fold in np.unique(folds):
        held = folds == fold
        basis = fit_basis(filled[~held], coded, settings.knots)
        X, held_terms = basis.terms(filled[~held]), basis.terms(filled[held])
        start = None
        for step, penalty in enumerate(penalties):
            start = _solve(X, y[~held], offset[~held], penalty, settings.l1_ratio, start)
            margins[step, held] = held_terms @ start[1:] + start[0]
    return choose(penalties, margins, y, offset, one_standard_error)


def fit_linear(
    filled: np.ndarray,
    coded: np.ndarray,
    y: np.ndarray,
    offset: np.ndarray,
    penalty: float,
    settings: Settings,
) -> LinearLearner:
    """Fit with the chosen penalty on all patients."""
    basis = fit_basis(filled, coded, settings.knots)
    solution = _solve(basis.terms(filled), y, offset, penalty, settings.l1_ratio, None)
    return LinearLearner(basis, solution[1:], float(solution[0]), penalty)


def _solve(
    X: np.ndarray,
    y: np.ndarray,
    offset: np.ndarray,
    penalty: float,
    l1_ratio: float,
    start: np.ndarray | None,
) -> np.ndarray:
    """Intercept and coefficients that minimise the penalised deviance.

    ``penalty`` is the weight of the penalty against the summed log-likelihood: for the ridge
    the precision of the coefficients' normal prior, whatever the number of patients.
    """
    from glum import GeneralizedLinearRegressor

    regression = GeneralizedLinearRegressor(
        family="binomial",
        link="logit",
        alpha=penalty / len(y),
        l1_ratio=l1_ratio,
        fit_intercept=True,
        scale_predictors=False,
        gradient_tol=1e-4,
        max_iter=200,
        start_params=start,
    )
    regression.fit(np.ascontiguousarray(X), y.astype(float), offset=offset)
    return np.concatenate([[regression.intercept_], regression.coef_])


def _raw_terms(filled: np.ndarray, knots: list[list[float]]) -> np.ndarray:
    parts = []
    for j, places in enumerate(knots):
        parts.append(filled[:, j : j + 1])
        if places:
            parts.append(curved_parts(filled[:, j], places))
    return np.concatenate(parts, axis=1)
