"""Faults as they occur in real tables, planted into a clean cohort.

Each function takes a cohort and a random generator and returns the spoilt cohort; `FAULTS`
tells which checks should speak.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tests.cohort.audit.clean import LABS

Plant = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]


@dataclass(frozen=True)
class Fault:
    """A way to spoil a cohort, and the checks of which one must then speak.

    ``severity`` is the least that counts as found: where few events limit what any test can
    tell, or the fault does little harm, a warning does.
    """

    plant: Plant
    checks: tuple[str, ...]
    severity: str = "error"


def _labs(cohort: pd.DataFrame) -> list[str]:
    return [name for name in LABS if name in cohort]


# A unit that the dictionary accepts, as factor from the canonical unit.
OTHER_UNIT = {
    "hemoglobin": 10,
    "creatinine": 88.4,
    "albumin": 10,
    "platelets": 1000,
    "ldh": 1 / 60,
    "fibrinogen": 0.01,
}


def _another_unit(cohort: pd.DataFrame, rows: np.ndarray, name: str) -> pd.DataFrame:
    values = cohort[name].where(~rows, cohort[name] * OTHER_UNIT[name])
    return cohort.assign(**{name: values})


def unit_of_column(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """A whole column in g/L, umol/L, per microlitre or ukat/L, read as the canonical unit."""
    return _another_unit(cohort, np.full(len(cohort), True), rng.choice(list(OTHER_UNIT)))


def unit_at_one_site(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The site with most patients reports one lab in another accepted unit."""
    rows = (cohort["site"] == cohort["site"].mode()[0]).to_numpy()
    if rows.all():  # a single site changed its unit half way
        rows = np.arange(len(cohort)) < len(cohort) / 2
    return _another_unit(cohort, rows, rng.choice(list(OTHER_UNIT)))


