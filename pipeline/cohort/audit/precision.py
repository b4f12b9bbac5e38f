"""Digits that a value owes to arithmetic: computed among measured ones, and by outcome."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pipeline.cohort.audit.finding import Finding, shown_if_large
from pipeline.cohort.audit.material import Material
from pipeline.cohort.audit.statistics import correlation, max_statistic_p

# Decimals are counted up to this; what a binary fraction adds beyond is noise.
MOST_DECIMALS = 6
# Reports print large values coarser: digits are compared among values of one size.
SIZES = 10
FEWEST = 4
DISTINCT = 12
# A conversion or a mean leaves at least so many decimals more than its column is reported with.
EXTRA = 2
# A smaller deviate cannot be an error over many columns; permuting would cost time for nothing.
WORTH_TESTING = 3.0
# Orders expected to be as extreme at the error level: enough to place p on either side of it.
ORDERS = 2


def computed_values(material: Material) -> Iterator[Finding]:
    """Values with more decimals than their column is reported with: computed, not measured.

    Statistic: share of values with at least two decimals more than nine tenths of the
    column have, or, where up to a half are computed, than the coarser half has. A factor,
    a mean or noise leaves such digits; laboratories report one precision.
    """
    for variable in material.measured:
        values = material.cohort[variable.name].dropna().to_numpy(dtype=float)
        if len(np.unique(values)) < DISTINCT:
            continue
        decimals = decimals_of(values)
        reported = int(np.quantile(decimals, 0.5, method="lower"))
        count = int((decimals >= reported + EXTRA).sum())
        between = int((decimals == reported + 1).sum())
        # Of values that are reported to one decimal more, a tenth would end in another zero.
        if count < max(FEWEST, 0.01 * len(values)) or between > count:
            continue
        share = count / len(values)
        yield Finding(
            "computed_values",
            "warning",
            f"{count:,} values of '{variable.name}' ({share:.0%}) carry at least {EXTRA} decimals "
            "more than the others: they were computed, not measured.",
            "Find out what computed them: a conversion of some rows, filling, or added noise.",
            variable.name,
            count,
            {"share": share, "reported_decimals": reported},
        )


def digits_by_outcome(material: Material) -> Iterator[Finding]:
    """Digits that go with the outcome: number of decimals, even and round last digits.

    Statistic: correlation of the digit's residual, among values of one size and given
    therapy and site, with the residual outcome; p by permutation, family-wise as for
    missing values. Nature knows no digits: whatever associates them with the outcome
    (filling, scaling, another laboratory) came into the table by outcome.
    """
    settings, events = material.settings, material.events
    features, names = _digits(material)
    occurred = events.to_numpy(dtype=bool)
    smaller = np.minimum(occurred.sum(axis=0), (~occurred).sum(axis=0))
    tested = np.flatnonzero(smaller >= FEWEST)
    if not names or not len(tested):
        return
    features, outcomes = material.adjusted(features), material.scaled_events[:, tested]
    if np.abs(correlation(features, outcomes)).max() * np.sqrt(len(features)) < WORTH_TESTING:
        return
    statistic, p = max_statistic_p(
        features,
        outcomes,
        min(settings.permutations, round(ORDERS / settings.alpha_error)),
        material.generator(6),
    )
    best = p.min(axis=1)
    for name in dict.fromkeys(names):
        own = [k for k, other in enumerate(names) if other == name]
        row = min(own, key=lambda k: best[k])
        if best[row] > settings.alpha_error:
            continue
        column = int(p[row].argmin())
        outcome = str(events.columns[tested[column]])
        count = int(material.sample[name].notna().sum())
        yield Finding(
            "digits_by_outcome",
            "error",
            f"The digits of '{name}' go with '{outcome}' (correlation "
            f"{statistic[row, column]:.2f}, p {best[row]:.2g}){material.sampled}: values were "
            "filled, scaled or rounded by outcome.",
            "Go back to the table before this was done; leave the column out until then.",
            name,
            shown_if_large(count, settings.minimum_cell),
            {"correlation": statistic[row, column], "p": best[row], "outcome": outcome},
        )


def decimals_of(values: np.ndarray) -> np.ndarray:
    """Return the number of decimals of each value, at most `MOST_DECIMALS`."""
    decimals = np.full(len(values), MOST_DECIMALS)
    for places in range(MOST_DECIMALS - 1, -1, -1):
        scaled = values * 10.0**places
        whole = np.abs(scaled - np.round(scaled)) <= 1e-9 * np.maximum(1.0, np.abs(scaled))
        decimals[whole] = places
    return decimals


def _digits(material: Material) -> tuple[np.ndarray, list[str]]:
    """Features of the digits, centred among values of one size: patients x features."""
    columns, names = [np.empty((len(material.sample), 0))], []
    for variable in material.numeric:
        values = material.sample[variable.name].to_numpy(dtype=float)
        known = np.flatnonzero(~np.isnan(values))
        distinct = np.unique(values[known])
        if len(distinct) < DISTINCT:
            continue
        held = values[known]
        decimals = decimals_of(held)
        places = np.quantile(decimals, 0.75, method="lower")
        last = np.round(held * 10.0**places)
        traits = [decimals >= places_ for places_ in range(1, MOST_DECIMALS + 1)]
        traits += [last % 2 == 0, last % 5 == 0]
        found = np.column_stack(traits).astype(float)
        rarer = np.minimum(found.sum(axis=0), (1 - found).sum(axis=0))
        found = np.unique(found[:, rarer >= FEWEST], axis=1)
        if not found.shape[1]:
            continue
        size = pd.qcut(held, SIZES, labels=False, duplicates="drop")
        found -= pd.DataFrame(found).groupby(size).transform("mean").to_numpy()
        whole = np.zeros((len(values), found.shape[1]))
        whole[known] = found
        columns.append(whole)
        names += [variable.name] * found.shape[1]
    return np.column_stack(columns), names
