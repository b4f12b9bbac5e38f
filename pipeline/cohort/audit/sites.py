"""One site unlike the others: its values in another unit, or two of its columns exchanged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.cohort.audit.finding import Finding
from pipeline.cohort.audit.material import Material
from pipeline.cohort.audit.unit_shifts import POWERS_OF_TEN, readings
from pipeline.cohort.dictionary import Variable

# Sites differ in case mix: their medians by a share of the spread between patients, and by no
# more than 0.12 on the log10 scale. Haemoglobin, which is narrow, tells a factor of 1.6.
SITE_SHARE, LARGEST_SITE_SD = 0.35, 0.12
SMALLEST_SITE = 8
SMALLEST_STRATUM = 5
# Strata from which the spread between strata can be told.
FEWEST_STRATA = 3
# Factors nearer to one than this are within what sites differ by.
SMALLEST_FACTOR = 1.3


@dataclass(frozen=True)
class Level:
    """Where a site's values lie, on the log10 scale; arrays over the variables, NaN if unknown.

    ``observed`` is the site's median, ``expected`` that of patients of the same strata
    elsewhere, ``sd`` the standard deviation of their difference, by sampling and case mix
    (strata that are seen nowhere else included).
    """

    observed: np.ndarray
    expected: np.ndarray
    sd: np.ndarray
    patients: np.ndarray


def site_unit(material: Material) -> Iterator[Finding]:
    """One site in another unit: its median against the other sites', within strata.

    Statistic: log-likelihood ratio of "shifted by this known factor" against "not shifted",
    both with the sampling error of the median and the ordinary spread between sites.
    """
    for grouping, variables, levels in _groupings(material):
        tests = max(1, len(variables) * len(levels) * len(POWERS_OF_TEN))
        threshold = np.log(tests / material.settings.alpha_error)
        for level in levels:
            for column, variable in enumerate(variables):
                shift = level.observed[column] - level.expected[column]
                if not abs(shift) >= np.log10(SMALLEST_FACTOR):  # nor where it is unknown
                    continue
                sd, typical = level.sd[column], 10 ** level.expected[column]
                for reading in readings(variable):
                    # Values like the other sites', read in the wrong unit.
                    wrong = (typical - reading.offset) / reading.factor
                    expected = np.log10(wrong / typical) if wrong > 0 else 0.0
                    if abs(expected) < np.log10(SMALLEST_FACTOR):
                        continue
                    ratio = (shift**2 - (shift - expected) ** 2) / (2 * sd**2)
                    near = abs(shift - expected) < min(3 * sd, abs(expected) / 2)
                    if near and ratio > threshold / 2:
                        yield Finding(
                            "site_unit",
                            "error" if ratio > threshold else "warning",
                            f"At one level of '{grouping}' the values of '{variable.name}' lie "
                            f"where values in {reading.name} would: {10**shift:.2g} times the "
                            f"other sites'{material.sampled}.",
                            f"State that site's unit of '{variable.name}' and convert its values.",
                            variable.name,
                            int(level.patients[column]),
                            {
                                "likely_unit": reading.name,
                                "ratio_of_medians": float(10**shift),
                                "log_likelihood_ratio": float(ratio),
                            },
                        )
                        break


def exchanged_columns(material: Material) -> Iterator[Finding]:
    """Two columns of one site exchanged: each lies where the other does at the other sites.

    Statistic: log-likelihood ratio of "exchanged" against "as they are", as for units, over
    all pairs. Columns of like level, such as AST and ALT, cannot be told apart this way.
    """
    for grouping, variables, levels in _groupings(material):
        pairs = len(variables) * (len(variables) - 1) / 2
        threshold = np.log(max(1.0, pairs * len(levels)) / material.settings.alpha_error)
        for level in levels:
            sd = level.sd
            own = ((level.observed - level.expected) / sd) ** 2
            # Entry i, j: column i's values judged as if they were column j's.
            other = ((level.observed[:, None] - level.expected[None, :]) / sd[None, :]) ** 2
            ratio = (own[:, None] + own[None, :] - other - other.T) / 2
            fits = (other < 9) & (other.T < 9)
            ratio = np.where(np.triu(fits, 1), ratio, -np.inf)
            for i, j in zip(*np.nonzero(ratio > threshold), strict=True):
                names = variables[i].name, variables[j].name
                yield Finding(
                    "exchanged_columns",
                    "error",
                    f"At one level of '{grouping}' the values of '{names[0]}' lie where those of "
                    f"'{names[1]}' do elsewhere, and the reverse{material.sampled}: the two "
                    "columns seem exchanged.",
                    "Compare that site's headings with its data; exchange the columns back.",
                    names[0],
                    int(min(level.patients[i], level.patients[j])),
                    {"with": names[1], "log_likelihood_ratio": float(ratio[i, j])},
                )


def _groupings(material: Material) -> Iterator[tuple[str, list[Variable], list[Level]]]:
    sample = material.sample
    variables = [v for v in material.numeric if sample[v.name].nunique() >= 10]
    if not variables:
        return
    values = sample[[v.name for v in variables]].to_numpy(dtype=float)
    logs = np.log10(np.where(values > 0, values, np.nan))
    for grouping in material.dictionary:
        if grouping.role != "site" or grouping.kind != "categorical":
            continue
        site = pd.factorize(sample[grouping.name])[0]
        large = np.flatnonzero(np.bincount(site[site >= 0]) >= SMALLEST_SITE)
        if len(large) and site.max() > 0:
            levels = [_level(logs, material.strata, site == label) for label in large]
            yield grouping.name, variables, levels


def _level(logs: np.ndarray, strata: np.ndarray, own: np.ndarray) -> Level:
    known = ~np.isnan(logs)
    patients, others = known[own].sum(axis=0), known[~own].sum(axis=0)
    enough = (patients >= SMALLEST_SITE) & (others >= SMALLEST_SITE)
    columns = np.flatnonzero(enough)
    observed, expected, sd = np.full((3, logs.shape[1]), np.nan)
    if len(columns):
        here, there = logs[np.ix_(own, columns)], pd.DataFrame(logs[np.ix_(~own, columns)])
        overall = there.median().to_numpy()
        groups = there.groupby(strata[~own])
        medians = groups.median().where(groups.count() >= SMALLEST_STRATUM)
        medians = medians.reindex(range(strata.max() + 1))
        centre = medians.fillna(there.median()).to_numpy()
        residual = there.to_numpy() - centre[strata[~own]]
        low, middle, high = np.nanquantile(residual, [0.25, 0.5, 0.75], axis=0)
        spread = np.maximum((high - low) / 1.349, 0.01)
        shift = np.nanmedian(here - centre[strata[own]], axis=0) - middle
        case_mix = np.minimum(SITE_SHARE * spread, LARGEST_SITE_SD)
        # 1.2533: standard error of a median over that of a mean, in normal values.
        sampling = 1.2533 * spread * np.sqrt(1 / patients[columns] + 1 / others[columns])
        # Patients of strata not seen elsewhere are compared with all: strata may differ.
        unseen = medians.isna().to_numpy()
        strange = (unseen[strata[own]] & known[own][:, columns]).sum(axis=0)
        kinds = unseen[np.unique(strata[own])].sum(axis=0)
        # Over several strata such differences cancel in part; of one's size nothing is known.
        seen = medians.count().to_numpy() >= FEWEST_STRATA
        between = np.where(seen, medians.std() / np.sqrt(np.maximum(kinds, 1)), spread)
        unlike = strange / patients[columns] * between
        observed[columns], expected[columns] = overall + shift, overall
        sd[columns] = np.sqrt(case_mix**2 + sampling**2 + unlike**2)
    return Level(observed, expected, sd, patients)
