"""Lost and preferred digits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import binom

from pipeline.cohort.audit.finding import Finding
from pipeline.cohort.audit.material import Material

# Last digits are near uniform where the values spread over this many units.
SPREAD = 20
FEWEST = 30
# A last digit zero in fewer than this share of whole numbers is a deficit worth a name.
ZERO_SHARE = 0.05
PREFERRED_SHARE = 0.30
WHOLE_SHARE = 0.9
# Largest spread (log10) per power of ten that leaves a gap between bulk and fallen values.
NARROW = 0.11


def lost_zeros(material: Material) -> Iterator[Finding]:
    """Whole numbers that never end in zero: 80 was stored as 8, 150 as 15.

    Statistic: share of last digits that are zero, against one in ten; exact binomial,
    Bonferroni-adjusted over columns. Only columns of whole numbers that spread over at
    least two tens are judged; rounding to tens makes more zeros, never fewer.
    """
    columns = _whole_number_columns(material)
    for name, digits in columns.items():
        zeros = int((digits == 0).sum())
        p = len(columns) * binom.cdf(zeros, len(digits), 0.1)
        if p <= material.settings.alpha_error and zeros / len(digits) < ZERO_SHARE:
            yield Finding(
                "lost_zeros",
                "error",
                f"Only {zeros / len(digits):.1%} of the values of '{name}' end in zero where about "
                "10% would: trailing zeros were lost, so that 80 became 8.",
                "Read the source again as text or numbers; do not strip zeros.",
                name,
                zeros,
                {"share_ending_in_zero": zeros / len(digits), "p": float(p)},
            )


def shifted_point(material: Material) -> Iterator[Finding]:
    """Single values a power of ten below the bulk of a narrow column: 14.5 for 145.

    Statistic: values whose tenfold or hundredfold lies within the middle of the column
    while they themselves lie beyond four spreads below it, with the gap between empty of
    others. Wide columns have no such gap and cannot be judged.
    """
    for variable in material.measured:
        values = material.cohort[variable.name].dropna().to_numpy()
        values = values[values > 0]
        if len(values) < FEWEST or len(np.unique(values)) < 10:
            continue
        logs = np.log10(values)
        low, median, high = np.quantile(logs, [0.3, 0.5, 0.9])
        # The lower half may hold lost digits: measure the spread mostly above it.
        spread = max((high - low) / (1.2816 + 0.5244), 0.01)
        for power in (1, 2):
            if spread > NARROW * power:
                continue
            fallen = (logs < median - 4 * spread) & (np.abs(logs + power - median) < 3 * spread)
            between = (logs < median - 3.5 * spread) & (logs > median - power + 3.5 * spread)
            count = int(fallen.sum())
            if count >= 3 and count >= 0.01 * len(values) and between.sum() <= count / 3:
                yield Finding(
                    "shifted_point",
                    "error",
                    f"{count:,} values of '{variable.name}' lie a factor of {10**power} below the "
                    "others: a digit or the decimal point was lost.",
                    "Mend these values at their source; do not guess them.",
                    variable.name,
                    count,
                    {"share": count / len(values), "factor": 10**power},
                )


def preferred_digits(material: Material) -> Iterator[Finding]:
    """Whole numbers that end in 0 or 5 too often: values were rounded or estimated.

    Statistic: share of the last digits 0 and 5, against one in ten each; a note, because
    coarse rounding costs precision and misleads nobody.
    """
    for name, digits in _whole_number_columns(material).items():
        share = float(np.isin(digits, (0, 5)).mean())
        p = binom.sf((np.isin(digits, (0, 5))).sum() - 1, len(digits), 0.2)
        if share >= PREFERRED_SHARE and p <= material.settings.alpha_error:
            yield Finding(
                "preferred_digits",
                "note",
                f"{share:.0%} of the values of '{name}' end in 0 or 5 where 20% would.",
                "Nothing to do if the source rounds; else ask how the values were read.",
                name,
                None,
                {"share_ending_in_0_or_5": share, "p": float(p)},
            )


def _whole_number_columns(material: Material) -> dict[str, np.ndarray]:
    """Last digits of the columns that hold whole numbers of at least two digits."""
    columns = {}
    for variable in material.numeric:
        values = material.cohort[variable.name].dropna().to_numpy()
        whole = np.abs(values - np.round(values)) < 1e-9
        if whole.mean() < WHOLE_SHARE:
            continue
        values = np.round(values[whole & (values >= 10)])
        if len(values) < FEWEST or np.subtract(*np.quantile(values, [0.9, 0.1])) < SPREAD:
            continue
        columns[variable.name] = np.mod(values, 10)
    return columns
