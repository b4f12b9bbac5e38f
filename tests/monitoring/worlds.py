"""Trained models, and new patients who differ from training in a known way.

All are drawn from the shipped generator. A site that grades more severely shifts every grade's
log-odds; findings that tell less there shrink the generator's effects; the true risks move along.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from pipeline.cohort.audit.unit_shifts import readings
from pipeline.cohort.dictionary import read_dictionary
from pipeline.cohort.therapies import read_therapies
from pipeline.config import Config, Monitoring
from pipeline.config_file import read_config
from pipeline.features.planning import plan_features
from pipeline.features.therapy import therapy_facts
from pipeline.ingest.synthetic.cohort import Generator
from pipeline.model.artifact import Artifact
from pipeline.model.training import train_artifact
from pipeline.monitoring.observations import Observations

ROOT = Path(__file__).parents[2]
SETTINGS = Monitoring()
# Published rates are known of it, and no patient of the default cohort has it.
NEW_THERAPY = "linvoseltamab"


@dataclass(frozen=True)
class World:
    """A model, and further patients of the centres that it was trained on."""

    config: Config
    artifact: Artifact
    pool: pd.DataFrame

    def observe(self, frame: pd.DataFrame) -> Observations:
        return Observations.of(frame, self.artifact, SETTINGS)

    def unshifted(self, patients: int, rng: np.random.Generator) -> pd.DataFrame:
        rows = rng.choice(len(self.pool), patients, replace=False)
        return self.pool.iloc[rows].reset_index(drop=True)


@cache
def world(seed: int, patients: int = 2000, pool: int = 20_000) -> World:
    """Train on the first of the patients drawn; the others are the pool."""
    config = read_config(ROOT / "configs" / "default.yaml")
    drawn = draw(config, seed, patients + pool)[0]
    cohort = drawn.iloc[:patients].reset_index(drop=True)
    return World(config, train(cohort, config), drawn.iloc[patients:].reset_index(drop=True))


def train(cohort: pd.DataFrame, config: Config) -> Artifact:
    """Train on patients as `make run` does."""
    dictionary = read_dictionary(ROOT / "configs" / "variables.yaml").restricted_to(cohort)
    facts = therapy_facts(read_therapies(ROOT / "data" / "therapies.csv"), config.therapy_prior)
    plan = plan_features(cohort, dictionary, config, facts)
    with threadpool_limits(1):  # more threads than free cores spin: ten times slower
        return train_artifact(cohort, dictionary, plan, config, {"run": "study"})


def draw(
    config: Config,
    seed: int,
    patients: int,
    shift: float = 0.0,
    strength: float | np.ndarray = 1.0,
    **source,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw patients with their true risks.

    Parameters
    ----------
    shift : float
        Added to the log-odds of every grade.
    strength : float, or ndarray of shape (effects,)
        Multiplies what findings do to the log-odds; an array, in the order of `data/effects.csv`.
    source
        Changes to the config's synthetic source.
    """
    changed = config.source.model_copy(update={"patients": patients, **source})
    generator = Generator(changed, seed, config.outcomes, ROOT / "data")
    generator.severity.coefficients *= np.reshape(strength, (-1, 1))
    generator.design.site_effect[:] += shift
    generator.severity.nuisance_mean += shift
    parts = list(generator.blocks())
    return (
        pd.concat([cohort for cohort, _ in parts], ignore_index=True),
        pd.concat([truth for _, truth in parts], ignore_index=True),
    )


def graded_effects() -> np.ndarray:
    """Which effects are per standard deviation of a measured finding, in their file's order."""
    effects = pd.read_csv(ROOT / "data" / "effects.csv")
    return (effects["contrast"] == "per SD").to_numpy()


def own_mix(config: Config, rng: np.random.Generator) -> dict[str, float]:
    """Therapies of one centre: a handful of the usual ones, in shares of its own."""
    names = rng.choice(list(config.source.therapies), 6, replace=False)
    return {str(name): float(w) for name, w in zip(names, rng.dirichlet(np.ones(6)), strict=True)}


def in_other_unit(
    frame: pd.DataFrame, artifact: Artifact, rng: np.random.Generator
) -> tuple[pd.DataFrame, str, float]:
    """Give one laboratory value in another accepted unit, everywhere or at one large site.

    Returns
    -------
    frame : DataFrame
    variable : str
    factor : float
        That would bring the values back.
    """
    choices = [
        (variable.name, reading)
        for variable in artifact.dictionary
        if variable.role == "lab" and variable.name in frame
        for reading in readings(variable)
        if reading.name in variable.accepts and not 1 / 1.6 < reading.factor < 1.6
        and frame[variable.name].notna().mean() > 0.5
    ]  # fmt: skip
    name, reading = choices[rng.integers(len(choices))]
    rows = np.ones(len(frame), dtype=bool)
    if rng.random() < 0.5:
        rows = (frame["site"] == frame["site"].value_counts().index[0]).to_numpy()
    changed = frame.copy()
    values = changed[name].to_numpy(dtype=float, copy=True)
    values[rows] = (values[rows] - reading.offset) / reading.factor
    changed[name] = values
    return changed, name, reading.factor
