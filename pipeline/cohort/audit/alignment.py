"""Columns whose values stand beside the wrong patients: rows shifted, or mixed at a site."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.fft import irfft, rfft
from scipy.stats import chi2, norm

from pipeline.cohort.audit.finding import Finding
from pipeline.cohort.audit.material import Material

# A column pasted one to three rows too low or too high.
SHIFTS = (1, 2, 3)
NEAREST_NULL = 10
MOST_ROWS = 4096
CLEAR = 2.0
MOST_COLUMNS = 5
FEWEST_ROWS, FEWEST_SHIFTED = 60, 150
SMALLEST_SITE = 15
# Sites differ in how closely columns go together by about this (Fisher's z).
SITE_SD = 0.1
# A column is judged where the others tell it at least this well.
SMALLEST_CORRELATION = 0.3


def shifted_rows(material: Material) -> Iterator[Finding]:
    """A column that fits the patient some rows away, and not its own.

    Statistic: squared correlations with all other columns at a shift of one to three rows,
    as far as they exceed those without shift, summed. Its null comes from the shifts of ten
    rows and more (a scaled chi-square of their mean and variance); Bonferroni-adjusted. In
    cohorts above ``permutation_patients`` neighbours are not in the sample, and nothing is said.
    """
    values, names = _columns(material)
    values = values[:MOST_ROWS]
    if len(material.cohort) > material.settings.permutation_patients:
        return
    if len(values) < FEWEST_SHIFTED or len(names) < 3:
        return
    excess = _excess_by_shift(values)  # (shifts, columns, columns)
    rows = len(values)
    near = [*SHIFTS, *(rows - shift for shift in SHIFTS)]
    tests = len(near) * len(names)
    left = np.arange(len(names))
    for _ in range(MOST_COLUMNS):
        total = excess[:, left][:, :, left].sum(axis=2)
        null = total[NEAREST_NULL : rows - NEAREST_NULL + 1]
        mean, variance = null.mean(axis=0), null.var(axis=0)
        scale = variance / np.maximum(2 * mean, 1e-9)
        freedom = 2 * mean**2 / np.maximum(variance, 1e-9)
        p = tests * chi2.sf(total[near] / np.maximum(scale, 1e-9), np.maximum(freedom, 1e-9))
        # The far tail of a fitted distribution is not believed alone: no other shift may come near.
        p[total[near] < CLEAR * null.max(axis=0)] = 1.0
        shift, column = np.unravel_index(int(p.argmin()), p.shape)
        if p[shift, column] > material.settings.alpha_error or len(left) < 3:
            return
        name = names[left[column]]
        yield Finding(
            "shifted_rows",
            "error",
            f"'{name}' fits the values of the patient {SHIFTS[shift % len(SHIFTS)]} rows away "
            f"better than its own patient's (p {p[shift, column]:.2g}): its rows were shifted.",
            "Join the column again by the patient's id, never by position.",
            name,
            rows,
            {"rows": int(SHIFTS[shift % len(SHIFTS)]), "p": p[shift, column]},
        )
        left = np.delete(left, column)


def misaligned_site(material: Material) -> Iterator[Finding]:
    """A column that at one site does not go with the patient's other values as elsewhere.

    Statistic: correlation of the column with its prediction from all others (regularised
    linear), at the site against the other sites; Fisher's z with an ordinary spread between
    sites, Bonferroni-adjusted. Columns that the others tell little about cannot be judged.
    """
    values, names = _columns(material)
    if len(names) < 3 or len(values) < FEWEST_ROWS:
        return
    predicted = _predicted(values)
    known = ~np.isnan(values)
    for grouping in material.dictionary:
        if grouping.role != "site" or grouping.kind != "categorical":
            continue
        site = pd.factorize(material.sample[grouping.name])[0]
        large = np.flatnonzero(np.bincount(site[site >= 0]) >= SMALLEST_SITE)
        tests = max(1, len(large) * len(names))
        for label in large:
            own = site == label
            n, others = known[own].sum(axis=0), known[~own].sum(axis=0)
            here, there = (
                _correlation(values, predicted, own),
                _correlation(values, predicted, ~own),
            )
            judged = (n >= SMALLEST_SITE) & (others >= SMALLEST_SITE)
            judged &= there >= SMALLEST_CORRELATION
            error = np.sqrt(SITE_SD**2 + 1 / np.maximum(n - 3, 1) + 1 / np.maximum(others - 3, 1))
            deviate = (np.arctanh(there) - np.arctanh(here)) / error
            for k in np.flatnonzero(judged & (here < there / 2)):
                p = tests * norm.sf(deviate[k])
                if p > material.settings.alpha_warning:
                    continue
                yield Finding(
                    "misaligned_site",
                    "error" if p <= material.settings.alpha_error else "warning",
                    f"At one level of '{grouping.name}' '{names[k]}' does not go with the "
                    f"patients' other values as elsewhere (correlation {here[k]:.2f} against "
                    f"{there[k]:.2f}, p {p:.2g}){material.sampled}: its rows may be mixed up.",
                    "Join that site's column again by the patient's id; check which column it is.",
                    names[k],
                    int(n[k]),
                    {"correlation": here[k], "elsewhere": there[k], "p": p},
                )


def _columns(material: Material) -> tuple[np.ndarray, list[str]]:
    values, names = material.scores
    kept = np.flatnonzero((~np.isnan(values)).sum(axis=0) >= FEWEST_ROWS / 2)
    return values[:, kept], [names[k] for k in kept]


def _excess_by_shift(values: np.ndarray) -> np.ndarray:
    """Squared correlations times patients at every shift, less those without shift, if positive."""
    held = ~np.isnan(values)
    filled = np.where(held, values - np.nanmean(values, axis=0), 0.0)
    filled /= np.maximum(np.sqrt((filled**2).sum(axis=0)), 1e-9)
    spectrum = rfft(filled, axis=0)
    rows, columns = values.shape
    excess = np.empty((rows, columns, columns), dtype=np.float32)
    for column in range(columns):
        crossed = np.conj(spectrum[:, [column]]) * spectrum
        squared = rows * irfft(crossed, n=rows, axis=0) ** 2
        excess[:, column] = np.maximum(squared - squared[0], 0)
        excess[:, column, column] = 0
    return excess


def _predicted(values: np.ndarray) -> np.ndarray:
    """Prediction of each column from the others, of a ridge-regularised joint normal."""
    held = ~np.isnan(values)
    filled = np.where(held, values - np.nanmean(values, axis=0), 0.0)
    filled /= np.maximum(np.sqrt((filled**2).sum(axis=0) / held.sum(axis=0)), 1e-9)
    shared = held.T.astype(float) @ held
    correlation = filled.T @ filled / np.maximum(shared, 1)
    # Pairs that few patients share, and many columns for few patients, say less.
    trust = shared / (shared + values.shape[1])
    np.fill_diagonal(trust, 1.0)
    eigenvalues, vectors = np.linalg.eigh(correlation * trust)
    precision = (vectors / np.maximum(eigenvalues, 0.05)) @ vectors.T
    return filled - filled @ precision / np.diag(precision)


def _correlation(left: np.ndarray, right: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Correlation of each pair of columns over the rows where the first is known."""
    known = ~np.isnan(left[rows])
    count = np.maximum(known.sum(axis=0), 1)
    x, y = np.where(known, left[rows], 0.0), np.where(known, right[rows], 0.0)
    x, y = (np.where(known, z - z.sum(axis=0) / count, 0.0) for z in (x, y))
    scale = np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))
    return np.clip((x * y).sum(axis=0) / np.maximum(scale, 1e-9), -0.99, 0.99)
