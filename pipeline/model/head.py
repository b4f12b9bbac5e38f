"""One head: the risk of one outcome, as prior + a + b f(x) with f the mean of three learners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.config import Model as Settings
from pipeline.model.deviation import fit_deviation
from pipeline.model.interval import Uncertainty, fit_uncertainty
from pipeline.model.linear import LinearLearner, fit_linear, tune_linear
from pipeline.model.trees import Trees, fit_trees, tune_trees
from pipeline.model.tuning import inner_folds

PriorKind = Literal["published", "base rate"]


@dataclass(frozen=True)
class Head:
    """The fitted risk of one outcome.

    Attributes
    ----------
    outcome : str
    prior_kind : str
        ``published`` rates per therapy, or the training cohort's ``base rate``.
    base_rate_log_odds : float
        The prior of every patient where it is the base rate.
    prior_mean : float
        Mean prior log-odds in training; explanations are relative to it.
    a, b : float
        Recalibration of the deviation.
    learners : tuple
        Empty where the cohort was below the config's minimum: the risk is then the prior,
        recalibrated in the large.
    uncertainty : Uncertainty or None
    intercept_sd : float
        Standard error of ``a`` where nothing else was fitted.
    patients, events : int
        What it was trained on.
    why_not_fitted : str or None
        In words, where ``learners`` is empty.
    """

    outcome: str
    prior_kind: PriorKind
    base_rate_log_odds: float
    prior_mean: float
    a: float
    b: float
    learners: tuple[Trees, LinearLearner, LinearLearner] | tuple[()]
    uncertainty: Uncertainty | None
    intercept_sd: float
    patients: int
    events: int
    why_not_fitted: str | None = None

    def prior(self, published: np.ndarray) -> np.ndarray:
        """Prior log-odds, shape (n,); NaN where a published rate is needed and unknown."""
        if self.prior_kind == "published":
            return published
        return np.full(len(published), self.base_rate_log_odds)

    def log_odds(self, Z: np.ndarray, published: np.ndarray) -> np.ndarray:
        """Calibrated log-odds before coherence, shape (n,)."""
        deviation: np.ndarray | float = 0.0
        if self.learners:
            deviation = sum(learner.margin(Z) for learner in self.learners) / len(self.learners)
        return self.prior(published) + self.a + self.b * deviation

    def contributions(self, Z: np.ndarray, published: np.ndarray) -> tuple[float, np.ndarray]:
        """Split the log-odds into a base and one part per column, the prior's part last.

        Returns
        -------
        base : float
            Log-odds of the average training patient.
        parts : ndarray, shape (n, columns + 1)
            ``base + parts.sum(axis=1)`` equals ``log_odds``.
        """
        parts = np.zeros((len(Z), Z.shape[1] + 1))
        base = self.prior_mean + self.a
        for learner in self.learners:
            found = learner.contributions(Z) * (self.b / len(self.learners))
            parts[:, :-1] += found[:, :-1]
            base += float(found[0, -1]) if len(found) else 0.0
        parts[:, -1] = self.prior(published) - self.prior_mean
        return base, parts

    def sd(self, Z: np.ndarray, prior_sd: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Standard deviation of the log-odds, shape (n,).

        Parameters
        ----------
        prior_sd : ndarray, shape (n,)
            Of the published rate; enters in full for a therapy that training did not see,
            and for every patient where nothing was fitted.
        seen : ndarray of bool, shape (n,)
            Whether training saw the patient's therapy.
        """
        published = self.prior_kind == "published"
        if self.uncertainty is None:
            own = np.full(len(Z), self.intercept_sd)
            return np.hypot(own, prior_sd) if published else own
        own = self.uncertainty.sd(Z)
        return np.where(seen, own, np.hypot(own, prior_sd)) if published else own


