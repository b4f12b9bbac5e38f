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
# How long a drug is taken to hide a fever. Assumed, no consensus states it: tocilizumab blocks
# for one to two weeks, a corticosteroid for days, an antipyretic for hours, and CRS lasts a
# median of 3 to 10 days (data/therapies.csv). Later hypotension without fever is another event.
MASKING_DAYS = 7.0
# The record after infusion as a cohort names it.
_RECORD = {
    "post_max_temperature": "temperature",
    "post_hypotension": "hypotension",
    "post_vasopressors": "vasopressors",
    "post_vasopressin": "vasopressin",
    "post_oxygen": "oxygen",
    "post_fever_other_cause": "fever_other_cause",
    "post_hypotension_other_cause": "hypotension_other_cause",
    "post_hypoxia_other_cause": "hypoxia_other_cause",
    "post_fever_masked": "fever_masked",
    "post_crs_death": "crs_death",
}
# The worst value that a sign not recorded may have had.
_ASTCT_WORST: dict[str, float] = {
    "temperature": 45,
    "hypotension": 1,
    "vasopressors": 2,
    "vasopressin": 1,
    "oxygen": 4,
}


def astct_grade(signs: pd.DataFrame) -> pd.Series:
    """Grade each row by ASTCT 2019.

    Parameters
    ----------
    signs : DataFrame
        Required: ``temperature`` (highest, degrees Celsius), ``hypotension`` (0/1),
        ``vasopressors`` (number, vasopressin not counted), ``oxygen`` (a level of
        ``signs.OXYGEN_LEVELS``; `signs.oxygen_level` derives it from device and flow).
        Optional, 0/1: ``vasopressin`` (without the column: never given). Optional, 0/1,
        absent or missing means no, as a clinician's judgement that was not made:
        ``fever_other_cause``, ``hypotension_other_cause`` and ``hypoxia_other_cause`` (a sign
        with another cause does not count; intubation to protect the airway and unchanged
        home CPAP belong here); ``fever_masked`` (CRS was diagnosed and an antipyretic or
        anticytokine drug hides its fever: fever is not needed); ``crs_death``.

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
    return where_certain(_astct, _read_astct(signs), _ASTCT_WORST)


def astct_from_record(cohort: pd.DataFrame) -> pd.Series:
    """Grade a cohort by ASTCT 2019 from its one-row record after infusion.

    Parameters
    ----------
    cohort : DataFrame
        With ``post_max_temperature``, ``post_hypotension``, ``post_vasopressors`` and
        ``post_oxygen``; where they exist, ``post_vasopressin``, ``post_crs_death``,
        ``post_fever_masked`` and the three ``post_..._other_cause``.

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