def unit_of_some_cells(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """A tenth of one lab's values, anywhere, in another unit."""
    return _another_unit(cohort, rng.random(len(cohort)) < 0.1, rng.choice(list(OTHER_UNIT)))


# Factors between accepted units that move a value by less than the column is wide.
SMALL_UNITS = {
    "hemoglobin": 0.6206,  # g/dL read as mmol/L
    "crp": 0.1,  # mg/L read as mg/dL
    "ferritin": 2.247,  # ng/mL read as pmol/L
}


def _small_unit_at_site(name: str) -> Plant:
    def plant(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        cohort, rows = _at_largest_site(cohort)
        return cohort.assign(**{name: _scaled(cohort, name, rows, SMALL_UNITS[name])})

    return plant


def _small_unit_of_column(name: str) -> Plant:
    def plant(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        rows = np.full(len(cohort), True)
        return cohort.assign(**{name: _scaled(cohort, name, rows, SMALL_UNITS[name])})

    return plant


def _small_unit_of_rows(name: str, share: float, digits: bool, events: bool) -> Plant:
    """A share of all rows, or of the events, converted; with or without the digits it leaves."""

    def plant(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        rows = rng.random(len(cohort)) < share
        if events:
            rows &= (cohort["crs_grade"] >= 2).to_numpy()
        factor = SMALL_UNITS[name]
        return cohort.assign(**{name: _scaled(cohort, name, rows, factor, digits)})

    return plant


def _scaled(
    cohort: pd.DataFrame, name: str, rows: np.ndarray, factor: float, digits: bool = False
) -> pd.Series:
    """The rows' values times a factor, rounded as the column is unless its digits are kept."""
    values = cohort[name] * factor
    return cohort[name].where(~rows, values if digits else values.round(LABS[name][2]))


def _at_largest_site(cohort: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """The cohort and the patients of its largest site; a single site is parted in two."""
    if (cohort["site"] == cohort["site"].iloc[0]).all():
        half = np.where(np.arange(len(cohort)) % 2, "centre 1", "centre 2")
        cohort = cohort.assign(site=half)
    return cohort, (cohort["site"] == cohort["site"].mode()[0]).to_numpy()


def filled_with_noise(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Missing labs filled with the median of the grade, times noise of 2 % of the spread."""
    return _filled_with_noise(cohort, rng, 0.02)


def filled_with_more_noise(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The same with noise of a tenth of the spread."""
    return _filled_with_noise(cohort, rng, 0.1)


def _filled_with_noise(
    cohort: pd.DataFrame, rng: np.random.Generator, noise: float
) -> pd.DataFrame:
    cohort = cohort.copy()
    for name in _labs(cohort):
        medians = cohort.groupby("crs_grade")[name].transform("median")
        spread = np.log(cohort[name]).std()
        filled = medians * np.exp(noise * spread * rng.standard_normal(len(cohort)))
        cohort[name] = cohort[name].fillna(filled.round(LABS[name][2]))
    return cohort


def scaled_in_events(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """CRP of all patients with the event times four, rounded as before."""
    rows = (cohort["crs_grade"] >= 2).to_numpy()
    return cohort.assign(crp=_scaled(cohort, "crp", rows, 4))


def _exchanged_at_site(one: str, other: str) -> Plant:
    def plant(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        cohort, rows = _at_largest_site(cohort)
        exchanged = {
            one: cohort[one].where(~rows, cohort[other]),
            other: cohort[other].where(~rows, cohort[one]),
        }
        return cohort.assign(**exchanged)

    return plant


def _mixed_at_site(name: str) -> Plant:
    def plant(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        cohort, own = _at_largest_site(cohort)
        rows = np.flatnonzero(own)
        values = cohort[name].to_numpy(copy=True)
        values[rows] = values[rng.permutation(rows)]
        return cohort.assign(**{name: values})

    return plant


def _shifted(name: str) -> Plant:
    def plant(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        return cohort.assign(**{name: np.roll(cohort[name].to_numpy(), 1)})

    return plant


def leaking_missingness(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """One lab missing in 5 % of the events and 70 % of the others."""
    name = rng.choice(["ldh", "creatinine", "albumin", "ast", "platelets"])
    missing = rng.random(len(cohort)) < np.where(cohort["crs_grade"] >= 2, 0.05, 0.7)
    return cohort.assign(**{name: cohort[name].mask(missing)})


def filled_by_grade(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Every missing lab filled with the median of the patient's own grade."""
    cohort = cohort.copy()
    for name in _labs(cohort):
        medians = cohort.groupby("crs_grade")[name].transform("median")
        cohort[name] = cohort[name].fillna(medians)
    return cohort


def filled_by_event(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Missing values of every lab filled with the mean among patients with, or without, event."""
    cohort = cohort.copy()
    for name in _labs(cohort):
        means = cohort.groupby(cohort["crs_grade"] >= 2)[name].transform("mean")
        cohort[name] = cohort[name].fillna(means)
    return cohort


def missing_by_outcome(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """One lab measured in most patients with the event and in few without."""
    name = rng.choice(["ldh", "creatinine", "albumin", "ast", "platelets"])
    missing = rng.random(len(cohort)) < np.where(cohort["crs_grade"] >= 2, 0.08, 0.5)
    return cohort.assign(**{name: cohort[name].mask(missing)})


def jointly_missing_by_outcome(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Ten labs, each missing somewhat more often in patients without the event."""
    cohort = cohort.copy()
    for name in _labs(cohort)[:10]:
        share = np.where(cohort["crs_grade"] >= 2, 0.10, 0.30)
        cohort[name] = cohort[name].mask(rng.random(len(cohort)) < share)
    return cohort


def golden(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """A lab drawn at the height of CRS, called baseline."""
    peak = 10 ** (0.5 + cohort["crs_grade"] * 0.8 + rng.normal(0, 0.35, len(cohort)))
    return cohort.assign(crp=np.round(peak, 1).mask(cohort["crp"].isna()))


def golden_treatment(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Treatment of CRS, called a baseline fact."""
    given = np.where(cohort["crs_grade"] >= 2, 0.95, 0.04)
    return cohort.assign(bulky_disease=(rng.random(len(cohort)) < given).astype(float))


def exact_copies(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Three per cent of the patients stand in the table twice, under a second id."""
    copies = cohort.sample(max(2, len(cohort) * 3 // 100), random_state=rng.integers(2**31))
    copies = copies.assign(patient_id=[f"Q{i:06d}" for i in range(len(copies))])
    return pd.concat([cohort, copies], ignore_index=True)


def near_copies(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The same, with two labs of each copy measured anew."""
    copies = cohort.sample(max(2, len(cohort) * 3 // 100), random_state=rng.integers(2**31))
    copies = copies.assign(patient_id=[f"Q{i:06d}" for i in range(len(copies))])
    for row in copies.index:
        for name in rng.choice(_labs(cohort), 2, replace=False):
            copies.loc[row, name] = np.round(copies.loc[row, name] * 1.3, 1)
    return pd.concat([cohort, copies], ignore_index=True)


def lost_zeros(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Every whole number of the table loses its trailing zeros: 80 becomes 8, 100 becomes 1."""
    cohort = cohort.copy()
    for name in [*_labs(cohort), "age", "systolic_bp"]:
        values = cohort[name].copy()
        for _ in range(3):
            ends = (values % 10 == 0) & (values >= 10)
            values = values.where(~ends, values / 10)
        cohort[name] = values
    return cohort


def lost_digits(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """In 8 to 20 per cent of the cells the value is a tenth: 14.5 for 145."""
    cohort, share = cohort.copy(), rng.uniform(0.08, 0.20)
    for name in _labs(cohort):
        rows = rng.random(len(cohort)) < share
        cohort[name] = cohort[name].where(~rows, cohort[name] / 10)
    return cohort


def mixed_grading(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """A fifth of the patients graded by Penn."""
    rows = rng.random(len(cohort)) < 0.2
    return cohort.assign(grading_system=np.where(rows, "Penn", "ASTCT"))


def site_by_outcome(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """One centre sent only patients with the event."""
    rows = (cohort["crs_grade"] >= 2) & (rng.random(len(cohort)) < 0.5)
    return cohort.assign(site=cohort["site"].where(~rows, "registry of events"))


def sorted_by_outcome(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Patients numbered after sorting by grade."""
    order = cohort["crs_grade"].to_numpy().argsort(kind="stable")
    ids = cohort["patient_id"].to_numpy()
    return cohort.iloc[order].assign(patient_id=ids).reset_index(drop=True)


def missing_as_999(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Missing values of one lab stored as 999."""
    return cohort.assign(d_dimer=cohort["d_dimer"].fillna(999))


def outside_range(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Five per cent of one column below or above any plausible value."""
    name, wrong = [("hemoglobin", 98.0), ("temperature", 20.0), ("age", 150.0)][rng.integers(3)]
    rows = rng.random(len(cohort)) < 0.05
    rows[:4] = True
    return cohort.assign(**{name: cohort[name].where(~rows, wrong)})


def copied_column(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """ALT mapped from the AST column."""
    return cohort.assign(alt=cohort["ast"])


def overall_fill(cohort: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Missing ferritin filled with the overall median."""
    return cohort.assign(ferritin=cohort["ferritin"].fillna(cohort["ferritin"].median()))


FAULTS = {
    "whole column in another unit": Fault(unit_of_column, ("column_unit",)),
    "one site in another unit": Fault(unit_at_one_site, ("site_unit", "mixed_units")),
    "a tenth of a column in another unit": Fault(
        unit_of_some_cells, ("mixed_units", "outside_range", "shifted_point")
    ),
    "one site's haemoglobin in mmol/L (x0.62)": Fault(
        _small_unit_at_site("hemoglobin"), ("site_unit",)
    ),
    "one site's CRP in mg/dL (x0.1)": Fault(
        _small_unit_at_site("crp"), ("site_unit", "mixed_units"), "warning"
    ),
    "CRP of half of the events in mg/dL, digits kept": Fault(
        _small_unit_of_rows("crp", 0.5, True, True), ("digits_by_outcome",)
    ),
    "haemoglobin of a tenth in mmol/L, digits kept": Fault(
        _small_unit_of_rows("hemoglobin", 0.1, True, False), ("computed_values",), "warning"
    ),
    "labs filled with the median of the grade and 2 % noise": Fault(
        filled_with_noise, ("crowded_by_class", "filled_by_class")
    ),
    "neutrophils and lymphocytes exchanged at a site": Fault(
        _exchanged_at_site("anc", "alc"), ("exchanged_columns",)
    ),
    "neutrophils one row too low": Fault(_shifted("anc"), ("shifted_rows",)),
    "CRP one row too low": Fault(_shifted("crp"), ("shifted_rows",)),
    "labs filled with the median of the grade": Fault(filled_by_grade, ("filled_by_class",)),
    "labs filled with the mean by event": Fault(filled_by_event, ("filled_by_class",)),
    "one lab missing by outcome (8 % of events, 50 % of others)": Fault(
        missing_by_outcome, ("missingness_by_outcome", "joint_missingness"), "warning"
    ),
    "ten labs missing by outcome (10 % of events, 30 % of others)": Fault(
        jointly_missing_by_outcome, ("missingness_by_outcome", "joint_missingness"), "warning"
    ),
    "one lab missing by outcome (5 % of events, 70 % of others)": Fault(
        leaking_missingness, ("missingness_by_outcome", "joint_missingness")
    ),
    "golden lab": Fault(golden, ("golden_feature",)),
    "golden treatment": Fault(golden_treatment, ("golden_feature",)),
    "copied patients": Fault(exact_copies, ("exact_duplicates",)),
    "nearly copied patients": Fault(near_copies, ("near_duplicates",)),
    "lost trailing zeros": Fault(lost_zeros, ("lost_zeros", "shifted_point", "outside_range")),
    "a tenth of the value in 8 to 20 % of cells": Fault(
        lost_digits, ("shifted_point", "mixed_units", "outside_range")
    ),
    "two grading systems": Fault(mixed_grading, ("grading_systems",)),
    "a site of events only": Fault(site_by_outcome, ("group_equals_outcome",)),
    "numbered by outcome": Fault(sorted_by_outcome, ("order_by_outcome",), "warning"),
    "999 for missing": Fault(missing_as_999, ("missing_codes",)),
    "values outside the range": Fault(outside_range, ("outside_range",)),
    "a column twice": Fault(copied_column, ("near_identical",), "warning"),
    "filled with the overall median": Fault(overall_fill, ("filled_with_one_value",), "warning"),
}

# Faults of which too little shows in the values for any test at these sizes: measured, so that
# the limit is stated and not guessed. The checks are those that come nearest.
LIMITS = {
    "haemoglobin wholly in mmol/L (x0.62)": Fault(
        _small_unit_of_column("hemoglobin"), ("column_unit",), "warning"
    ),
    "CRP wholly in mg/dL (x0.1)": Fault(_small_unit_of_column("crp"), ("column_unit",), "warning"),
    "ferritin wholly in pmol/L (x2.2)": Fault(
        _small_unit_of_column("ferritin"), ("column_unit",), "warning"
    ),
    "one site's ferritin in pmol/L (x2.2)": Fault(
        _small_unit_at_site("ferritin"), ("site_unit",), "warning"
    ),
    "CRP of half of the events in mg/dL, rounded": Fault(
        _small_unit_of_rows("crp", 0.5, False, True),
        ("spread_by_outcome", "against_trend", "digits_by_outcome"),
        "warning",
    ),
    "haemoglobin of half of the events in mmol/L, rounded": Fault(
        _small_unit_of_rows("hemoglobin", 0.5, False, True),
        ("spread_by_outcome", "mixed_units", "digits_by_outcome"),
        "warning",
    ),
    "haemoglobin of a tenth in mmol/L, rounded": Fault(
        _small_unit_of_rows("hemoglobin", 0.1, False, False),
        ("mixed_units", "outside_range"),
        "warning",
    ),
    "CRP of the events times four, rounded": Fault(
        scaled_in_events, ("digits_by_outcome", "golden_feature", "spread_by_outcome"), "warning"
    ),
    "labs filled with the median of the grade and 10 % noise": Fault(
        filled_with_more_noise, ("crowded_by_class", "filled_by_class")
    ),
    "AST and ALT exchanged at a site": Fault(
        _exchanged_at_site("ast", "alt"), ("exchanged_columns",)
    ),
    "neutrophils mixed up within a site": Fault(
        _mixed_at_site("anc"), ("misaligned_site",), "warning"
    ),
    "CRP mixed up within a site": Fault(_mixed_at_site("crp"), ("misaligned_site",), "warning"),
    "sodium one row too low": Fault(_shifted("sodium"), ("shifted_rows",)),
}