def fit_head(
    outcome: str,
    Z: np.ndarray,
    y: np.ndarray,
    published: np.ndarray,
    trends: list[int],
    settings: Settings,
    seed: int,
    minimum: tuple[float, float],
) -> Head:
    """Fit the risk of one outcome.

    Parameters
    ----------
    Z : ndarray, shape (n, columns)
        Model matrix, NaN where missing.
    y : ndarray of 0/1, shape (n,)
    published : ndarray, shape (n,)
        Prior log-odds per patient; all NaN where the outcome has no published rates.
    trends : list of int
        Monotone constraint per column.
    minimum : tuple of float
        Patients and events below which nothing is fitted.
    """
    # Columns of a matrix are views, which LightGBM copies with a warning.
    y, published = np.ascontiguousarray(y), np.ascontiguousarray(published)
    n, events = len(y), int(y.sum())
    prior_kind: PriorKind = "base rate" if np.isnan(published).all() else "published"
    base_rate = float(np.log((events + 0.5) / (n - events + 0.5)))
    offset = published if prior_kind == "published" else np.full(n, base_rate)
    belief = settings.deviation
    slope_mean = belief.slope_mean if prior_kind == "published" else belief.slope_mean_without_prior
    beliefs = (belief.intercept_sd, slope_mean, belief.slope_sd)
    too_few = _too_few(n, min(events, n - events), minimum)
    learners: tuple[Trees, LinearLearner, LinearLearner] | tuple[()] = ()
    uncertainty = None
    if too_few:
        a, b = fit_deviation(y, offset, None, *beliefs) if prior_kind == "published" else (0.0, 0.0)
    else:
        learners, f, penalty = _fit_learners(Z, y, offset, trends, settings, seed)
        a, b = fit_deviation(y[f.rows], offset[f.rows], f.margin, *beliefs)
        final = offset + a + b * sum(learner.margin(Z) for learner in learners) / len(learners)
        uncertainty = fit_uncertainty(Z, 1 / (1 + np.exp(-final)), penalty)
    information = float(np.sum(_variance(offset + a))) + belief.intercept_sd**-2.0
    return Head(
        outcome=outcome,
        prior_kind=prior_kind,
        base_rate_log_odds=base_rate,
        prior_mean=float(offset.mean()),
        a=a,
        b=b,
        learners=learners,
        uncertainty=uncertainty,
        intercept_sd=information**-0.5,
        patients=n,
        events=events,
        why_not_fitted=too_few,
    )


@dataclass(frozen=True)
class _OutOfFold:
    rows: np.ndarray
    margin: np.ndarray


def _fit_learners(
    Z: np.ndarray,
    y: np.ndarray,
    offset: np.ndarray,
    trends: list[int],
    settings: Settings,
    seed: int,
) -> tuple[tuple[Trees, LinearLearner, LinearLearner], _OutOfFold, float]:
    """Tune on at most ``tuning_patients``, then fit each learner on everyone."""
    rows = np.arange(len(y))
    if len(y) > settings.tuning_patients:
        rng = np.random.default_rng(seed)
        rows = np.sort(rng.choice(len(y), settings.tuning_patients, replace=False))
    folds = inner_folds(y[rows], settings.inner_folds, seed)
    inner = (Z[rows], y[rows], offset[rows])
    simpler = settings.one_standard_error
    trees = tune_trees(*inner, trends, folds, settings.trees, simpler, seed)
    ridge = tune_linear(*inner, folds, settings.ridge, simpler)
    net = tune_linear(*inner, folds, settings.elastic_net, simpler)
    learners = (
        fit_trees(Z, y, offset, trends, trees.setting, settings.trees, seed),
        fit_linear(Z, y, offset, ridge.setting, settings.ridge),
        fit_linear(Z, y, offset, net.setting, settings.elastic_net),
    )
    margin = (trees.margin + ridge.margin + net.margin) / 3
    return learners, _OutOfFold(rows, margin), float(ridge.setting)


def _too_few(n: int, events: int, minimum: tuple[float, float]) -> str | None:
    patients_needed, events_needed = minimum
    if n >= patients_needed and events >= events_needed:
        return None
    return (
        f"{n} patients with {events} in the smaller outcome class are fewer than the "
        f"{patients_needed:.0f} patients and {events_needed:.0f} events needed: the risk is "
        "the prior alone"
    )


def _variance(log_odds: np.ndarray) -> np.ndarray:
    risk = 1 / (1 + np.exp(-log_odds))
    return risk * (1 - risk)
