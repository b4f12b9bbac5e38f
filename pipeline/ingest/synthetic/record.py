"""The course after infusion: signs, symptoms and treatment that a CRS grade brings.

The signs follow from the grade by the ASTCT table, read backwards: fever for any CRS, and
the level of hypotension or of oxygen support that defines the grade. `pipeline.cohort.grading`
recovers the grade from them exactly.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.ingest.synthetic.facts import Facts

_OXYGEN = np.array(["none", "none", "low-flow", "high-flow", "positive pressure"], dtype=object)
_SYMPTOMS = ("fatigue", "nausea", "vomiting", "anorexia", "dyspnoea", "rash", "oedema")


def draw_record(
    rng: np.random.Generator,
    facts: Facts,
    grade: np.ndarray,
    arm: np.ndarray,
    baseline: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Draw the record that belongs to each patient's grade.

    Parameters
    ----------
    rng : Generator
    facts : Facts
    grade : ndarray of float, shape (patients,)
        ASTCT grade, 0 to 4.
    arm : ndarray of int, shape (patients,)
        For the therapy's usual day of onset.
    baseline : dict of str to ndarray
        Complete baseline values: a peak is never below its baseline.

    Returns
    -------
    dict of str to ndarray
        The outcome columns of the data dictionary.
    """
    level = grade.astype(int)
    patients = len(level)

    def happens(variable: str, what: str = "pct") -> np.ndarray:
        pct = facts.record[variable, what]
        return rng.random(patients) * 100 < pct[level]

    pressure, oxygen = _supports(rng, facts, level, happens)
    hypotension = (pressure >= 2) | ((level == 0) & happens("post_hypotension"))
    alone = (pressure == 3) & _share(rng, facts, "vasopressin_alone_pct", patients)
    vasopressors = np.select(
        [alone, pressure == 3, pressure == 4], [0, 1, 2 + rng.binomial(1, 0.3, patients)], 0
    )
    vasopressin = alone | ((pressure >= 3) & happens("post_vasopressin", "pct of vasopressor"))
    record = {
        "crs_grade": grade,
        "grading_system": np.full(patients, "ASTCT", dtype=object),
        "crs_onset_day": _onset_day(rng, facts, level, arm),
        "post_max_temperature": _temperature(rng, facts, level),
        "post_hypotension": hypotension.astype(float),
        "post_vasopressors": vasopressors.astype(float),
        "post_vasopressin": vasopressin.astype(float),
        "post_oxygen": _OXYGEN[oxygen],
        "post_tocilizumab": happens("post_tocilizumab").astype(float),
        "post_steroid": happens("post_steroid").astype(float),
        "post_fluids": (hypotension & happens("post_fluids", "pct of hypotension")).astype(float),
        "post_icu": happens("post_icu").astype(float),
    }
    for symptom in _SYMPTOMS:
        record[f"post_{symptom}"] = happens(f"post_{symptom}").astype(float)
    for peak, before, limit, decimals in (
        ("post_peak_crp", "crp", 900, 1),
        ("post_peak_ferritin", "ferritin", 1_000_000, 0),
        ("post_peak_il6", "il6", 1_000_000, 1),
    ):
        median = facts.record[peak, "median"][level]
        spread = np.exp(facts.settings["peak_log_sd"] * rng.standard_normal(patients))
        highest = np.clip(np.maximum(median * spread, baseline[before]), 0, limit)
        record[peak] = np.round(highest, decimals)
    return record


def _supports(
    rng: np.random.Generator,
    facts: Facts,
    level: np.ndarray,
    happens: Callable[[str], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Grade by hypotension and grade by hypoxia; the larger of the two is the grade."""
    patients = len(level)
    by_pressure, by_oxygen = happens("post_hypotension"), happens("post_oxygen")
    by_pressure |= ~by_oxygen
    lower = np.where(level > 2, 2, 0)
    minor_pressure = np.where(_share(rng, facts, "lower_support_pct", patients), lower, 0)
    minor_oxygen = np.where(_share(rng, facts, "lower_support_pct", patients), lower, 0)
    graded = level >= 2
    pressure = np.where(graded, np.where(by_pressure, level, minor_pressure), 0)
    oxygen = np.where(graded, np.where(by_oxygen, level, minor_oxygen), 0)
    return pressure, oxygen


def _share(rng: np.random.Generator, facts: Facts, setting: str, patients: int) -> np.ndarray:
    return rng.random(patients) * 100 < facts.settings[setting]


def _temperature(rng: np.random.Generator, facts: Facts, level: np.ndarray) -> np.ndarray:
    median = facts.record["post_max_temperature", "median"][level]
    sd = facts.record["post_max_temperature", "sd"][level]
    highest = np.round(median + sd * rng.standard_normal(len(level)), 1)
    # 38.0 degrees separate CRS from no CRS.
    return np.where(level > 0, np.clip(highest, 38.0, 42.0), np.clip(highest, 35.5, 37.9))


def _onset_day(
    rng: np.random.Generator, facts: Facts, level: np.ndarray, arm: np.ndarray
) -> np.ndarray:
    median = facts.targets["onset_days"].to_numpy()[arm]
    earlier = facts.settings["onset_factor_per_grade"] ** np.maximum(level - 1, 0)
    spread = np.exp(facts.settings["onset_log_sd"] * rng.standard_normal(len(level)))
    day = np.round(np.clip(median * earlier * spread, 0, 60), 1)
    return np.where(level > 0, day, np.nan)
