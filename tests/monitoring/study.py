"""How often the monitor's verdict is right, measured on synthetic shifts.

``python -m tests.monitoring.study`` trains five models on 2,000 drawn patients each, shows them
100 new cohorts of every kind, and prints the table; ``--write FILE`` puts it between the marks
of that file, and ``--cohorts 10`` is quicker. The rules of the config were chosen on seeds
around 100, 500 and 7100: ``--seed`` draws other models and other cohorts.
"""

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.monitoring.monitor import monitor
from tests.marks import write_between
from tests.monitoring.worlds import (
    NEW_THERAPY,
    SETTINGS,
    World,
    draw,
    graded_effects,
    in_other_unit,
    own_mix,
    world,
)

MODELS = 5
SEED = 12300

Planted = tuple[pd.DataFrame, Callable[[dict], bool]]


def says(*verdicts: str) -> Callable[[dict], bool]:
    """Right if the verdict is one of these, and no fault is named that is not there."""
    return lambda found: found["verdict"]["verdict"] in verdicts and not found["faults"]


def unshifted(at: World, rng: np.random.Generator, patients: int) -> Planted:
    return at.unshifted(patients, rng), says("fine")


def prevalence(at: World, rng: np.random.Generator, patients: int) -> Planted:
    """The same patients, but CRS is commoner or rarer."""
    shift = 0.7 * rng.choice([-1, 1])
    return draw(at.config, int(rng.integers(1e9)), patients, shift)[0], says("recalibrate")


def new_site(at: World, rng: np.random.Generator, patients: int) -> Planted:
    """One centre: own therapies and gaps, grading more or less severely, findings telling less."""
    shift = rng.uniform(0.5, 0.9) * rng.choice([-1, 1])
    cohort = draw(
        at.config, int(rng.integers(1e9)), patients, shift, 0.6,
        sites=1, missing=1.5, therapies=own_mix(at.config, rng),
    )[0]  # fmt: skip
    return cohort, says("recalibrate")


def assay_unit(at: World, rng: np.random.Generator, patients: int) -> Planted:
    frame, variable, factor = in_other_unit(at.unshifted(patients, rng), at.artifact, rng)

    def right(found: dict) -> bool:
        named = {fault["variable"]: fault["factor"] for fault in found["faults"]}
        return (
            found["verdict"]["verdict"] == "fine"
            and set(named) == {variable}
            and abs(np.log(named[variable] / factor)) < 0.1
        )

    return frame, right


def new_therapy(at: World, rng: np.random.Generator, patients: int) -> Planted:
    share = rng.uniform(0.3, 0.6)
    total = sum(at.config.source.therapies.values())
    weights = at.config.source.therapies | {NEW_THERAPY: total * share / (1 - share)}
    cohort = draw(at.config, int(rng.integers(1e9)), patients, therapies=weights)[0]
    return cohort, says("retrain")


def findings_reversed(at: World, rng: np.random.Generator, patients: int) -> Planted:
    """Laboratory values and tumour burden tell the opposite; level and therapies stay."""
    return _changed_findings(at, rng, patients, lambda k: np.ones(k, dtype=bool))


def half_reversed(at: World, rng: np.random.Generator, patients: int) -> Planted:
    """Half of them, at random, tell the opposite; the others as before."""
    return _changed_findings(at, rng, patients, lambda k: rng.permutation(k) < k / 2)


def _changed_findings(
    at: World, rng: np.random.Generator, patients: int, choose: Callable[[int], np.ndarray]
) -> Planted:
    measured = graded_effects()
    strength = np.ones(len(measured))
    strength[np.flatnonzero(measured)[choose(int(measured.sum()))]] = -1.0
    cohort = draw(at.config, int(rng.integers(1e9)), patients, strength=strength)[0]
    return cohort, says("recalibrate", "retrain")


_EITHER = "recalibrate or retrain"
SHIFTS = {
    "none: further patients of the same centres": (unshifted, "fine"),
    "prevalence: log-odds of all grades 0.7 up or down": (prevalence, "recalibrate"),
    "new site: 0.5 to 0.9 up or down, findings tell 0.6 as much": (new_site, "recalibrate"),
    "new assay unit of one laboratory value": (assay_unit, "fine, and the unit is named"),
    "new therapy for 30 to 60 % of the patients": (new_therapy, "retrain"),
    "findings reversed: all ten tell the opposite": (findings_reversed, _EITHER),
    "findings reversed: five of the ten, at random": (half_reversed, _EITHER),
}


@dataclass
class Tally:
    """How often the verdict was right, and what it was."""

    right: int = 0
    verdicts: Counter = field(default_factory=Counter)
    marked: int = 0
    wrong: list[str] = field(default_factory=list)


def measure(cohorts: int, patients: int, seed: int) -> dict[str, Tally]:
    """Show new cohorts of each kind to each model."""
    found = {name: Tally() for name in SHIFTS}
    for number in range(cohorts):
        at = world(seed + number % MODELS)
        for place, (name, (plant, _)) in enumerate(SHIFTS.items()):
            rng = np.random.default_rng([seed, number, place])
            frame, right = plant(at, rng, patients)
            told = monitor(at.observe(frame), at.artifact, SETTINGS)
            tally = found[name]
            tally.right += right(told)
            tally.verdicts[told["verdict"]["verdict"]] += 1
            tally.marked += any(entry["verdict"] == "large" for entry in told["drift"])
            if not right(told):
                tally.wrong.append(told["verdict"]["sentence"])
    return found


def table(found: dict[str, Tally], cohorts: int, patients: int) -> list[str]:
    lines = [
        f"| shift ({patients} patients) | right verdict | right of {cohorts} | fine | recalibrate "
        "| retrain | drift marked large |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, tally in found.items():
        counts = " | ".join(str(tally.verdicts[v]) for v in ("fine", "recalibrate", "retrain"))
        lines.append(f"| {name} | {SHIFTS[name][1]} | {tally.right} | {counts} | {tally.marked} |")
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohorts", type=int, default=100, help="new cohorts of each kind")
    parser.add_argument("--patients", type=int, default=500, help="in each")
    parser.add_argument("--seed", type=int, default=SEED, help="of models and cohorts")
    parser.add_argument("--write", type=Path, metavar="FILE", help="between its marks")
    parser.add_argument("--wrong", action="store_true", help="print the wrong verdicts")
    chosen = parser.parse_args()
    counted = measure(chosen.cohorts, chosen.patients, chosen.seed)
    printed = table(counted, chosen.cohorts, chosen.patients)
    print("\n".join(printed))
    if chosen.wrong:
        print("\n".join(f"{name}: {text}" for name, t in counted.items() for text in t.wrong))
    if chosen.write:
        write_between(chosen.write, "monitor", "\n".join(printed))
