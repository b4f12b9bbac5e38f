"""What is known about synthetic patients before infusion: labs, disease, treatment.

Every measured variable is a quantile function of a normal score. The scores share three
factors (inflammation, marrow reserve, burden), which gives the Gaussian copula of the
laboratory values; performance status, bulk, stage, bridging and infection are cut from
scores of the same kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, logit, ndtr, ndtri

from pipeline.ingest.synthetic.facts import FACTORS, Facts

_QUARTILE = ndtri(0.75)


@dataclass(frozen=True)
class Covariate:
    """A categorical variable: its levels and their cumulative shares by arm (NaN: none)."""

    levels: list[str]
    cumulative: np.ndarray

    def draw(self, uniform: np.ndarray, arm: np.ndarray) -> np.ndarray:
        """Return each patient's level as a position, -1 where the arm does not record it."""
        bounds = self.cumulative[arm]
        position = (uniform[:, None] >= bounds[:, :-1]).sum(axis=1)
        return np.where(np.isnan(bounds[:, 0]), -1, position)


class Population:
    """The joint distribution of the baseline variables, by arm.

    Parameters
    ----------
    facts : Facts
        What `read_facts` returned.

    Attributes
    ----------
    variables : list of str
        Variables with a normal score, in the order of the columns of `scores`.
    loadings : ndarray, shape (variables, 3)
    column : dict of str to int
        Where each of them stands.
    unique_sd : ndarray, shape (variables,)
        Standard deviation of what the factors do not share; each score has variance 1.
    covariates : dict of str to Covariate
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        structure = facts.structure
        self.variables = [str(name) for name in structure.index]
        self.column = {name: column for column, name in enumerate(self.variables)}
        self.loadings = structure[FACTORS].to_numpy()
        self.unique_sd = np.sqrt(1 - (self.loadings**2).sum(axis=1))
        self.covariates = {}
        for name in dict.fromkeys(facts.covariates["variable"]):
            levels, shares = facts.shares(name)
            self.covariates[str(name)] = Covariate(levels, np.cumsum(shares, axis=1))
        diseases = facts.targets["disease"]
        self._measures = {
            name: _Measure(scale, low, high, int(decimals), facts.quartiles(name, diseases))
            for name, scale, low, high, decimals in zip(
                self.variables,
                structure["scale"],
                structure["low"],
                structure["high"],
                structure["decimals"].fillna(0),
                strict=True,
            )
            if scale in _TO_LINE
        }

    def scores(self, rng: np.random.Generator, patients: int) -> np.ndarray:
        """Draw the normal scores, shape ``(patients, variables)``."""
        shared = rng.standard_normal((patients, self.loadings.shape[1]))
        own = rng.standard_normal((patients, len(self.variables)))
        return shared @ self.loadings.T + own * self.unique_sd

    def levels(
        self, scores: np.ndarray, uniforms: np.ndarray, arm: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return the level of each categorical variable, as positions in its levels.

        Parameters
        ----------
        scores : ndarray, shape (patients, variables)
        uniforms : ndarray, shape (patients, categorical variables)
            Used for the variables that have no score.
        arm : ndarray of int, shape (patients,)
        """
        drawn = {}
        for column, (name, covariate) in enumerate(self.covariates.items()):
            scored = name in self.column
            uniform = ndtr(scores[:, self.column[name]]) if scored else uniforms[:, column]
            drawn[name] = covariate.draw(uniform, arm)
        return drawn

    def values(
        self, scores: np.ndarray, levels: dict[str, np.ndarray], arm: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return every baseline variable in its canonical unit, without missing values.

        A variable that an arm does not have (marrow blasts in lymphoma) is NaN there.
        """
        columns = {
            name: self._measured(name, scores[:, self.column[name]], arm) for name in self._measures
        }
        burden = scores[:, self.column["tumour_burden"]]
        columns["tumour_burden"] = np.round(100 * ndtr(burden), 1)
        columns["wbc"] = np.round(columns["anc"] + columns["alc"] + columns["amc"] + 0.05, 2)
        young = self.facts.settings["bmi_share_at_age_2"]
        growth = np.interp(columns["age"], [2.0, 18.0], [young, 1.0])
        columns["bmi"] = np.round(columns["bmi"] * growth, 1)
        for name, position in levels.items():
            columns[name] = _labels(self.covariates[name].levels, position)
        return columns

    def _measured(self, name: str, score: np.ndarray, arm: np.ndarray) -> np.ndarray:
        measure = self._measures[name]
        lower, middle, upper = _TO_LINE[measure.scale](measure.quartiles).T
        below, above = (middle - lower) / _QUARTILE, (upper - middle) / _QUARTILE
        if name == "age":
            score = self._within_ages(score, arm, middle, below, above)
        line = middle[arm] + score * np.where(score < 0, below[arm], above[arm])
        limited = np.clip(_FROM_LINE[measure.scale](line), measure.low, measure.high)
        return np.asarray(np.round(limited, measure.decimals))

    def _within_ages(
        self,
        score: np.ndarray,
        arm: np.ndarray,
        middle: np.ndarray,
        below: np.ndarray,
        above: np.ndarray,
    ) -> np.ndarray:
        limits = []
        for age in (self.facts.targets["age_min"], self.facts.targets["age_max"]):
            years = age.to_numpy() - middle
            limits.append(ndtr(years / np.where(years < 0, below, above)))
        first, last = limits
        return ndtri(first[arm] + ndtr(score) * (last - first)[arm])


@dataclass(frozen=True)
class _Measure:
    """Shape of a measured variable; quartiles by arm, shape ``(arms, 3)``."""

    scale: str
    low: float
    high: float
    decimals: int
    quartiles: np.ndarray


# Two-piece normal on the line: median and both quartiles are met exactly.
_TO_LINE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": np.asarray,
    "log": np.log,
    "logit": lambda percent: logit(percent / 100),
}
_FROM_LINE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": np.asarray,
    "log": np.exp,
    "logit": lambda line: 100 * expit(line),
}


def _labels(levels: list[str], position: np.ndarray) -> np.ndarray:
    if all(level.isdigit() for level in levels):
        return np.array([*map(float, levels), np.nan])[position]
    return np.array([*levels, None], dtype=object)[position]


def as_cohort(columns: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return the columns as a frame: text as ``str``, everything else as float64."""
    return pd.DataFrame(
        {
            name: pd.Series(values, dtype="str" if values.dtype == object else "float64")
            for name, values in columns.items()
        }
    )
