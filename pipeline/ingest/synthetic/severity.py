"""How severe CRS becomes: a latent severity, calibrated on the published rates.

For thresholds k = 1..5 (grade k or higher),

    logit P(grade >= k | x, c, y, u) = a_k(arm) + b_k' x + c + t_k d y + u

with x the normal scores and contrasts of `data/effects.csv`, c the centre's habit, d the
drift per calendar year y and u ~ N(0, frailty_sd^2) what no baseline variable shows. One
uniform number decides the grade, so the thresholds are nested: a partial proportional odds
model. The published effects differ between any and severe CRS; b_k moves on a straight line
from the effect on any CRS (k = 1) to that on grade 3 or higher (k = 3) and stays there.
Where the lines would cross, a higher grade keeps the log-odds of the lower one.

The intercepts a_k(arm) solve E[P(grade >= k)] = target, the expectation taken over patients,
centres, years and frailty.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

from pipeline.config import SyntheticSource
from pipeline.ingest.synthetic.baseline import Population
from pipeline.ingest.synthetic.design import Design
from pipeline.ingest.synthetic.facts import Facts

GRADES = np.arange(1, 6)
# How far along the line from "any" to "3 or higher" the effects on each threshold lie.
POSITION = np.array([0.0, 0.5, 1.0, 1.0, 1.0])
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_CALIBRATION_PATIENTS = 8192
_CALIBRATION_SEED = 3


def expected_risk(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return ``E[expit(mean + e)]`` for ``e ~ N(0, variance)``, by Gauss-Hermite quadrature."""
    sd = np.sqrt(variance)
    risk = np.zeros(np.broadcast(mean, sd).shape)
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        risk += weight * expit(mean + sd * node)
    return risk


def target_rates(facts: Facts) -> np.ndarray:
    """Return P(grade >= k) by arm, shape ``(arms, 5)``.

    Grade 2 or higher is seldom published: it lies between any and 3 or higher on the logit
    scale. Grade 4 or higher is a share of grade 3 or higher, grade 5 one of grade 4 or higher.
    All three are assumed, in `settings`.
    """
    any_crs = facts.targets["any_pct"].to_numpy() / 100
    severe = facts.targets["ge3_pct"].to_numpy() / 100
    between = facts.settings["ge2_logit_position"]
    moderate = expit((1 - between) * logit(any_crs) + between * logit(severe))
    critical = facts.settings["ge4_share_of_ge3"] * severe
    fatal = facts.settings["ge5_share_of_ge4"] * critical
    return np.column_stack([any_crs, moderate, severe, critical, fatal])


class Severity:
    """The risk of each grade, given the baseline.

    Parameters
    ----------
    source : SyntheticSource
    population : Population
    design : Design

    Attributes
    ----------
    coefficients : ndarray, shape (2, effects, 5)
        Log-odds for engagers (0) and cell therapies (1), by effect and threshold.
    intercepts : ndarray, shape (arms, 5)
    nuisance_mean, nuisance_variance : ndarray, shape (arms, 5)
        Of centre, year and frailty together, over the patients of an arm.
    """

    def __init__(self, source: SyntheticSource, population: Population, design: Design) -> None:
        facts = population.facts
        self.population, self.design = population, design
        self.frailty_sd = source.frailty_sd
        effects = facts.effects
        lines = [effects[["engager_any", "engager_ge3"]], effects[["cell_any", "cell_ge3"]]]
        self.coefficients = source.effect_scale * np.stack(
            [
                line.to_numpy()[:, :1] * (1 - POSITION) + line.to_numpy()[:, 1:] * POSITION
                for line in lines
            ]
        )
        self.cell = facts.targets["cell"].to_numpy().astype(int)
        self.drift = facts.settings["severe_drift_per_year"] * POSITION
        self._year_mean, year_variance = design.years.mean(), design.years.var()
        by_arm = design.share / np.maximum(design.share.sum(axis=0), 1e-300)
        centre_mean = design.site_effect @ by_arm
        centre_variance = design.site_effect**2 @ by_arm - centre_mean**2
        self.nuisance_mean = np.repeat(centre_mean[:, None], len(GRADES), axis=1)
        self.nuisance_variance = (
            source.frailty_sd**2 + centre_variance[:, None] + self.drift**2 * year_variance
        )
        self.intercepts = self._calibrated(target_rates(facts))

    def predictors(self, scores: np.ndarray, levels: dict[str, np.ndarray]) -> np.ndarray:
        """Return x: scores and 0/1 contrasts, shape ``(patients, effects)``."""
        columns = []
        effects = self.population.facts.effects
        for variable, contrast in zip(effects["variable"], effects["contrast"], strict=True):
            if contrast == "per SD":
                columns.append(scores[:, self.population.column[variable]])
            else:
                names = self.population.covariates[variable].levels
                chosen = [names.index(name) for name in contrast.split(";")]
                columns.append(np.isin(levels[variable], chosen).astype(float))
        return np.column_stack(columns)

    def draw(
        self,
        rng: np.random.Generator,
        x: np.ndarray,
        arm: np.ndarray,
        site: np.ndarray,
        year: np.ndarray,
    ) -> np.ndarray:
        """Draw each patient's CRS grade, 0 to 5."""
        shift = self.design.site_effect[site] + self.frailty_sd * rng.standard_normal(len(arm))
        log_odds = (
            self.log_odds(x, arm) + shift[:, None] + self.drift * (year - self._year_mean)[:, None]
        )
        nested = np.minimum.accumulate(log_odds, axis=1)
        return (logit(rng.random(len(arm)))[:, None] < nested).sum(axis=1).astype(float)

    def log_odds(self, x: np.ndarray, arm: np.ndarray) -> np.ndarray:
        """Return ``a + b'x`` for each threshold, shape ``(patients, 5)``."""
        by_kind = np.stack([x @ self.coefficients[0], x @ self.coefficients[1]])
        return self.intercepts[arm] + by_kind[self.cell[arm], np.arange(len(arm))]

    def _calibrated(self, targets: np.ndarray) -> np.ndarray:
        # Antithetic patients: every linear effect has exactly mean zero.
        rng = np.random.default_rng(_CALIBRATION_SEED)
        half = self.population.scores(rng, _CALIBRATION_PATIENTS // 2)
        uniforms = rng.random((len(half), len(self.population.covariates)))
        scores, uniforms = np.vstack([half, -half]), np.vstack([uniforms, 1 - uniforms])
        blocks = np.empty((*targets.shape, 256))
        for arm in range(len(targets)):
            levels = self.population.levels(scores, uniforms, np.full(len(scores), arm))
            x = self.predictors(scores, levels)
            ordered = np.sort(x @ self.coefficients[self.cell[arm]], axis=0)
            # Means of 32 neighbours stand for them: the curvature within is negligible.
            blocks[arm] = ordered.reshape(256, -1, len(GRADES)).mean(axis=1).T
        intercepts = logit(targets) - self.nuisance_mean
        for _ in range(25):
            mean = (intercepts + self.nuisance_mean)[:, :, None] + blocks
            reached = expected_risk(mean, self.nuisance_variance[:, :, None]).mean(axis=2)
            intercepts += logit(targets) - logit(reached)
        return intercepts
