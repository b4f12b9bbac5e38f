"""Values crowded around a class's own median: class-wise filling blurred by noise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import norm

from pipeline.cohort.audit.finding import Finding
from pipeline.cohort.audit.material import Material

# Half-widths of the place around the median that is searched, in spreads of the column, and
# of its neighbourhood, in half-widths.
WIDTHS = (0.02, 0.05, 0.12, 0.25)
NEIGHBOURHOOD = 4.0
SMALLEST_CLASS = 8


def crowded_by_class(material: Material) -> Iterator[Finding]:
    """Class-wise filling with noise: a class is denser around its own median than others are.

    Statistic: of the patients near a class's median, how many of the nearest belong to the
    class, against those a little further away (hypergeometric, as a normal deviate; the
    median itself left out). Combined over classes (Stouffer) for each column, and over the
    columns for each partition; Bonferroni-adjusted. A true relation changes the classes'
    shares smoothly, and does not make them peak at every class's own median.
    """
    values, names = material.transformed
    if not material.partitions or not names:
        return
    settings = material.settings
    tests = len(WIDTHS) * len(material.partitions)
    best: dict[str, tuple[float, str]] = {}
    whole: tuple[float, str, int] = (0.0, "", 0)
    for partition, classes in material.partitions.items():
        for width in WIDTHS:
            deviates = np.array([_deviate(column, classes, width) for column in values.T])
            held = np.flatnonzero(~np.isnan(deviates))
            if not len(held):
                continue
            joint = float(deviates[held].sum() / np.sqrt(len(held)))
            whole = max(whole, (joint, partition, len(held)))
            for k in held:
                best[names[k]] = max(best.get(names[k], (0.0, "")), (deviates[k], partition))
    for name, (deviate, partition) in best.items():
        p = tests * len(names) * norm.sf(deviate)
        if p <= settings.alpha_error:
            yield _finding(f"'{name}' crowds", name, deviate, p, partition, None)
    joint, partition, columns = whole
    p = tests * norm.sf(joint)
    if columns > 1 and p <= settings.alpha_error:
        yield _finding(f"{columns} columns together crowd", None, joint, p, partition, columns)


def _finding(
    what: str, name: str | None, deviate: float, p: float, partition: str, count: int | None
) -> Finding:
    return Finding(
        "crowded_by_class",
        "error",
        f"{what} around the median of each class of '{partition}' more than chance allows "
        f"(z {deviate:.1f}, p {p:.2g}): missing values seem to be filled per outcome class, "
        "with noise.",
        "Go back to the table before filling; missing values must stay missing.",
        name,
        count,
        {"z": deviate, "p": p, "partition": partition},
    )


def _deviate(values: np.ndarray, classes: np.ndarray, width: float) -> float:
    """Combined deviate of one column over the classes; NaN where none can be judged."""
    deviates = []
    known = ~np.isnan(values)
    values, classes = values[known], classes[known]
    for label in np.unique(classes):
        own = classes == label
        if not SMALLEST_CLASS <= own.sum() <= len(own) - SMALLEST_CLASS:
            continue
        ordered = np.sort(values[own])
        distance = np.abs(values - ordered[len(ordered) // 2])
        near = distance <= NEIGHBOURHOOD * width
        inner = distance <= width
        # The median itself is of its class by construction.
        total, drawn = near.sum() - 1, inner.sum() - 1
        members, found = (near & own).sum() - 1, (inner & own).sum() - 1
        if total < 2:
            continue
        share = members / total
        variance = drawn * share * (1 - share) * (total - drawn) / (total - 1)
        if variance > 0.5:
            deviates.append((found - drawn * share - 0.25) / np.sqrt(variance))
    return float(np.sum(deviates) / np.sqrt(len(deviates))) if deviates else np.nan
