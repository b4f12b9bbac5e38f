"""The course after infusion: signs, symptoms and treatment that a CRS grade brings.

The signs of CRS follow from the grade by the ASTCT table, read backwards: fever for any CRS,
and the level of hypotension or of oxygen support that defines the grade. Beside them stand
signs that are not CRS: infections bring fever, hypotension and hypoxia, attributed to another
cause, and prophylactic drugs may hide a fever. `pipeline.cohort.grading` recovers the grade
from the complete record, and only from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from pipeline.ingest.synthetic.facts import Facts

_OXYGEN = np.array(["none", "none", "low-flow", "high-flow", "positive pressure"], dtype=object)
_SYMPTOMS = ("fatigue", "nausea", "vomiting", "anorexia", "dyspnoea", "rash", "oedema")
_MASKED = "pct of prophylaxis (grade 0: with an infection)"


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
        ASTCT grade, 0 to 5.
    arm : ndarray of int, shape (patients,)
        For the therapy's usual day of onset.
    baseline : dict of str to ndarray
        Complete baseline values: prophylaxis, and labs, whose peak is never below them.

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
    unexplained = (level == 0) & happens("post_hypotension")
    prophylaxis = (baseline["prophylactic_steroid"] == 1) | (
        baseline["prophylactic_tocilizumab"] == 1
    )
    other = _other_causes(rng, facts, level, prophylaxis, happens, pressure, oxygen, unexplained)
    supported = np.maximum(pressure, other.pressure)
    hypotension = (supported >= 2) | unexplained
    alone = (supported == 3) & _share(rng, facts, "vasopressin_alone_pct", patients)
    vasopressors = np.select(
        [alone, supported == 3, supported == 4], [0, 1, 2 + rng.binomial(1, 0.3, patients)], 0
    )
    vasopressin = alone | ((supported >= 3) & happens("post_vasopressin", "pct of vasopressor"))
    mistaken = happens("post_tocilizumab", "pct of fever of another cause") & other.fever
    record = {
        "crs_grade": grade,
        "grading_system": np.full(patients, "ASTCT", dtype=object),
        "crs_onset_day": _onset_day(rng, facts, level, arm),
        "post_max_temperature": _temperature(rng, facts, level, other),
        "post_hypotension": hypotension,
        "post_vasopressors": vasopressors,
        "post_vasopressin": vasopressin,
        "post_oxygen": _OXYGEN[np.maximum(oxygen, other.oxygen)],
        "post_infection": other.infection,
        "post_fever_other_cause": other.fever,
        "post_hypotension_other_cause": other.pressure > 0,
        "post_hypoxia_other_cause": other.oxygen > 0,
        "post_fever_masked": other.masked,
        "post_crs_death": level == 5,
        "post_tocilizumab": happens("post_tocilizumab") | mistaken,
        "post_steroid": happens("post_steroid"),
        "post_fluids": hypotension & happens("post_fluids", "pct of hypotension"),
        "post_icu": happens("post_icu") | (np.maximum(other.pressure, other.oxygen) >= 3),
    }
    record |= {f"post_{symptom}": happens(f"post_{symptom}") for symptom in _SYMPTOMS}
    inflamed = np.maximum(level, other.infection)  # an infection, too, raises them
    for peak, before, limit, decimals in (
        ("post_peak_crp", "crp", 900, 1),
        ("post_peak_ferritin", "ferritin", 1_000_000, 0),
        ("post_peak_il6", "il6", 1_000_000, 1),
    ):
        median = facts.record[peak, "median"][inflamed]
        spread = np.exp(facts.settings["peak_log_sd"] * rng.standard_normal(patients))
        highest = np.clip(np.maximum(median * spread, baseline[before]), 0, limit)
        record[peak] = np.round(highest, decimals)
    return {
        name: values if values.dtype == object else values.astype(float)
        for name, values in record.items()
    }


@dataclass(frozen=True)
class _OtherCauses:
    """What is not CRS, or hides it; the levels are those of ASTCT grades, 0 for none."""

    infection: np.ndarray
    fever: np.ndarray
    pressure: np.ndarray
    oxygen: np.ndarray
    masked: np.ndarray


def _other_causes(
    rng: np.random.Generator,
    facts: Facts,
    level: np.ndarray,
    prophylaxis: np.ndarray,
    happens: Callable[..., np.ndarray],
    pressure: np.ndarray,
    oxygen: np.ndarray,
    unexplained: np.ndarray,
) -> _OtherCauses:
    """Draw infections with their signs, where no sign of CRS of the same kind stands.

    One row tells one cause per sign, so that a patient never has both. A masked fever needs
    another sign of CRS to be CRS: grade 1 is fever alone.
    """
    infection = happens("post_infection")
    masked = prophylaxis & happens("post_fever_masked", _MASKED)
    masked &= np.where(level == 0, infection & ~unexplained, level >= 2)

    def support(variable: str, free: np.ndarray) -> np.ndarray:
        drawn = 100 * rng.random(len(level))
        critical = facts.settings["other_cause_grade4_pct"]
        severe = critical + facts.settings["other_cause_grade3_pct"]
        depth = np.select([drawn < critical, drawn < severe], [4, 3], 2)
        return np.where(infection & free & happens(variable, "pct of infection"), depth, 0)

    return _OtherCauses(
        infection=infection,
        fever=infection & (level == 0) & ~masked,
        pressure=support("post_hypotension_other_cause", (pressure == 0) & ~unexplained),
        oxygen=support("post_hypoxia_other_cause", oxygen == 0),
        masked=masked,
    )


def _supports(
    rng: np.random.Generator,
    facts: Facts,
    level: np.ndarray,
    happens: Callable[..., np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Grade by hypotension and grade by hypoxia; the larger of the two is the grade up to 4."""
    patients, worst = len(level), np.minimum(level, 4)
    by_pressure, by_oxygen = happens("post_hypotension"), happens("post_oxygen")
    by_pressure |= ~by_oxygen
    lower = np.where(level > 2, 2, 0)
    minor_pressure = np.where(_share(rng, facts, "lower_support_pct", patients), lower, 0)
    minor_oxygen = np.where(_share(rng, facts, "lower_support_pct", patients), lower, 0)
    graded = level >= 2
    pressure = np.where(graded, np.where(by_pressure, worst, minor_pressure), 0)
    oxygen = np.where(graded, np.where(by_oxygen, worst, minor_oxygen), 0)
    return pressure, oxygen


