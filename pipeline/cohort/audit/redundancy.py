"""Columns that say nothing, or nothing new: constant ones, copies, and copies of follow-up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pipeline.cohort.audit.finding import Finding
from pipeline.cohort.audit.material import Material

FEWEST_SHARED = 30
COPIED_SHARE = 0.5


def constant(material: Material) -> Iterator[Finding]:
    """Baseline columns with one value: they cannot predict; a note, trials have constants."""
    for variable in material.predictors:
        values = material.cohort[variable.name].dropna()
        if len(values) and (values == values.iloc[0]).all():
            yield Finding(
                "constant",
                "note",
                f"'{variable.name}' holds one value throughout.",
                "Nothing to do where the trial fixes it; it cannot contribute to the model.",
                variable.name,
                len(values),
            )


def near_identical(material: Material) -> Iterator[Finding]:
    """Pairs of baseline columns that are copies: rank correlation of about one.

    Statistic: Spearman's rho over shared patients, against ``near_identical_rho``. Copies
    share their importance and double the parameters; often one is the other in another
    unit, or mapped from the wrong source column.
    """
    names = [v.name for v in material.numeric if material.sample[v.name].nunique() > 5]
    rho, shared = _rank_correlation(material.sample[names].to_numpy())
    for i, j in zip(*np.triu_indices(len(names), 1), strict=True):
        # Ranks over all patients only approximate ranks over the shared ones.
        if (
            shared[i, j] < FEWEST_SHARED
            or abs(rho[i, j]) < material.settings.near_identical_rho - 0.03
        ):
            continue
        both = material.sample[[names[i], names[j]]].dropna()
        exact = float(both.rank().corr().to_numpy()[0, 1])
        if abs(exact) >= material.settings.near_identical_rho:
            yield Finding(
                "near_identical",
                "warning",
                f"'{names[i]}' and '{names[j]}' are all but the same (rank correlation "
                f"{exact:.3f}){material.sampled}.",
                "Check that each is mapped from its own source column; keep one.",
                names[j],
                len(both),
                {"rho": exact, "with": names[i]},
            )


def copied_follow_up(material: Material) -> Iterator[Finding]:
    """Baseline columns that equal a follow-up column, value for value, in half the patients.

    A peak is at least the baseline, and equals it in some; a baseline filled from the peak
    equals it in most.
    """
    later = [v.name for v in material.dictionary if v.timing == "post" and v.kind == "numeric"]
    for variable in material.numeric:
        if material.sample[variable.name].nunique() <= 5:
            continue
        for name in later:
            both = material.sample[[variable.name, name]].dropna()
            if len(both) < FEWEST_SHARED:
                continue
            share = float((both[variable.name] == both[name]).mean())
            if share >= COPIED_SHARE:
                yield Finding(
                    "copied_follow_up",
                    "error",
                    f"'{variable.name}' equals '{name}', known only after infusion, in {share:.0%} "
                    f"of the patients that have both{material.sampled}.",
                    "Take the baseline value from its own source column.",
                    variable.name,
                    len(both),
                    {"share": share, "with": name},
                )


def _rank_correlation(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairwise-complete correlation of overall ranks, and the number of shared patients."""
    ranks = pd.DataFrame(values).rank().to_numpy()
    known = ~np.isnan(ranks)
    held = known.astype(float)
    x = np.where(known, ranks, 0) / max(1, len(values))
    n = held.T @ held
    safe = np.maximum(n, 1)
    sums = x.T @ held
    products = x.T @ x
    squares = (x**2).T @ held
    covariance = products / safe - (sums / safe) * (sums.T / safe)
    variance = squares / safe - (sums / safe) ** 2
    scale = np.sqrt(np.maximum(variance * variance.T, 1e-18))
    return covariance / scale, n
