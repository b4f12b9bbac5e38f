"""A course told day by day is graded as the one-row record that it was unfolded from."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.cohort.grading import astct_from_days
from pipeline.config import SyntheticSource
from pipeline.ingest.synthetic import draw_cohort

DATA = Path(__file__).parents[2] / "data"
WELL = {
    "temperature": 36.9,
    "hypotension": 0.0,
    "vasopressors": 0.0,
    "vasopressin": 0.0,
    "oxygen": "none",
    "anticytokine": 0.0,
}
JUDGEMENTS = ["fever_other_cause", "hypotension_other_cause", "hypoxia_other_cause"]


def unfolded(cohort: pd.DataFrame) -> pd.DataFrame:
    """Tell each record as a course: prophylaxis, CRS from its onset on, an infection later.

    CRS begins with its fever; the day after, treatment has ended the fever, and hypotension
    and hypoxia of CRS show. Signs of another cause come two weeks later, with the infection's
    fever. A fever that prophylaxis hid is never there.
    """
    none = {name: np.full(len(cohort), value) for name, value in WELL.items()}
    none |= dict.fromkeys([*JUDGEMENTS, "fever_masked", "crs_death"], np.zeros(len(cohort)))
    crs = cohort["crs_grade"] >= 1
    onset = np.floor(cohort["crs_onset_day"].fillna(1.0))
    masked = cohort["post_fever_masked"].to_numpy()
    pressure_other = cohort["post_hypotension_other_cause"] == 1
    oxygen_other = cohort["post_hypoxia_other_cause"] == 1

    def pressure(shown: pd.Series) -> dict[str, np.ndarray]:
        names = ("hypotension", "vasopressors", "vasopressin")
        return {name: np.where(shown, cohort[f"post_{name}"], 0.0) for name in names}

    def oxygen(shown: pd.Series) -> np.ndarray:
        return np.where(shown, cohort["post_oxygen"], "none")

    prophylaxis = cohort[["prophylactic_steroid", "prophylactic_tocilizumab"]].max(axis=1)
    treated = ((cohort["crs_grade"] >= 2) & (masked == 0)).astype(float)
    parts = [
        {"day": np.full(len(cohort), -1.0), "anticytokine": prophylaxis},
        {"day": onset, "temperature": np.where(crs, cohort["post_max_temperature"], 37.0)},
        {
            "day": onset + 1,
            "anticytokine": treated,
            "fever_masked": np.where(crs, masked, 0.0),
            **pressure(~pressure_other),
            "oxygen": oxygen(~oxygen_other & crs),
            "crs_death": cohort["post_crs_death"],
        },
        {
            "day": onset + 15,
            "temperature": np.where(crs, 36.9, cohort["post_max_temperature"]),
            "fever_other_cause": cohort["post_fever_other_cause"],
            "fever_masked": np.where(crs, 0.0, masked),
            **pressure(pressure_other),
            "hypotension_other_cause": pressure_other.astype(float),
            "oxygen": oxygen(oxygen_other),
            "hypoxia_other_cause": oxygen_other.astype(float),
        },
    ]
    table = pd.concat(
        [pd.DataFrame({"patient_id": cohort["patient_id"], **none, **part}) for part in parts],
        ignore_index=True,
    )
    return table.sample(frac=1, random_state=0)


@pytest.fixture(scope="module")
def cohort() -> pd.DataFrame:
    source = SyntheticSource(kind="synthetic", patients=20_000)
    return draw_cohort(source, 4, {}, DATA)[0]


def graded(cohort: pd.DataFrame, table: pd.DataFrame, **how) -> pd.Series:
    by_patient = astct_from_days(table, last_day=50, **how).set_index("patient_id")
    return by_patient.loc[cohort["patient_id"]].reset_index(drop=True)


def test_days_give_the_grade_and_its_onset(cohort):
    found = graded(cohort, unfolded(cohort))
    assert found["crs_grade"].equals(cohort["crs_grade"])
    assert (found["unknown_days"] == 0).all()
    shown = (cohort["crs_grade"] >= 1) & (cohort["post_fever_masked"] == 0)
    day = np.floor(cohort["crs_onset_day"])
    assert (found["crs_onset_day"][shown] == day[shown]).all()
    assert found["crs_onset_day"][cohort["crs_grade"] == 0].isna().all()


def test_days_need_their_judgements_and_the_drugs(cohort):
    table, known = unfolded(cohort), cohort["crs_grade"]
    for without, higher in (
        (JUDGEMENTS, True),
        (["fever_masked"], False),
        (["crs_death"], False),
        (["anticytokine"], False),
    ):
        found = graded(cohort, table.drop(columns=without))["crs_grade"]
        assert (found != known).any(), without
        assert ((found > known)[found != known] == higher).all(), without
    # Without treatment that hides fever, graver CRS looks like its fever alone.
    found = graded(cohort, table, masking_days=0)["crs_grade"]
    assert found.equals(known)  # the drug is given on the day of the signs
    late = table.assign(anticytokine=table["anticytokine"].where(table["day"] == -1, 0))
    assert (graded(cohort, late)["crs_grade"] < known).mean() > 0.1
