"""Values crowded around a class's own median: class-wise filling blurred by noise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import norm

from pipeline.cohort.audit.finding import Finding
from pipeline.cohort.audit.material import Material

# Half-widths of the place around the median that is searched, in spreads of the column, and
# of its neighbourhood, in half-widths.
WIDTHS = (0.02, 0.05, 0.12)
NEIGHBOURHOOD = 4.0
SMALLEST_CLASS = 8
LEAST_VARIANCE = 0.5


def crowded_by_class(material: Material) -> Iterator[Finding]:
    """Class-wise filling with noise: a class is denser around its own median than others are.

    Statistic: of the patients near a class's median, how many of the nearest belong to the
    class, against those a little further away (hypergeometric, as a normal deviate; the
    median itself left out), and the odds ratio (Mantel and Haenszel) against
    ``crowding_odds_ratio``. Combined over classes (Stouffer) for each column, and over the
    columns for each partition; Bonferroni-adjusted. A true relation changes the classes'
    shares smoothly, and hardly peaks at every class's own median.
    """
    values, names = material.transformed
    if not material.partitions or not names:
        return
    settings = material.settings
    tests = len(WIDTHS) * len(material.partitions)
    by_column: dict[str, Finding] = {}
    together: list[Finding] = []
    for partition, classes in material.partitions.items():
        for width in WIDTHS:
            tables = [_tables(column, classes, width) for column in values.T]
            judged = [k for k, table in enumerate(tables) if len(table)]
            for k in judged:
                z, ratio = _combined(tables[k])
                p = tests * len(names) * norm.sf(z)
                best = by_column.get(names[k])
                clear = p <= settings.alpha_error and ratio >= settings.crowding_odds_ratio
                if clear and (best is None or p < best.figure["p"]):
                    what = f"'{names[k]}' crowds"
                    by_column[names[k]] = _finding(what, names[k], None, z, p, ratio, partition)
            if len(judged) > 1:
                z = sum(_combined(tables[k])[0] for k in judged) / np.sqrt(len(judged))
                ratio = _combined(np.concatenate([tables[k] for k in judged]))[1]
                p = tests * norm.sf(z)
                if p <= settings.alpha_error and ratio >= settings.crowding_odds_ratio:
                    what = f"{len(judged)} columns together crowd"
                    together.append(_finding(what, None, len(judged), z, p, ratio, partition))
    yield from by_column.values()
    if together:
        yield min(together, key=lambda finding: finding.figure["p"])


def _finding(
    what: str,
    name: str | None,
    count: int | None,
    z: float,
    p: float,
    ratio: float,
    partition: str,
) -> Finding:
    return Finding(
        "crowded_by_class",
        "error",
        f"{what} around the median of each class of '{partition}' more than chance allows "
        f"(odds ratio {ratio:.2g}, p {p:.2g}): missing values seem to be filled per outcome "
        "class, with noise.",
        "Go back to the table before filling; missing values must stay missing.",
        name,
        count,
        {"odds_ratio": ratio, "z": z, "p": p, "partition": partition},
    )


def _tables(values: np.ndarray, classes: np.ndarray, width: float) -> np.ndarray:
    """Fourfold table of each class that can be judged: own and others, near and further.

    Shape (classes, 4): members in the inner and the outer part, then the others.
    """
    tables = []
    known = ~np.isnan(values)
    values, classes = values[known], classes[known]
    for label in np.unique(classes):
        own = classes == label
        if not SMALLEST_CLASS <= own.sum() <= len(own) - SMALLEST_CLASS:
            continue
        ordered = np.sort(values[own])
        distance = np.abs(values - ordered[len(ordered) // 2])
        inner = distance <= width
        outer = (distance <= NEIGHBOURHOOD * width) & ~inner
        # The median itself is of its class by construction.
        table = [(inner & own).sum() - 1, (outer & own).sum()]
        table += [(inner & ~own).sum(), (outer & ~own).sum()]
        if _variance(np.array(table, dtype=float)) > LEAST_VARIANCE:
            tables.append(table)
    return np.array(tables, dtype=float).reshape(-1, 4)


def _variance(table: np.ndarray) -> np.ndarray:
    """Hypergeometric variance of the inner members."""
    inner, outer, other_inner, other_outer = np.moveaxis(table, -1, 0)
    total = inner + outer + other_inner + other_outer
    product = (inner + outer) * (other_inner + other_outer)
    product = product * (inner + other_inner) * (outer + other_outer)
    return np.asarray(product / np.maximum(total**2 * (total - 1), 1))


def _combined(tables: np.ndarray) -> tuple[float, float]:
    """Deviate (Stouffer) and odds ratio (Mantel and Haenszel) over fourfold tables."""
    inner, outer, other_inner, other_outer = tables.T
    total = tables.sum(axis=1)
    expected = (inner + outer) * (inner + other_inner) / total
    # A quarter less: part of a continuity correction, since many small tables are summed.
    deviates = (inner - expected - 0.25) / np.sqrt(_variance(tables))
    across = (outer * other_inner / total).sum()
    ratio = (inner * other_outer / total).sum() / max(across, 0.5 / len(tables))
    return float(deviates.sum() / np.sqrt(len(tables))), float(ratio)
