"""Which update of a trained model the data call for: the closed test of Vergouwe et al.

The largest update is tested against the model as it is, and only where that is rejected,
against ever larger ones; the first that is not rejected is taken. All tests run at one level,
which is then the probability of any update where none is needed.

References
----------
Vergouwe Y et al. A closed testing procedure to select an appropriate method for updating
prediction models. Stat Med 2017;36:4529.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.model.update import UpdateKind

ORDER: tuple[UpdateKind, ...] = ("none", "intercept", "intercept and slope", "reweighted")


@dataclass(frozen=True)
class Site:
    """One outcome at a site.

    Attributes
    ----------
    y : ndarray of 0/1, shape (n,)
    rate, deviation : ndarray, shape (n,)
        Log-odds by the therapy alone, and what findings add, as the model now serves them.
    rows : ndarray of int, shape (n,)
        Where these patients stand in the cohort.
    """

    y: np.ndarray
    rate: np.ndarray
    deviation: np.ndarray
    rows: np.ndarray

    @property
    def offset(self) -> np.ndarray:
        """The model's log-odds, before coherence."""
        return self.rate + self.deviation

    @property
    def rarer(self) -> int:
        """Patients in the smaller outcome class."""
        events = int(self.y.sum())
        return min(events, len(self.y) - events)

    def design(self, kind: UpdateKind) -> np.ndarray:
        """Terms whose coefficients are 0 where the model is right, shape (n, terms).

        The intercept is the shift at the average patient. A part that does not vary between
        the patients has no weight to estimate, and no term.
        """
        n = len(self.y)
        one = np.ones((n, 1))
        if kind == "none":
            return np.empty((n, 0))
        if kind == "intercept":
            return one
        parts = np.column_stack([self.rate, self.deviation])
        if kind == "intercept and slope":
            parts = parts.sum(axis=1, keepdims=True)
        parts = parts - parts.mean(axis=0)
        return np.hstack([one, parts[:, parts.std(axis=0) > 1e-9]])


def closed_test(sites: dict[str, Site], alpha: float) -> tuple[UpdateKind, list[dict[str, Any]]]:
    """Choose the kind of update for outcomes that nest: one kind for all of them.

    Parameters
    ----------
    sites : dict of str to Site
        The outcomes with enough events to be tested.
    alpha : float
        Family-wise error rate over outcomes and steps.

    Returns
    -------
    kind : str
    steps : list of dict
        Per test ``outcome``, ``against``, ``statistic``, ``df``, ``p`` (of the test alone) and
        ``rejected``.
    """
    from scipy.stats import chi2

    fits = {
        name: {kind: fit(site.design(kind), site.y, site.offset) for kind in ORDER}
        for name, site in sites.items()
    }
    steps = []
    for kind in ORDER[:-1]:
        rejected = False
        for name, found in fits.items():
            largest, tested = found[ORDER[-1]], found[kind]
            df = len(largest.coefficients) - len(tested.coefficients)
            statistic = max(0.0, 2 * (largest.log_likelihood - tested.log_likelihood))
            p = float(chi2.sf(statistic, df)) if df else 1.0
            # Bonferroni over the outcomes.
            own = p * len(fits) <= alpha
            rejected |= own
            steps.append(
                {"outcome": name, "against": kind, "statistic": statistic, "df": df, "p": p,
                 "rejected": own}
            )  # fmt: skip
        if not rejected:
            return kind, steps
    return ORDER[-1], steps


def smallest_shift(sites: dict[str, Site], alpha: float) -> tuple[str, float]:
    """The shift of all log-odds that the closed test finds every other time; less, it misses.

    Twice the log-likelihood ratio is noncentral chi-square, with the squared shift in standard
    errors as noncentrality.

    Returns
    -------
    outcome : str
        Which of the outcomes would show the smallest shift.
    shift : float
    """
    from scipy.optimize import brentq
    from scipy.stats import chi2, ncx2

    found = {}
    for name, site in sites.items():
        level = fit(site.design("intercept"), site.y, site.offset)
        df = site.design(ORDER[-1]).shape[1]
        critical = float(chi2.isf(alpha / len(sites), df))
        squared = brentq(lambda nc: ncx2.sf(critical, df, nc) - 0.5, 1e-6, 1e3)  # noqa: B023
        found[name] = float(np.sqrt(squared * level.covariance[0, 0]))
    outcome = min(found, key=lambda name: found[name])
    return outcome, found[outcome]


@dataclass(frozen=True)
class Fit:
    """Coefficients (p,), their covariance (p, p), and the log-likelihood at them."""

    coefficients: np.ndarray
    covariance: np.ndarray
    log_likelihood: float


def fit(
    design: np.ndarray,
    y: np.ndarray,
    offset: np.ndarray,
    belief: np.ndarray | None = None,
    precision: np.ndarray | None = None,
) -> Fit:
    """Fit a logistic regression on an offset, by likelihood or with normal beliefs.

    Parameters
    ----------
    design : ndarray, shape (n, p)
    y : ndarray of 0/1, shape (n,)
    offset : ndarray, shape (n,)
    belief, precision : ndarray, shape (p,), optional
        Mean and inverse variance of each coefficient's normal prior; none by default.
    """
    p = design.shape[1]
    belief = np.zeros(p) if belief is None else belief
    # So weak that it only keeps separated data finite.
    precision = np.full(p, 1e-4) if precision is None else precision

    def log_likelihood(theta: np.ndarray) -> float:
        eta = offset + design @ theta
        return float(np.sum(y * eta - np.logaddexp(0.0, eta)))

    def loss(theta: np.ndarray) -> float:
        return 0.5 * float(np.sum(precision * (theta - belief) ** 2)) - log_likelihood(theta)

    theta, hessian = belief.astype(float), np.diag(precision)
    current = loss(theta)
    for _ in range(100):
        risk = np.exp(-np.logaddexp(0.0, -(offset + design @ theta)))
        hessian = (design.T * (risk * (1 - risk))) @ design + np.diag(precision)
        gradient = design.T @ (risk - y) + precision * (theta - belief)
        step = np.linalg.solve(hessian, gradient)
        if step @ gradient < 1e-14:  # the squared length of the step in standard errors
            break
        size = 1.0
        while (after := loss(theta - size * step)) > current + 1e-12 * abs(current):
            size /= 2
        theta, current = theta - size * step, after
    return Fit(theta, np.linalg.inv(hessian), log_likelihood(theta))
