"""Values repeated exactly: class-wise filling, and columns filled with one value."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import chi2, hypergeom

from pipeline.cohort.audit.finding import Finding, shown_if_large
from pipeline.cohort.audit.material import Material

# Neighbouring patients on either side of a value, among whom classes are permuted.
NEIGHBOURS = 40
# With fewer distinct values every value repeats by nature.
DISTINCT = 12
SMALLEST_CLASS = 8
FEWEST_COPIES = 4


def filled_by_class(material: Material) -> Iterator[Finding]:
    """Class-wise filling: one exact value that an outcome class holds and others lack.

    For every class of the outcome two values are tried, the class's median and its most
    repeated value. Statistic: how many of the patients with exactly this value belong to
    the class; its p is exact, from permuting the classes among these patients and their
    nearest neighbours by value, so neither rounding nor a true relation with the outcome
    counts. p are combined over the classes (Fisher) and adjusted over columns, partitions
    and the two values (Bonferroni). Missing labs filled with the median of the patient's
    own grade gave one published table an AUROC of 0.98.
    """
    settings = material.settings
    if not material.partitions:
        return
    names = [v.name for v in material.numeric if material.sample[v.name].nunique() >= DISTINCT]
    tests = 2 * len(names) * len(material.partitions)
    for name in names:
        values = material.sample[name].to_numpy()
        results = [
            (*_concentration(values, classes, kind), partition)
            for partition, classes in material.partitions.items()
            for kind in ("median", "mode")
        ]
        p, odds_ratio, copies, partition = min(results, key=lambda r: r[0])
        p = min(1.0, p * tests)
        if p <= settings.alpha_error and odds_ratio >= settings.repeated_odds_ratio:
            yield Finding(
                "filled_by_class",
                "error",
                f"'{name}' repeats single values within classes of '{partition}' more often than "
                f"chance allows (odds ratio {odds_ratio:.3g}, p {p:.2g}){material.sampled}: "
                "missing values seem to be filled per outcome class.",
                "Go back to the table before filling; missing values must stay missing.",
                name,
                shown_if_large(copies, settings.minimum_cell),
                {"odds_ratio": odds_ratio, "p": p, "partition": partition},
            )


def filled_with_one_value(material: Material) -> Iterator[Finding]:
    """Share of a column that one exact value holds, where other values hardly repeat.

    Statistic: share of the most repeated value, against ``spike_share`` and five times the
    share of the next most repeated one. Values at the column's ends are left out: assay
    limits repeat. Filling with the overall median or mode hides missing values.
    """
    for variable in material.numeric:
        values = material.cohort[variable.name].dropna().to_numpy()
        distinct, counts = np.unique(values, return_counts=True)
        if len(distinct) < DISTINCT:
            continue
        inner = counts[1:-1]
        top = int(inner.argmax())
        share, copies = inner[top] / len(values), int(inner[top])
        runner_up = np.partition(inner, -2)[-2]
        if share >= material.settings.spike_share and copies >= 5 * runner_up and copies >= 5:
            yield Finding(
                "filled_with_one_value",
                "warning",
                f"One exact value makes up {share:.0%} of '{variable.name}', five times the next.",
                "If missing values were filled with it, leave them missing instead.",
                variable.name,
                copies,
                {"share": share, "ratio_to_next": copies / runner_up},
            )


def _concentration(values: np.ndarray, classes: np.ndarray, kind: str) -> tuple[float, float, int]:
    """Return combined p, odds ratio of the clearest class, and copies within classes."""
    known = ~np.isnan(values)
    order = np.argsort(values[known], kind="stable")
    values, classes = values[known][order], classes[known][order]
    log_p, odds, copies = [], [1.0], 0
    for label in np.unique(classes):
        own = classes == label
        if not SMALLEST_CLASS <= own.sum() <= len(own) - SMALLEST_CLASS:
            continue
        value, tried = _candidate(values[own], kind)
        first, last = np.searchsorted(values, [value, np.nextafter(value, np.inf)])
        held, within = last - first, int(own[first:last].sum())
        near = slice(max(0, first - NEIGHBOURS), last + NEIGHBOURS)
        window, total = own[near].size, int(own[near].sum())
        tail = hypergeom.logsf(within - 1, window, total, held)
        log_p.append(min(0.0, tail + np.log(tried)))
        if log_p[-1] < np.log(0.01):
            # Halves added to each cell keep the ratio finite.
            around = (total - within + 0.5) / (window - held - total + within + 0.5)
            odds.append((within + 0.5) / (held - within + 0.5) / around)
            copies += within
    if copies < FEWEST_COPIES:
        return 1.0, 1.0, 0
    return float(chi2.sf(-2 * sum(log_p), 2 * len(log_p))), float(max(odds)), copies


def _candidate(values: np.ndarray, kind: str) -> tuple[float, int]:
    """Median (an occurring value) or mode of a sorted class, and among how many it was picked."""
    if kind == "median":
        return float(values[len(values) // 2]), 1
    distinct, counts = np.unique(values, return_counts=True)
    return float(distinct[counts.argmax()]), int((counts > 1).sum()) + 1
