"""Which baseline values are not recorded: at random by centre and therapy, and not at random."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit, ndtri

from pipeline.config import SyntheticSource
from pipeline.ingest.synthetic.baseline import Population
from pipeline.ingest.synthetic.design import Design
from pipeline.ingest.synthetic.severity import expected_risk

_GRID = np.linspace(-6, 6, 1201)


class Missingness:
    """The probability that a value is missing, by variable, centre, therapy and score.

    Centres and therapies have log-odds of their own. Ferritin, interleukin-6 and the like
    are missing more often where they are low (`missing_when_low`), because they are drawn
    on suspicion. The share of missing values over the whole cohort is the published one,
    times the config's ``missing``.

    Attributes
    ----------
    tilt : ndarray, shape (variables,)
        How fast the log-probability of being missing falls with the score, at the average.
    """

    def __init__(
        self,
        source: SyntheticSource,
        population: Population,
        design: Design,
        rng: np.random.Generator,
    ) -> None:
        structure, settings = population.facts.structure, population.facts.settings
        sites, arms = design.share.shape
        variables = len(structure)
        by_site = settings["centre_missing_sd"] * rng.standard_normal((sites, variables))
        by_arm = settings["therapy_missing_sd"] * rng.standard_normal((arms, variables))
        self._shift = by_site[:, None, :] + by_arm[None, :, :]
        self._slope = structure["missing_when_low"].to_numpy()
        self._rates = np.minimum(source.missing * structure["missing_pct"].to_numpy() / 100, 0.98)
        self.tilt = self._slope * (1 - self._rates)
        self._share = design.share / design.share.sum()
        self._intercept = self._calibrated()
        bent = np.flatnonzero((self._slope > 0) & (self._rates > 0))
        self._recorded_scores = {int(column): self._bent(int(column)) for column in bent}

    def draw(
        self, rng: np.random.Generator, scores: np.ndarray, site: np.ndarray, arm: np.ndarray
    ) -> np.ndarray:
        """Return whether each value is recorded, shape ``(patients, variables)``."""
        log_odds = self._intercept + self._shift[site, arm] - self._slope * scores
        return rng.random(scores.shape) >= np.where(self._rates > 0, expit(log_odds), 0.0)

    def as_recorded(self, scores: np.ndarray, arm: np.ndarray) -> np.ndarray:
        """Return the scores bent so that the *recorded* ones are standard normal.

        Published quartiles are those of recorded values. Where low values are missing more
        often, the values recorded would otherwise lie above them.
        """
        bent = scores.copy()
        for one in np.unique(arm):
            rows = arm == one
            for column, normal in self._recorded_scores.items():
                bent[rows, column] = np.interp(scores[rows, column], _GRID, normal[one])
        return bent

    def _bent(self, column: int) -> np.ndarray:
        """Normal score, by arm, that each grid point has among the recorded values."""
        log_odds = self._intercept[column] + self._shift[:, :, column, None]
        missing = expit(log_odds - self._slope[column] * _GRID)
        recorded = (
            1
            - np.einsum("sa,sag->ag", self._share, missing)
            / np.maximum(self._share.sum(axis=0), 1e-300)[:, None]
        )
        density = recorded * np.exp(-0.5 * _GRID**2)
        cumulative = np.cumsum(density, axis=1) - density / 2
        return ndtri(np.clip(cumulative / density.sum(axis=1, keepdims=True), 1e-12, 1 - 1e-12))

    def _calibrated(self) -> np.ndarray:
        rates = np.maximum(self._rates, 1e-6)
        intercept = logit(rates)
        for _ in range(25):
            cells = expected_risk(intercept + self._shift, self._slope**2)
            reached = np.einsum("sa,sav->v", self._share, cells)
            intercept += logit(rates) - logit(reached)
        return intercept