def astct_from_days(
    days: pd.DataFrame,
    first_day: float = 0,
    last_day: float = 30,
    masking_days: float = MASKING_DAYS,
) -> pd.DataFrame:
    """Grade patients by ASTCT 2019 from a table with one row per patient and day.

    Parameters
    ----------
    days : DataFrame
        ``patient_id``, ``day`` (relative to infusion), the columns of `astct_grade`, and
        ``anticytokine`` (0/1: tocilizumab, siltuximab, anakinra, a corticosteroid or an
        antipyretic on that day; optional). A day without a row counts as free of signs.
    first_day, last_day : float
        The horizon, both included.
    masking_days : float
        How many days after a dose an absent fever is put down to the drug.

    Returns
    -------
    DataFrame
        One row per patient of the table: ``patient_id``; ``crs_grade``, the maximum over the
        horizon, NaN where a sign not recorded could make it higher or no day of the horizon
        is known; ``crs_grade_at_least`` and ``crs_grade_at_most``, its bounds with signs not
        recorded taken as absent and at their worst; ``crs_onset_day``; ``crs_duration_days``
        (first to last day with CRS, both counted; NaN without CRS); ``first_anticytokine_day``
        within the horizon; ``unknown_days`` (days whose grade a missing sign leaves open).

    Raises
    ------
    InputError
        If a column is missing, a patient or day is not stated, or a day has several rows.

    Notes
    -----
    Treatment modifies fever: from the first day with a fever of CRS on, hypotension and
    hypoxia count without fever as long as a drug acts, ``masking_days`` from its last dose.
    A dose before the horizon (premedication, prophylaxis) acts in the same way, but opens no
    gate by itself: that a prophylactic drug hid the only fever is a clinician's judgement,
    stated as ``fever_masked``.
    """
    _one_row_per_day(days)
    days = days.sort_values(["patient_id", "day"], kind="stable").reset_index(drop=True)
    patient, day = days["patient_id"], days["day"]
    read = _read_astct(days)
    drug = read["anticytokine"] == 1
    last_dose = day.where(drug).groupby(patient).ffill()
    acting = day - last_dose <= masking_days
    within = day.between(first_day, last_day)

    def graded(signs: pd.DataFrame) -> pd.Series:
        diagnosed = (_febrile(signs) & within).groupby(patient).cummax()
        masked = np.maximum(signs["fever_masked"], (diagnosed & acting).astype(float))
        return _astct(signs.assign(fever_masked=masked))

    low, high = graded(read.fillna(0.0)), graded(read.fillna(_ASTCT_WORST))
    frame = pd.DataFrame(
        {
            "low": low,
            "high": high,
            "crs_day": day.where(low >= 1),
            "anticytokine_day": day.where(drug),
            "unknown": low != high,
        }
    )[within].groupby(patient[within])
    by_patient = pd.DataFrame(
        {
            "crs_grade": frame["low"].max().where(frame["low"].max() == frame["high"].max()),
            "crs_grade_at_least": frame["low"].max(),
            "crs_grade_at_most": frame["high"].max(),
            "crs_onset_day": frame["crs_day"].min(),
            "crs_duration_days": frame["crs_day"].max() - frame["crs_day"].min() + 1,
            "first_anticytokine_day": frame["anticytokine_day"].min(),
            "unknown_days": frame["unknown"].sum(),
        }
    )
    everyone = pd.Index(patient.drop_duplicates(), name="patient_id")
    return by_patient.reindex(everyone).reset_index()


def lee_grade(signs: pd.DataFrame) -> pd.Series:
    """Grade each row by Lee 2014.

    Parameters
    ----------
    signs : DataFrame
        Required: ``temperature``, ``hypotension``, ``vasopressors`` (number),
        ``high_dose_vasopressor`` (0/1), ``fio2`` (per cent, 21 on room air),
        ``ventilation`` (0/1), ``organ_toxicity`` and ``transaminitis`` (CTCAE grades, the
        former without transaminitis). Optional: ``vasopressin`` (counted as a vasopressor;
        without the column: never given), ``constitutional`` symptoms, the three
        ``..._other_cause`` flags, ``crs_death``.

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
        "vasopressin": 1,
        "high_dose_vasopressor": 1,
        "fio2": 100,
        "ventilation": 1,
        "organ_toxicity": 4,
        "transaminitis": 4,
    }
    required = tuple(sign for sign in worst if sign != "vasopressin")
    return where_certain(_lee, read_signs(signs, required=required), worst)


def _read_astct(signs: pd.DataFrame) -> pd.DataFrame:
    read = read_signs(signs, required=("temperature", "hypotension", "vasopressors", "oxygen"))
    # Vasopressors are given for hypotension: none recorded, none needed.
    for drug in ("vasopressors", "vasopressin"):
        read.loc[read[drug].isna() & (read["hypotension"] == 0), drug] = 0
    return read


def _febrile(signs: pd.DataFrame) -> pd.Series:
    return (signs["temperature"] >= FEVER) & (signs["fever_other_cause"] == 0)


def _one_row_per_day(days: pd.DataFrame) -> None:
    for column in ("patient_id", "day"):
        if column not in days.columns:
            raise InputError("column is missing", column=column)
        if days[column].isna().any():
            raise InputError(
                f"not stated in {int(days[column].isna().sum())} row(s)",
                column=column,
                expected="a patient and a day in every row",
            )
    repeated = int(days.duplicated(["patient_id", "day"]).sum())
    if repeated:
        raise InputError(
            f"{repeated} row(s) repeat a day of the same patient",
            column="day",
            expected="one row per patient and day",
            mend="keep the worst of each sign on each day",
        )


def _astct(signs: pd.DataFrame) -> pd.Series:
    febrile = _febrile(signs)
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
