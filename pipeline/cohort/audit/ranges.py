"""Values that cannot be: outside the plausible range, codes for missing, unknown levels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.cohort.audit.finding import Finding
from pipeline.cohort.audit.material import Material
from pipeline.cohort.dictionary import Variable

# Numbers that tables use for "missing", and how far from the bulk they must lie.
MISSING_CODES = (0, -1, -8, -9, -88, -99, -888, -999, -9999, 88, 99, 777, 888, 999, 9999, 99999)
FAR = 5.0
FEWEST_CODES = 3
# Other values within so many times the floor of a logarithm make a zero one of them.
NEAR_FLOOR = 2.0


def outside_range(material: Material) -> Iterator[Finding]:
    """Share of values outside the dictionary's plausible range, against ``out_of_range_share``.

    Single values are typing errors; many are a wrong unit or a wrong column.
    """
    for variable in material.dictionary:
        if variable.range is None or variable.kind != "numeric":
            continue
        values = material.cohort[variable.name].dropna()
        low, high = variable.range
        below, above = int((values < low).sum()), int((values > high).sum())
        count = below + above
        if not count:
            continue
        share = count / len(values)
        grave = share >= material.settings.out_of_range_share and count >= FEWEST_CODES
        yield Finding(
            "outside_range",
            "error" if grave else "warning",
            f"{count:,} values of '{variable.name}' ({share:.1%}) lie outside the plausible range "
            f"{low:g} to {high:g}{_unit(variable)}.",
            "Check the unit and the source of these values, or correct the range in the "
            "dictionary.",
            variable.name,
            count,
            {"share": share, "below": below, "above": above},
        )


def missing_codes(material: Material) -> Iterator[Finding]:
    """Codes for missing values read as numbers: 0, -1, 99, 999 and their like.

    Statistic: exact repetitions of such a number, at least three, further from the
    column's bulk than five times its spread, with no other value beyond or beside it. Where
    the dictionary says that zeros occur (a range from 0 and a floor for its logarithm), a zero
    is none of them if other values come near the floor, unless the floor lies that far from the
    bulk on the log scale, too; it may yet be one that the assay could not tell
    from nothing, and is a warning only.
    """
    for variable in material.numeric:
        values = material.cohort[variable.name].dropna().to_numpy()
        bulk = values[~np.isin(values, MISSING_CODES)]
        if len(bulk) < 20 or len(np.unique(bulk)) < 10:
            continue
        for code in MISSING_CODES:
            count = int((values == code).sum())
            if code == 0 and variable.scale != "log":
                continue  # nought lines, nought per cent: zero is a value
            zeros_occur = code == 0 and _knows_zeros(variable)
            strange = _isolated(code, bulk)
            if zeros_occur:
                # No positive node, one, two: zero is the next value.
                strange &= bulk.min() > NEAR_FLOOR * variable.log_floor
                strange |= _far_on_log(variable.log_floor, bulk)
            if count >= FEWEST_CODES and strange:
                yield Finding(
                    "missing_codes",
                    "warning" if zeros_occur else "error",
                    f"The number {code} stands {count:,} times in '{variable.name}', far from its "
                    "other values: it looks like a code for missing.",
                    "Recode it to missing in the source's 'missing' or 'recode' keys.",
                    variable.name,
                    count,
                    {"share": count / len(values)},
                )


def unknown_levels(material: Material) -> Iterator[Finding]:
    """Values of categorical and binary variables that the dictionary does not list."""
    for variable in material.dictionary:
        if variable.kind == "binary":
            known: list[object] = [0, 1]
        elif variable.kind == "categorical" and variable.levels is not None:
            known = list(variable.levels)
        else:
            continue
        values = material.cohort[variable.name].dropna()
        count = int((~values.isin(known)).sum())
        if count:
            yield Finding(
                "unknown_levels",
                "error",
                f"{count:,} values of '{variable.name}' are none of its levels.",
                "Recode them in the source, or add the level to the dictionary.",
                variable.name,
                count,
                {"share": count / len(values)},
            )


def _knows_zeros(variable: Variable) -> bool:
    """Whether the dictionary expects zeros on a scale that has none."""
    low = variable.range[0] if variable.range else None
    return variable.floor is not None and low is not None and low <= 0


def _isolated(code: float, bulk: np.ndarray) -> bool:
    """Whether a number lies outside the bulk, on the scale on which the bulk is narrower."""
    low, median, high = np.quantile(bulk, [0.25, 0.5, 0.75])
    spread = (high - low) / 1.349
    gap = bulk.min() - code if code < bulk.min() else code - bulk.max()
    if gap <= 0 or spread <= 0:
        return False
    if abs(code - median) > FAR * spread and gap > spread:
        return True
    if code == 0 and low > 0:
        # A laboratory value is never zero when the lowest of many is far from it.
        log_spread = np.log(high / low) / 1.349
        return bool(np.log(median / bulk.min()) < FAR * log_spread and bulk.min() > 0.02 * median)
    return False


def _far_on_log(low: float, bulk: np.ndarray) -> bool:
    """Whether a number above 0 lies far below the bulk on the log scale."""
    quartile, median, high = np.log(np.maximum(np.quantile(bulk, [0.25, 0.5, 0.75]), low))
    return bool(median - np.log(low) > FAR * (high - quartile) / 1.349 > 0)


def _unit(variable: Variable) -> str:
    return f" {variable.unit}" if variable.unit and variable.unit != "1" else ""