def _share(rng: np.random.Generator, facts: Facts, setting: str, patients: int) -> np.ndarray:
    return rng.random(patients) * 100 < facts.settings[setting]


def _temperature(
    rng: np.random.Generator, facts: Facts, level: np.ndarray, other: _OtherCauses
) -> np.ndarray:
    median = facts.record["post_max_temperature", "median"]
    sd = facts.record["post_max_temperature", "sd"]
    shown = np.where(other.masked, 0, level)
    middle = np.where(other.fever, facts.settings["other_cause_temperature"], median[shown])
    highest = np.round(middle + sd[shown] * rng.standard_normal(len(level)), 1)
    # 38.0 degrees separate fever from none.
    febrile = (shown > 0) | other.fever
    return np.where(febrile, np.clip(highest, 38.0, 42.0), np.clip(highest, 35.5, 37.9))


def _onset_day(
    rng: np.random.Generator, facts: Facts, level: np.ndarray, arm: np.ndarray
) -> np.ndarray:
    """Log-normal around the therapy's median, cut at the horizon of the outcome."""
    spread, horizon = facts.settings["onset_log_sd"], facts.settings["horizon_days"]
    earlier = facts.settings["onset_factor_per_grade"] ** np.maximum(level - 1, 0)
    median = facts.targets["onset_days"].to_numpy()[arm] * earlier
    within = ndtr(np.log(horizon / median) / spread)
    day = median * np.exp(spread * ndtri(within * rng.random(len(level))))
    return np.where(level > 0, np.round(np.minimum(day, horizon), 1), np.nan)
