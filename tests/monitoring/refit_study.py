"""What a site's patients are worth beyond level and weights: re-weighting against refits.

``python -m tests.monitoring.refit_study`` has, at simulated sites of each kind, four models judge
4,000 further patients of the site: the parent as it is, the parent as ``recalibrate`` updates it,
that with every finding's effect learned anew around the parent's (which asks for nothing but the
parent's text and the site's patients), and a model trained on the site's patients alone, as
``make run`` would. ``--write FILE`` puts the table between the marks of that file.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.config import Updating
from pipeline.features.matrix import build_matrix, prior_log_odds
from pipeline.monitoring.closed_test import Site, fit
from pipeline.monitoring.observations import Observations
from pipeline.monitoring.updating import recalibrate
from tests.marks import write_between
from tests.monitoring.study import MODELS, SEED
from tests.monitoring.worlds import World, draw, graded_effects, own_mix, train, world

SIZES, JUDGED_ON = (150, 500, 1500), 4000
OUTCOME = "ge2"
# Belief about how far a site's effect of a finding lies from the parent's, log-odds per SD.
FINDING_SD = 0.05
MODELS_COMPARED = ("parent", "recalibrated", "and findings refitted", "trained at the site alone")


@dataclass(frozen=True)
class Kind:
    """What is off at a site: log-odds of all grades, and what findings tell."""

    shift: float
    strength: float
    reversed: bool = False

    def effects(self, rng: np.random.Generator) -> np.ndarray:
        measured = np.flatnonzero(graded_effects())
        strength = np.full(len(graded_effects()), self.strength)
        if self.reversed:
            strength[rng.permutation(measured)[: len(measured) // 2]] *= -1
        return strength


KINDS = {
    "not shifted": Kind(0.0, 1.0),
    "shifted by 0.8, findings tell 0.5 as much": Kind(0.8, 0.5),
    "five of ten findings tell the opposite": Kind(0.0, 1.0, reversed=True),
}


def at_site(at: World, seed: int, kind: Kind) -> dict[int, dict[str, float]]:
    """Per size of the site's sample and model, what its risks lose against the true ones."""
    rng = np.random.default_rng(seed)
    cohort, truth = draw(
        at.config, seed, max(SIZES) + JUDGED_ON, kind.shift * rng.choice([-1, 1]),
        kind.effects(rng), sites=1, therapies=own_mix(at.config, rng),
    )  # fmt: skip
    further = at.observe(cohort.iloc[max(SIZES) :])
    true = truth[f"risk_{OUTCOME}"].to_numpy()[max(SIZES) :]
    parent = _risk(further, at.artifact)
    found = {}
    for n in SIZES:
        patients = cohort.head(n).reset_index(drop=True)
        seen = at.observe(patients)
        _, abstains = seen.score(at.artifact)
        sites = seen.sites(at.artifact, ~abstains)
        after = recalibrate(at.artifact, sites, Updating()).artifact
        risks = {
            "parent": parent,
            "recalibrated": _risk(further, after),
            "and findings refitted": _refitted(at, seen, sites[OUTCOME], further),
            "trained at the site alone": _risk(further, train(patients, at.config)),
        }
        # The patients whom every model gives a risk.
        rows = ~np.isnan(np.column_stack(list(risks.values()))).any(axis=1)
        found[n] = {name: _regret(true[rows], risk[rows]) for name, risk in risks.items()}
    return found


def _risk(seen: Observations, artifact) -> np.ndarray:
    return seen.score(artifact)[0][:, artifact.model.outcomes.index(OUTCOME)]


def _refitted(at: World, seen: Observations, site: Site, further: Observations) -> np.ndarray:
    """Level, both weights and an effect of every column, with beliefs around the parent's."""
    plan = at.artifact.plan
    head = at.artifact.model.outcomes.index(OUTCOME)
    Z = build_matrix(seen.values, plan)[site.rows]
    mean, sd = np.nanmean(Z, axis=0), np.nanstd(Z, axis=0)
    sd = np.where(sd > 1e-9, sd, np.inf)  # a column that does not vary here teaches nothing

    def design(rate: np.ndarray, deviation: np.ndarray, Z: np.ndarray) -> np.ndarray:
        return np.column_stack(
            [np.ones(len(Z)), rate, deviation, np.nan_to_num((Z - mean) / sd, nan=0.0)]
        )

    beliefs = Updating()
    spread = np.r_[
        beliefs.intercept_sd, beliefs.slope_sd, beliefs.slope_sd, np.full(Z.shape[1], FINDING_SD)
    ]
    X = design(site.rate, site.deviation, Z)
    found = fit(X, site.y, site.offset, np.zeros(X.shape[1]), spread**-2.0)
    Z_further = build_matrix(further.values, plan)
    published, _ = prior_log_odds(further.values, plan)
    rate, deviation = (part[:, head] for part in at.artifact.model.terms(Z_further, published))
    eta = rate + deviation + design(rate, deviation, Z_further) @ found.coefficients
    return np.exp(-np.logaddexp(0.0, -eta))


def _regret(true: np.ndarray, risk: np.ndarray) -> float:
    """Expected log-loss above that of the true risk, x1000."""
    risk = np.clip(risk, 1e-9, 1 - 1e-9)
    lost = true * np.log(true / risk) + (1 - true) * np.log((1 - true) / (1 - risk))
    return 1000 * float(lost.mean())


def measure(sites: int, seed: int) -> dict[str, list[dict[int, dict[str, float]]]]:
    return {
        name: [at_site(world(seed + i % MODELS), 10_000 * place + seed + i, kind)
               for i in range(sites)]
        for place, (name, kind) in enumerate(KINDS.items(), start=7)
    }  # fmt: skip


def table(found: dict[str, list[dict[int, dict[str, float]]]]) -> list[str]:
    lines = [
        "| site | patients | " + " | ".join(MODELS_COMPARED) + " |",
        "|---|---|---|---|---|---|",
    ]
    for name, sites in found.items():
        for n in SIZES:
            lost = pd.DataFrame([site[n] for site in sites])[list(MODELS_COMPARED)]
            error = 1.96 * lost.std(ddof=1) / np.sqrt(len(lost))
            cells = " | ".join(f"{lost[m].mean():.1f} ± {error[m]:.1f}" for m in MODELS_COMPARED)
            lines.append(f"| {name} | {n} | {cells} |")
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=20, help="of each kind")
    parser.add_argument("--seed", type=int, default=SEED, help="of models and sites")
    parser.add_argument("--write", type=Path, metavar="FILE", help="between its marks")
    chosen = parser.parse_args()
    printed = table(measure(chosen.sites, chosen.seed))
    print("\n".join(printed))
    if chosen.write:
        write_between(chosen.write, "refit", "\n".join(printed))
