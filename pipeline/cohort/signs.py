"""Signs and treatments of CRS as a table records them, checked and made numbers for grading."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from pipeline.errors import InputError

LOW_FLOW_LIMIT = 6.0  # L/min by nasal cannula
OXYGEN_LEVELS = {"none": 0, "low-flow": 2, "high-flow": 3, "positive pressure": 4}
_DEVICES = {
    "none": "none",
    "room air": "none",
    "blow-by": "low-flow",
    "facemask": "high-flow",
    "venturi mask": "high-flow",
    "non-rebreather mask": "high-flow",
    "cpap": "positive pressure",
    "bipap": "positive pressure",
    "ventilator": "positive pressure",
}
_CANNULAS = {"nasal cannula": None, "high-flow nasal cannula": "high-flow"}
_FLAGS = (
    "hypotension",
    "vasopressin",
    "fever_other_cause",
    "hypotension_other_cause",
    "hypoxia_other_cause",
    "fever_masked",
    "anticytokine",
    "crs_death",
    "constitutional",
    "high_dose_vasopressor",
    "ventilation",
)
# Plausible limits; a temperature beyond them is in another unit.
_LIMITS = {
    "temperature": (30, 45),
    "vasopressors": (0, 10),
    "fio2": (21, 100),
    "organ_toxicity": (0, 5),
    "transaminitis": (0, 5),
}


def read_signs(signs: pd.DataFrame, required: tuple[str, ...]) -> pd.DataFrame:
    """Check signs and return them as numbers: oxygen as the grade it stands for, flags 0/1.

    Parameters
    ----------
    signs : DataFrame
        Columns as `grading.astct_grade` and `grading.lee_grade` name them.
    required : tuple of str
        Columns that must be there. Missing values stay missing in these, and in
        ``vasopressin`` where there is such a column; any other flag that is not required is 0
        where it is absent or missing.

    Raises
    ------
    InputError
        Naming the column, with the number of rows.
    """
    for column in required:
        if column not in signs.columns:
            raise InputError("the signs cannot be graded: column is missing", column=column)
    read = pd.DataFrame(index=signs.index)
    if "oxygen" in signs.columns:
        _refuse_others(signs["oxygen"], OXYGEN_LEVELS, "oxygen")
        read["oxygen"] = signs["oxygen"].astype("object").map(OXYGEN_LEVELS).astype("float64")
    for column, (low, high) in _LIMITS.items():
        if column in signs.columns:
            read[column] = signs[column].astype("float64")
            outside = int(((read[column] < low) | (read[column] > high)).sum())
            if outside:
                raise InputError(
                    f"out of range in {outside} row(s)", column=column, expected=f"{low} to {high}"
                )
    for column in _FLAGS:
        given = signs[column].astype("float64") if column in signs.columns else 0.0
        read[column] = given
        wrong = int((~read[column].isin([0, 1]) & read[column].notna()).sum())
        if wrong:
            raise InputError(f"not 0 or 1 in {wrong} row(s)", column=column, expected="0 or 1")
        if column not in (*required, "vasopressin"):
            read[column] = read[column].fillna(0.0)
    return read


def oxygen_level(device: pd.Series, flow: pd.Series) -> pd.Series:
    """Return the level of oxygen support from the device and the flow.

    Parameters
    ----------
    device : Series of str
        none, room air, blow-by, nasal cannula, high-flow nasal cannula, facemask, venturi
        mask, non-rebreather mask, cpap, bipap or ventilator; case does not matter.
    flow : Series of float
        L/min; by nasal cannula up to 6 is low flow.

    Returns
    -------
    Series of str
        Levels of ``OXYGEN_LEVELS``; missing where the device is, or where a plain nasal
        cannula has no flow.
    """
    folded = device.astype("str").str.strip().str.casefold()
    known = [*_DEVICES, *_CANNULAS]
    _refuse_others(folded, known, "oxygen_device")
    by_flow = np.where(flow > LOW_FLOW_LIMIT, "high-flow", "low-flow")
    level = folded.map(_DEVICES).astype("object")
    cannula = folded.isin(list(_CANNULAS))
    level[cannula] = folded[cannula].map(_CANNULAS).astype("object")
    measured = cannula & flow.notna()
    level[measured] = by_flow[measured]
    return level.astype("str")


def where_certain(
    grade: Callable[[pd.DataFrame], pd.Series], signs: pd.DataFrame, worst: dict[str, float]
) -> pd.Series:
    """Grade with missing signs absent and with them at their worst; keep what agrees.

    Parameters
    ----------
    grade : callable
        Gives the grade of each row of complete signs.
    signs : DataFrame
        What `read_signs` returned.
    worst : dict of str to float
        The worst value of each sign that may be missing.

    Returns
    -------
    Series of float64
        NaN where the two grades differ.
    """
    mildest = grade(signs.fillna(0.0))
    return mildest.where(mildest == grade(signs.fillna(worst)))


def _refuse_others(values: pd.Series, known: Iterable[str], column: str) -> None:
    names = list(known)
    others = values[values.notna() & ~values.isin(names)]
    if len(others):
        raise InputError(
            f"an unknown level in {len(others)} row(s)",
            column=column,
            expected="one of " + ", ".join(names),
        )
