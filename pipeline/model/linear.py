"""The linear learners: penalised logistic regression on top of the prior log-odds.

A ridge on restricted cubic splines and an elastic net on straight terms are the same code
with other settings. Both read the model matrix with its missing values filled, and learn nested
outcomes together: the same coefficients, an intercept for each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.config import Linear as Settings
from pipeline.model.splines import curved_parts, place_knots
from pipeline.model.tuning import averaging_weights, losses_of


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
        return np.repeat(np.arange(len(self.knots)), np.array(counts, dtype=int))

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
    penalty : float
        Geometric mean of the penalties averaged over, by their weights.
    """

    basis: Basis
    coefficients: np.ndarray
    penalty: float

    def contributions(self, filled: np.ndarray) -> np.ndarray:
        """Contribution of each column in log-odds, shape (n, columns).

        Terms are centred at their training means: the average patient's are 0.
        """
        parts = self.basis.terms(filled) * self.coefficients
        starts = np.flatnonzero(np.diff(self.basis.column_of_term, prepend=-1))
        return np.add.reduceat(parts, starts, axis=1)

    def margin(self, filled: np.ndarray) -> np.ndarray:
        """Deviation in log-odds, shape (n,)."""
        return self.basis.terms(filled) @ self.coefficients


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
    trends: list[int],
    Y: np.ndarray,
    offset: np.ndarray,
    folds: np.ndarray,
    settings: Settings,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Weigh the penalties by inner cross-validation; see ``tune_trees`` for the shapes.

    Returns
    -------
    weights : ndarray, shape (penalties,)
        In the order of the config's penalties.
    margin : ndarray, shape (n,)
        Out-of-fold deviations so averaged, without intercept, as `LinearLearner.margin` is.
    """
    margins = np.empty((len(settings.penalties), *Y.shape))
    centred = np.empty((len(settings.penalties), len(Y)))
    for fold in np.unique(folds):
        held = folds == fold
        basis = fit_basis(filled[~held], coded, settings.knots)
        held_terms = basis.terms(filled[held])
        shares = _shares(basis, trends, settings)
        path = _path(basis.terms(filled[~held]), Y[~held], offset[~held], shares, settings)
        for step, (intercepts, coefficients) in enumerate(path):
            centred[step, held] = held_terms @ coefficients
            margins[step, held] = centred[step, held][:, None] + intercepts
    weights = averaging_weights(losses_of(margins, Y, offset), seed)
    return weights, weights @ centred


def fit_linear(
    filled: np.ndarray,
    coded: np.ndarray,
    trends: list[int],
    Y: np.ndarray,
    offset: np.ndarray,
    weights: np.ndarray,
    settings: Settings,
) -> LinearLearner:
    """Fit at each penalty on all patients, and average the coefficients."""
    basis = fit_basis(filled, coded, settings.knots)
    shares = _shares(basis, trends, settings)
    path = _path(basis.terms(filled), Y, offset, shares, settings)
    coefficients = weights @ np.array([solution for _, solution in path])
    penalty = float(np.exp(weights @ np.log(settings.penalties)))
    return LinearLearner(basis, coefficients, penalty)


_Solution = tuple[np.ndarray, np.ndarray]


def _shares(basis: Basis, trends: list[int], settings: Settings) -> np.ndarray:
    """How much of the penalty each term bears, shape (terms,).

    A column of known direction is believed to matter, and a curve to bend little.
    """
    column = basis.column_of_term
    straight = np.diff(column, prepend=-1) > 0
    known = np.asarray(trends)[column] != 0
    return np.where(straight, np.where(known, settings.known_direction, 1.0), settings.curvature)


def _path(
    X: np.ndarray, Y: np.ndarray, offset: np.ndarray, shares: np.ndarray, settings: Settings
) -> list[_Solution]:
    """Solve at each of the config's penalties, each from the next larger one's solution."""
    solutions: dict[float, _Solution] = {}
    start = None
    for penalty in sorted(settings.penalties, reverse=True):
        start = _solve(X, Y, offset, penalty * shares, settings.l1_ratio, start)
        solutions[penalty] = start
    return [solutions[penalty] for penalty in settings.penalties]


def _solve(
    X: np.ndarray,
    Y: np.ndarray,
    offset: np.ndarray,
    penalties: np.ndarray,
    l1_ratio: float,
    start: _Solution | None,
) -> _Solution:
    """Intercepts (outcomes,) and coefficients that minimise the penalised deviance.

    ``penalties``, one per term, are weighed against the log-likelihood of one outcome, summed
    over patients: for the ridge the precisions of the coefficients' normal prior, whatever the
    number of patients. Patients count once per outcome; so do the penalties.
    """
    from glum import GeneralizedLinearRegressor

    n, outcomes = Y.shape
    # The first outcome's intercept is the fit's own; the others differ from it, unpenalised.
    further = np.zeros((n * outcomes, outcomes - 1))
    for k in range(1, outcomes):
        further[k * n : (k + 1) * n, k - 1] = 1.0
    weights = np.append(penalties / n, np.zeros(outcomes - 1))
    first = None
    if start is not None:
        intercepts, coefficients = start
        first = np.concatenate([intercepts[:1], coefficients, intercepts[1:] - intercepts[0]])
    regression = GeneralizedLinearRegressor(
        family="binomial",
        link="logit",
        alpha=1.0,
        l1_ratio=l1_ratio,
        P1=weights,
        P2=weights,
        fit_intercept=True,
        scale_predictors=False,
        gradient_tol=1e-4,
        max_iter=200,
        start_params=first,
    )
    regression.fit(
        np.column_stack([np.tile(X, (outcomes, 1)), further]),
        Y.T.ravel(),
        offset=offset.T.ravel(),
    )
    coefficients = regression.coef_[: X.shape[1]]
    intercepts = regression.intercept_ + np.append(0.0, regression.coef_[X.shape[1] :])
    return intercepts, coefficients


def _raw_terms(filled: np.ndarray, knots: list[list[float]]) -> np.ndarray:
    parts = [filled[:, :0]]
    for j, places in enumerate(knots):
        parts.append(filled[:, j : j + 1])
        if places:
            parts.append(curved_parts(filled[:, j], places))
    return np.concatenate(parts, axis=1)
