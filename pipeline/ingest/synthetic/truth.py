"""The true risk given what is recorded before infusion.

The risk integrates over everything that the recorded baseline does not show: frailty, the
centre, the calendar year and the missing laboratory values. The scores follow a factor
model, so the missing ones given the recorded ones are Gaussian, with moments in closed form
through the three factors; the recorded level of an ordered variable (performance status,
stage, ...) enters as a noisy reading of its score, the best linear one. That a value is
missing says something about it where low values are missing more often; this is accounted
for to first order (the log-probability of being missing taken as linear in the score). A
recorded value counts as known without its rounding.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from pipeline.config import Outcome
from pipeline.ingest.synthetic.baseline import Population
from pipeline.ingest.synthetic.severity import GRADES, Severity, expected_risk


def true_risks(
    severity: Severity,
    outcomes: dict[str, Outcome],
    scores: np.ndarray,
    levels: dict[str, np.ndarray],
    recorded: np.ndarray,
    tilt: np.ndarray,
    arm: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return P(outcome | recorded baseline) per outcome on ``crs_grade``.

    Parameters
    ----------
    severity : Severity
    outcomes : dict of str to Outcome
        Those on other columns are left out: the generator knows no truth about them.
    scores : ndarray, shape (patients, variables)
    levels : dict of str to ndarray of int
    recorded : ndarray of bool, shape (patients, variables)
        Whether the value that belongs to a score stands in the cohort.
    tilt : ndarray, shape (variables,)
        How fast the log-probability of being missing falls with each score.
    arm : ndarray of int, shape (patients,)
    """
    mean, variance = _linear_predictor(severity, scores, levels, recorded, tilt, arm)
    mean = np.minimum.accumulate(mean + severity.nuisance_mean[arm], axis=1)
    variance = variance + severity.nuisance_variance[arm]
    risks = {}
    for name, outcome in outcomes.items():
        if outcome.column != "crs_grade":
            continue
        grade = int(np.ceil(outcome.at_least))
        if grade <= 0:
            risks[name] = np.ones(len(arm))
        elif grade > GRADES[-1]:
            risks[name] = np.zeros(len(arm))
        else:
            risks[name] = expected_risk(mean[:, grade - 1], variance[:, grade - 1])
    return risks


def _linear_predictor(
    severity: Severity,
    scores: np.ndarray,
    levels: dict[str, np.ndarray],
    recorded: np.ndarray,
    tilt: np.ndarray,
    arm: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of ``a + b'x`` given what is recorded, each ``(patients, 5)``."""
    population = severity.population
    effects = population.facts.effects
    per_sd = (effects["contrast"] == "per SD").to_numpy()
    columns = [population.column[name] for name in effects.loc[per_sd, "variable"]]
    known = recorded[:, columns]
    x = severity.predictors(scores, levels)
    x[:, per_sd] *= known
    mean = severity.log_odds(x, arm)
    factor_mean, factor_covariance = _factors(population, scores, levels, recorded, tilt, arm)
    missing = (~known).astype(float)
    loadings, unique = population.loadings[columns], population.unique_sd[columns] ** 2
    variance = np.empty_like(mean)
    for k in range(len(GRADES)):
        weight = missing * severity.coefficients[severity.cell[arm], :, k][:, per_sd]
        on_factors = weight @ loadings
        mean[:, k] += (on_factors * factor_mean).sum(axis=1) - weight @ (tilt[columns] * unique)
        variance[:, k] = (
            np.einsum("ni,nij,nj->n", on_factors, factor_covariance, on_factors)
            + weight**2 @ unique
        )
    return mean, variance


def _factors(
    population: Population,
    scores: np.ndarray,
    levels: dict[str, np.ndarray],
    recorded: np.ndarray,
    tilt: np.ndarray,
    arm: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and covariance of the three factors given the recorded values."""
    reading, noise = scores * recorded, np.where(recorded, population.unique_sd**2, np.inf)
    for name, position in levels.items():
        if name in population.column:
            column = population.column[name]
            value, extra = _readings(population.covariates[name].cumulative)
            reading[:, column] = value[arm, position]
            noise[:, column] = population.unique_sd[column] ** 2 + extra[arm]
            reading[np.isinf(noise[:, column]), column] = 0.0
    loadings, factors = population.loadings, population.loadings.shape[1]
    outer = (loadings[:, :, None] * loadings[:, None, :]).reshape(len(loadings), -1)
    precision = (1 / noise @ outer).reshape(-1, factors, factors) + np.eye(factors)
    covariance = np.linalg.inv(precision)
    # A missing value with tilt t multiplies the density by exp(-t score).
    information = (reading / noise - ~recorded * tilt) @ loadings
    return np.einsum("nij,nj->ni", covariance, information), covariance


def _readings(cumulative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a level says about its score: a reading by arm and level, and its extra noise.

    With m the mean score within the level and v the variance of m over the levels, m / v
    reads the score without bias and with variance 1 / v - 1. An arm with a single level, or
    none, has v = 0: infinite noise.
    """
    bounds = ndtri(np.clip(np.nan_to_num(cumulative, nan=1.0), 0.0, 1.0))
    bounds = np.column_stack(
        [np.full(len(bounds), -np.inf), bounds[:, :-1], np.full(len(bounds), np.inf)]
    )
    density = np.exp(-0.5 * bounds**2) / np.sqrt(2 * np.pi)
    share = np.diff(np.column_stack([np.zeros(len(cumulative)), cumulative]), axis=1)
    moment = density[:, :-1] - density[:, 1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        level_mean = np.where(share > 1e-12, moment / share, 0.0)
        informative = np.nansum(share * level_mean**2, axis=1)
        extra = np.where(informative > 1e-9, 1 / informative - 1, np.inf)
        reading = np.where(informative[:, None] > 1e-9, level_mean / informative[:, None], 0.0)
    return reading, extra
