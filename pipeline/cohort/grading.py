"""CRS grades from signs and treatment: ASTCT 2019, and Lee 2014 where its inputs exist.

A grade of one system is never translated into another: that needs the signs.

References
----------
Lee DW et al., Biol Blood Marrow Transplant 2019;25:625 (ASTCT consensus).
Lee DW et al., Blood 2014;124:188.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.cohort.signs import read_signs, where_certain
from pipeline.errors import InputError

FEVER = 38.0  # degrees Celsius
# The record after infusion as a cohort names it.
_RECORD = {
    "post_max_temperature": "temperature",
    "post_hypotension": "hypotension",
    "post_vasopressors": "vasopressors",
    "post_vasopressin": "vasopressin",
    "post_oxygen": "oxygen",
    "post_crs_death": "crs_death",
}


def astct_grade(signs: pd.DataFrame) -> pd.Series:
    """Grade each row by ASTCT 2019.

    Parameters
    ----------
    signs : DataFrame
        Required: ``temperature`` (highest, degrees Celsius), ``hypotension`` (0/1),
        ``vasopressors`` (number, vasopressin not counted), ``oxygen`` (a level of
        ``signs.OXYGEN_LEVELS``; `signs.oxygen_level` derives it from device and flow).
        Optional, 0/1, absent or missing means no: ``vasopressin``; ``fever_other_cause``,
        ``hypotension_other_cause`` and ``hypoxia_other_cause`` (a sign with another cause
        does not count; intubation to protect the airway and unchanged home CPAP belong
        here); ``fever_masked`` (CRS was diagnosed with fever and an antipyretic or
        anticytokine drug was given: fever is no longer needed); ``crs_death``.

    Returns
    -------
    Series of float64
        0 to 5. NaN where a missing sign could change the grade.

    Raises
    ------
    InputError
        If a required column is missing or a value is not one of those allowed.

    Notes
    -----
    Organ toxicity never changes the grade. Vasopressin alone counts as one vasopressor;
    the consensus does not say so in words.
    """
    read = read_signs(signs, required=("temperature", "hypotension", "vasopressors", "oxygen"))
    # Vasopressors are given for hypotension: none recorded, none needed.
    read.loc[read["vasopressors"].isna() & (read["hypotension"] == 0), "vasopressors"] = 0
    return where_certain(
        _astct, read, {"temperature": 45, "hypotension": 1, "vasopressors": 2, "oxygen": 4}
    )


def astct_from_record(cohort: pd.DataFrame) -> pd.Series:
    """Grade a cohort by ASTCT 2019 from its one-row record after infusion.

    Parameters
    ----------
    cohort : DataFrame
        With ``post_max_temperature``, ``post_hypotension``, ``post_vasopressors`` and
        ``post_oxygen``; ``post_vasopressin`` and ``post_crs_death`` where they exist.

    Notes
    -----
    A summary does not say whether fever and the other signs came together: any fever within
    the horizon opens the gate. Where days are known, `astct_from_days` is exact.
    """
    for column in ("post_max_temperature", "post_hypotension", "post_vasopressors", "post_oxygen"):
        if column not in cohort.columns:
            raise InputError("the record cannot be graded: column is missing", column=column)
    present = {old: new for old, new in _RECORD.items() if old in cohort.columns}
    return astct_grade(cohort[list(present)].rename(columns=present))


def astct_from_days(days: pd.DataFrame, first_day: float = 0, last_day: float = 30) -> pd.DataFrame:
    """Grade patients by ASTCT 2019 from a table with one row per patient and day.

    Parameters
    ----------
    days : DataFrame
        ``patient_id``, ``day`` (relative to infusion), the columns of `astct_grade`, and
        ``anticytokine`` (0/1: tocilizumab, siltuximab, anakinra, a corticosteroid or an
        antipyretic on that day; optional). Signs that were not recorded on a day count as
        absent on it.
    first_day, last_day : float
        The horizon, both included.

    Returns
    -------
    DataFrame
        One row per patient of the table: ``patient_id``, ``crs_grade`` (maximum over the
        horizon), ``crs_onset_day``, ``crs_duration_days`` (first to last day with CRS, both
        counted; NaN without CRS), ``first_anticytokine_day``, ``unknown_days`` (days whose
        grade a missing sign leaves open).
    """
    for column in ("patient_id", "day"):
        if column not in days.columns:
            raise InputError("column is missing", column=column)
    within = days[days["day"].between(first_day, last_day)].sort_values(["patient_id", "day"])
    patient = within["patient_id"]
    read = read_signs(within, required=("temperature", "hypotension", "vasopressors", "oxygen"))
    febrile = (read["temperature"] >= FEVER) & (read["fever_other_cause"] == 0)
    # Once CRS has shown itself by fever and has been treated, fever is no longer needed.
    diagnosed = febrile.groupby(patient).cummax()
    treated = (read["anticytokine"] == 1).groupby(patient).cummax()
    read["fever_masked"] = np.maximum(read["fever_masked"], (diagnosed & treated).astype(float))
    signs = within.assign(fever_masked=read["fever_masked"])
    unknown = astct_grade(signs).isna()
    grade = _astct(read.fillna(0.0))
    frame = pd.DataFrame(
        {
            "crs_grade": grade,
            "crs_day": within["day"].where(grade >= 1),
            "anticytokine_day": within["day"].where(read["anticytokine"] == 1),
            "unknown": unknown,
        }
    ).groupby(patient)
    by_patient = pd.DataFrame(
        {
            "crs_grade": frame["crs_grade"].max(),
            "crs_onset_day": frame["crs_day"].min(),
            "crs_duration_days": frame["crs_day"].max() - frame["crs_day"].min() + 1,
            "first_anticytokine_day": frame["anticytokine_day"].min(),
            "unknown_days": frame["unknown"].sum(),
        }
    )
    everyone = pd.Index(days["patient_id"].drop_duplicates(), name="patient_id")
    return by_patient.reindex(everyone).reset_index()


def lee_grade(signs: pd.DataFrame) -> pd.Series:
    """Grade each row by Lee 2014.

    Parameters
    ----------
    signs : DataFrame
        Required: ``temperature``, ``hypotension``, ``vasopressors`` (number),
        ``high_dose_vasopressor`` (0/1), ``fio2`` (per cent, 21 on room air),
        ``ventilation`` (0/1), ``organ_toxicity`` and ``transaminitis`` (CTCAE grades, the
        former without transaminitis). Optional: ``constitutional`` symptoms, ``vasopressin``
        (counted as a vasopressor), the three ``..._other_cause`` flags, ``crs_death``.

    Returns
    -------
    Series of float64
        0 to 5, NaN where a missing sign could change the grade.

    Raises
    ------
    InputError
        If one of the inputs does not exist: the system cannot be applied without it.
    """
    worst: dict[str, float] = {
        "temperature": 45,
        "hypotension": 1,
        "vasopressors": 2,
        "high_dose_vasopressor": 1,
        "fio2": 100,
        "ventilation": 1,
        "organ_toxicity": 4,
        "transaminitis": 4,
    }
    return where_certain(_lee, read_signs(signs, required=tuple(worst)), worst)


def _astct(signs: pd.DataFrame) -> pd.Series:
    febrile = (signs["temperature"] >= FEVER) & (signs["fever_other_cause"] == 0)
    pressors = signs["vasopressors"]
    by_pressure = np.select(
        [pressors >= 2, (pressors >= 1) | (signs["vasopressin"] == 1), signs["hypotension"] == 1],
        [4, 3, 2],
        0,
    )
    by_pressure = np.where(signs["hypotension_other_cause"] == 1, 0, by_pressure)
    by_oxygen = np.where(signs["hypoxia_other_cause"] == 1, 0, signs["oxygen"])
    grade = np.maximum.reduce([febrile.astype(float).to_numpy(), by_pressure, by_oxygen])
    grade = np.where(febrile | (signs["fever_masked"] == 1), grade, 0)
    grade = np.where(signs["crs_death"] == 1, 5, grade)
    return pd.Series(grade, index=signs.index, dtype="float64")


def _lee(signs: pd.DataFrame) -> pd.Series:
    mild = (signs["temperature"] >= FEVER) & (signs["fever_other_cause"] == 0)
    mild |= signs["constitutional"] == 1
    pressors = signs["vasopressors"] + signs["vasopressin"]
    strong = (pressors >= 2) | (signs["high_dose_vasopressor"] == 1)
    by_pressure = np.select([strong, (pressors >= 1) | (signs["hypotension"] == 1)], [3, 2], 0)
    by_pressure = np.where(signs["hypotension_other_cause"] == 1, 0, by_pressure)
    by_oxygen = np.select(
        [signs["ventilation"] == 1, signs["fio2"] >= 40, signs["fio2"] > 21], [4, 3, 2], 0
    )
    by_oxygen = np.where(signs["hypoxia_other_cause"] == 1, 0, by_oxygen)
    organs = np.where(signs["organ_toxicity"] >= 2, np.minimum(signs["organ_toxicity"], 4), 0)
    # Grade 4 transaminitis counts as grade 3, milder ones as other organs do.
    liver = np.where(signs["transaminitis"] >= 2, np.minimum(signs["transaminitis"], 3), 0)
    grade = np.maximum.reduce(
        [mild.astype(float).to_numpy(), by_pressure, by_oxygen, organs, liver]
    )
    grade = np.where(signs["crs_death"] == 1, 5, grade)
    return pd.Series(grade, index=signs.index, dtype="float64")
