"""Missing values for the linear learners: expected values under a factor model.

Laboratory values move together (inflammation, marrow reserve, tumour burden), so what is
measured tells something of what is not. The trees read missing values as they are, but only
in columns where training showed them some: LightGBM scores any other missing value as 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# A column keeps at least this share of its variance to itself: without it, a column that is
# a copy of others would make the fit singular.
_LEAST_OWN_VARIANCE = 0.05
_ITERATIONS = 15
_FIT_PATIENTS = 5000
_BLOCK = 20_000


@dataclass(frozen=True)
class FactorImputer:
    """A Gaussian factor model of the model matrix; fitted on training patients.

    Attributes
    ----------
    centre, scale : ndarray, shape (columns,)
        Mean and standard deviation of the known values.
    loadings : ndarray, shape (columns, factors)
        Of the standardised columns.
    own_variance : ndarray, shape (columns,)
        What the factors leave of each column's variance.
    complete : ndarray of bool, shape (columns,)
        Columns that were known of every training patient.
    """

    centre: np.ndarray
    scale: np.ndarray
    loadings: np.ndarray
    own_variance: np.ndarray
    complete: np.ndarray

    def fill(self, Z: np.ndarray) -> np.ndarray:
        """Replace missing values by their expectation given the known ones.

        Parameters
        ----------
        Z : ndarray, shape (n, columns)
            Model matrix, NaN where missing; not changed.
        """
        missing = np.isnan(Z)
        if not missing.any():
            return Z
        filled = Z.copy()
        rows = np.flatnonzero(missing.any(axis=1))
        # In blocks: the factors' precision takes factors squared numbers per patient.
        for block in np.array_split(rows, -(-len(rows) // _BLOCK)):
            absent = missing[block]
            X = np.where(absent, 0.0, (Z[block] - self.centre) / self.scale)
            factors, _ = _factors(X, ~absent, self.loadings, self.own_variance)
            expected = self.centre + self.scale * (factors @ self.loadings.T)
            filled[block] = np.where(absent, expected, Z[block])
        return filled

    def fill_complete(self, Z: np.ndarray, filled: np.ndarray) -> np.ndarray:
        """Replace only what is missing in columns that were complete in training.

        The trees met no missing value there, and LightGBM would take it for 0: a logarithm
        of 0 is an extreme laboratory value.
        """
        missing = np.isnan(Z)
        return np.where(missing & self.complete, filled, Z) if missing.any() else Z


def fit_imputer(Z: np.ndarray, factors: int, seed: int) -> FactorImputer:
    """Fit the factor model by expectation-maximisation, on known values only.

    Parameters
    ----------
    Z : ndarray, shape (n, columns)
        NaN where missing. A random part of a large cohort is enough.
    factors : int

    Notes
    -----
    The algorithm of Rubin and Thayer (1982) for factor analysis, with the sums taken over
    the known cells.
    """
    complete = ~np.isnan(Z).any(axis=0)
    rng = np.random.default_rng(seed)
    if len(Z) > _FIT_PATIENTS:
        Z = Z[np.sort(rng.choice(len(Z), _FIT_PATIENTS, replace=False))]
    known = ~np.isnan(Z)
    count = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, Z, 0.0).sum(axis=0) / count
    spread = np.sqrt((np.where(known, Z - centre, 0.0) ** 2).sum(axis=0) / count)
    scale = np.where(spread > 1e-9 * np.maximum(np.abs(centre), 1.0), spread, 1.0)
    X = np.where(known, (Z - centre) / scale, 0.0)
    k = min(factors, Z.shape[1] - 1, len(Z) - 1)
    if k < 1:
        none = np.zeros((Z.shape[1], 1))
        return FactorImputer(centre, scale, none, np.ones(Z.shape[1]), complete)
    loadings = np.linalg.svd(X, full_matrices=False)[2][:k].T * 0.5
    own = np.full(Z.shape[1], 0.5)
    weights = known.astype(float)
    ridge = np.eye(k)
    for _ in range(_ITERATIONS):
        mean, covariance = _factors(X, known, loadings, own)
        second = covariance + mean[:, :, None] * mean[:, None, :]
        moments = np.tensordot(weights, second, axes=(0, 0)) + ridge
        cross = X.T @ mean
        loadings = np.linalg.solve(moments, cross[:, :, None])[:, :, 0]
        own = ((X**2).sum(axis=0) - np.sum(loadings * cross, axis=1)) / count
        own = np.clip(own, _LEAST_OWN_VARIANCE, 1.0)
    return FactorImputer(centre, scale, loadings, own, complete)


def _factors(
    X: np.ndarray, known: np.ndarray, loadings: np.ndarray, own: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean (n, k) and covariance (n, k, k) of the factors given the known cells."""
    weighted = loadings / own[:, None]
    outer = (weighted[:, :, None] * loadings[:, None, :]).reshape(len(loadings), -1)
    k = loadings.shape[1]
    precision = (known.astype(float) @ outer).reshape(-1, k, k) + np.eye(k)
    covariance = np.linalg.inv(precision)
    return np.einsum("nij,nj->ni", covariance, X @ weighted), covariance
