"""What recalibration on 150 patients of a site does to calibration there, against the truth.

``python -m tests.monitoring.site_study`` recalibrates five models at 50 simulated sites of each
kind, and judges them on 8,000 further patients of the same site by the ICI against the *true*
risk; ``--write FILE`` puts the table between the marks of that file.
"""

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.config import Updating
from pipeline.evaluation.calibration import curve_distances, flexible_curve
from pipeline.monitoring.updating import recalibrate
from tests.marks import write_between
from tests.monitoring.study import MODELS, SEED
from tests.monitoring.worlds import World, draw, own_mix, world

PATIENTS, JUDGED_ON = 150, 8000

# What is off at the site: log-odds of all grades, and how much findings tell.
KINDS = {
    "shifted up or down by 0.8": ((-0.8, 0.8), 1.0),
    "shifted by 0.8, findings tell 0.5 as much": ((-0.8, 0.8), 0.5),
    "not shifted": ((0.0,), 1.0),
}


@dataclass(frozen=True)
class Result:
    """ICI before and after, by outcome, and the kind of update."""

    before: dict[str, float]
    after: dict[str, float]
    kind: str


def at_site(at: World, seed: int, shift: float, strength: float) -> Result:
    rng = np.random.default_rng(seed)
    # One centre with therapies of its own; the site's patients come first.
    cohort, truth = draw(
        at.config, seed, PATIENTS + JUDGED_ON, shift, strength,
        sites=1, therapies=own_mix(at.config, rng),
    )  # fmt: skip
    seen, judged = at.observe(cohort.head(PATIENTS)), at.observe(cohort.iloc[PATIENTS:])
    _, abstains = seen.score(at.artifact)
    found = recalibrate(at.artifact, seen.sites(at.artifact, ~abstains), Updating())
    risks = {}
    for name, artifact in (("before", at.artifact), ("after", found.artifact)):
        risks[name] = judged.score(artifact)[0]
    rows = ~np.isnan(risks["before"]).any(axis=1)
    ici: dict[str, dict[str, float]] = {"before": {}, "after": {}}
    for name, risk in risks.items():
        for k, outcome in enumerate(at.artifact.model.outcomes):
            true = truth[f"risk_{outcome}"].to_numpy()[PATIENTS:][rows]
            ici[name][outcome] = _ici(true, risk[rows, k])
    return Result(ici["before"], ici["after"], found.steps[0]["kind"])


def _ici(true: np.ndarray, risk: np.ndarray) -> float:
    curve = flexible_curve(true, risk, np.ones((1, len(risk))))
    return float(curve_distances(curve, risk)["ici"][0])


def measure(sites: int, seed: int) -> dict[str, list[Result]]:
    return {
        name: [
            at_site(world(seed + i % MODELS), 10_000 * place + seed + i, shifts[i % len(shifts)], b)
            for i in range(sites)
        ]
        for place, (name, (shifts, b)) in enumerate(KINDS.items(), start=1)
    }


def table(found: dict[str, list[Result]]) -> list[str]:
    lines = [
        f"| site (n = {PATIENTS}) | outcome | mean ICI before | after | after : before "
        "| mean difference (95 % interval) | updates |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, results in found.items():
        kinds = ", ".join(f"{c} {k}" for k, c in Counter(r.kind for r in results).most_common())
        for outcome in results[0].before:
            before = np.array([r.before[outcome] for r in results])
            after = np.array([r.after[outcome] for r in results])
            change, error = (after - before).mean(), (after - before).std(ddof=1)
            reach = 1.96 * error / np.sqrt(len(results))
            lines.append(
                f"| {name} | {outcome} | {before.mean():.4f} | {after.mean():.4f} "
                f"| {after.mean() / before.mean():.2f} "
                f"| {change:+.4f} ({change - reach:+.4f} to {change + reach:+.4f}) | {kinds} |"
            )
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=50, help="of each kind")
    parser.add_argument("--seed", type=int, default=SEED, help="of models and sites")
    parser.add_argument("--write", type=Path, metavar="FILE", help="between its marks")
    chosen = parser.parse_args()
    printed = table(measure(chosen.sites, chosen.seed))
    print("\n".join(printed))
    if chosen.write:
        write_between(chosen.write, "recalibrate", "\n".join(printed))
