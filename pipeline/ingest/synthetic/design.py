"""Who is treated where, with what, and when: the frame of a synthetic cohort."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.cohort.therapies import canonical_names
from pipeline.config import SyntheticSource
from pipeline.errors import InputError, did_you_mean
from pipeline.ingest.synthetic.facts import Facts


@dataclass(frozen=True)
class Design:
    """What is fixed for a whole cohort before the first patient is drawn.

    Attributes
    ----------
    share : ndarray, shape (sites, arms)
        Probability that a patient is treated at a site within an arm; sums to 1.
    sites : ndarray of str
    years : ndarray of int
        Calendar years, equally likely.
    site_effect : ndarray, shape (sites,)
        A centre's habit of grading and treating, in log-odds of a higher grade.
    """

    share: np.ndarray
    sites: np.ndarray
    years: np.ndarray
    site_effect: np.ndarray

    def draw(self, rng: np.random.Generator, patients: int) -> tuple[np.ndarray, ...]:
        """Draw site, arm (positions) and calendar year of each patient."""
        cumulative = np.cumsum(self.share.ravel())
        cell = np.searchsorted(cumulative / cumulative[-1], rng.random(patients), side="right")
        site, arm = np.divmod(cell, self.share.shape[1])
        return site, arm, self.years[rng.integers(len(self.years), size=patients)]


def draw_design(source: SyntheticSource, facts: Facts, rng: np.random.Generator) -> Design:
    """Draw the centres, their sizes, their habits and the therapies that they give.

    Every centre has a mix of therapies of its own; over all centres the arms have exactly
    the shares that the config asks for.

    Raises
    ------
    InputError
        If the config names a therapy without a target.
    """
    sites = source.sites
    size = np.exp(facts.settings["centre_size_sd"] * rng.standard_normal(sites))
    weights = arm_weights(source.therapies, facts)
    concentration = facts.settings["centre_mix_concentration"]
    preference = rng.gamma(concentration, size=(sites, len(weights))) / concentration
    share = _fit_margins(preference, size / size.sum(), weights)
    effect = rng.standard_normal(sites)
    # Standardised, so that a small number of centres still has the stated spread.
    effect = effect - effect.mean()
    spread = np.sqrt(np.mean(effect**2))
    effect = effect * (facts.settings["centre_sd"] / spread if spread > 0 else 0.0)
    first, last = source.years
    names = np.array([f"centre {number:02d}" for number in range(1, sites + 1)], dtype=object)
    return Design(share, names, np.arange(first, last + 1), effect)


def arm_weights(therapies: dict[str, float], facts: Facts) -> np.ndarray:
    """Return the share of each arm: all alike, or as the config weighs the therapies.

    A therapy's weight is divided evenly over the diseases that it has targets for.
    """
    targets = facts.targets
    if not therapies:
        return np.full(len(targets), 1 / len(targets))
    known = targets["therapy"]
    weights = np.zeros(len(targets))
    names = canonical_names(pd.Series(list(therapies)), facts.therapies)
    for given, name in zip(therapies, names, strict=True):
        rows = (known == name).to_numpy()
        if not rows.any():
            raise InputError(
                f"the generator has no target for '{given}'{did_you_mean(given, known)}",
                column="source.therapies",
                mend="correct the name, or add the therapy to data/generator_targets.csv",
            )
        weights[rows] += therapies[given] / rows.sum()
    if not weights.sum() > 0 or (weights < 0).any():
        raise InputError(
            "the weights of the therapies do not make a mix",
            column="source.therapies",
            expected="weights of 0 or more, at least one above 0",
        )
    return weights / weights.sum()


def _fit_margins(table: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    # Iterative proportional fitting; ends on the columns, which are the therapies' shares.
    for _ in range(100):
        table = table * (rows / table.sum(axis=1))[:, None]
        sums = table.sum(axis=0)
        table = table * np.divide(columns, sums, out=np.zeros_like(sums), where=sums > 0)
    return table
