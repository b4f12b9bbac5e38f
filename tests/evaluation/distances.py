"""Simulated coverage of the intervals of ICI, E50 and E90, beside percentiles of replicates.

``python -m tests.evaluation.distances --write tests/evaluation/README.md`` puts the table into
the README; it takes some five minutes on one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.special import expit, logit

from pipeline.evaluation.bootstrap import MOVED, around, weight_blocks
from pipeline.evaluation.calibration import curve_distances, flexible_curve
from tests.marks import write_between

DISTANCES = ("ici", "e50", "e90")
COHORTS, BOOTSTRAP, LEVEL = 400, 300, 0.95
SIZES = ((2000, 0.3), (500, 0.3), (1000, 0.08))
TRUTHS = {
    "calibrated": lambda x: x,
    "log-odds too low by 0.3": lambda x: x + 0.3,
    "slope 0.7": lambda x: 0.7 * x,
    "slope 0.85, too high by 0.1": lambda x: 0.85 * x - 0.1,
    "bent": lambda x: x + 0.25 * x**2 - 0.3,
}


def true_distances(x: np.ndarray, truth) -> dict[str, float]:
    distance = np.abs(expit(truth(x)) - expit(x))
    return {"ici": distance.mean(), "e50": np.quantile(distance, 0.5),
            "e90": np.quantile(distance, 0.9)}  # fmt: skip


def percentiles(drawn: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def one_cohort(n: int, prevalence: float, truth, seed: int) -> dict[str, tuple]:
    """Estimate, interval, and the interval that percentiles would give, of each distance."""
    rng = np.random.default_rng(seed)
    x = rng.normal(logit(prevalence), 1, n)
    observed, risk = (rng.random(n) < expit(truth(x))).astype(float), expit(x)
    moved: dict[str, list] = {name: [] for name in DISTANCES}
    again: dict[str, list] = {name: [] for name in DISTANCES}
    for weights in weight_blocks(n, BOOTSTRAP, seed):
        curve = flexible_curve(observed, risk, weights)
        found = curve_distances(curve, risk)
        own = np.abs(curve.in_replicates(risk) - risk)
        for name, values in zip(
            DISTANCES, (own.mean(axis=1), *np.quantile(own, (0.5, 0.9), axis=1)), strict=True
        ):
            again[name].append(values)
            moved[name].append(found[f"{name}{MOVED}"])
    return {
        name: (
            around(float(found[name][0]), np.concatenate(moved[name])[1:], LEVEL, ""),
            percentiles(np.concatenate(again[name])[1:]),
        )
        for name in DISTANCES
    }


def table() -> str:
    lines = [
        "| patients | events | truth | " + " | ".join(
            f"{name.upper()}: interval covers | percentiles would" for name in DISTANCES) + " |",
        "|---|---|---|" + "---|---|" * len(DISTANCES),
    ]  # fmt: skip
    for n, prevalence in SIZES:
        x = np.random.default_rng(0).normal(logit(prevalence), 1, 200_000)
        for name, truth in TRUTHS.items():
            true = true_distances(x, truth)
            found = [one_cohort(n, prevalence, truth, seed) for seed in range(COHORTS)]
            cells = []
            for key in DISTANCES:
                ours = [f[key][0]["low"] <= true[key] <= f[key][0]["high"] for f in found]
                plain = [f[key][1][0] <= true[key] <= f[key][1][1] for f in found]
                cells += [f"{np.mean(ours):.0%}", f"{np.mean(plain):.0%}"]
            lines.append(f"| {n:,} | {prevalence:.0%} | {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, required=True)
    write_between(parser.parse_args().write, "distances", table())


if __name__ == "__main__":
    main()
