from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.card.cohort import describe_cohort
from pipeline.card.figures import is_suppressed
from pipeline.cohort.dictionary import Dictionary
from pipeline.config import Outcome
from tests.card.small_run import DICTIONARY

OUTCOMES = {"ge2": Outcome(column="crs_grade", at_least=2, label="CRS of grade 2 or higher")}


@pytest.fixture
def cohort() -> pd.DataFrame:
    """100 patients: grades 0 and 2 by halves; LDH 1 to 100, missing in 12 and 20 of them."""
    grade = np.repeat([0.0, 2.0], 50)
    ldh = np.arange(1.0, 101.0)
    ldh[:12] = np.nan
    ldh[80:] = np.nan
    return pd.DataFrame(
        {
            "patient_id": [str(k) for k in range(100)],
            "therapy": ["a"] * 60 + ["b"] * 40,
            "ldh": ldh,
            "bulky": np.r_[np.ones(30), np.zeros(70)],
            "crs_grade": grade,
        }
    )


def describe(cohort: pd.DataFrame) -> dict:
    return describe_cohort(cohort, Dictionary.from_json(DICTIONARY), OUTCOMES, "ge2", 10)


def test_missing_values_are_counted_by_outcome(cohort):
    ldh = describe(cohort)["variables"]["ldh"]
    assert (ldh["known"], ldh["missing"]) == (68, 32)
    assert (ldh["missing_with_event"], ldh["missing_without_event"]) == (20, 12)
    # Known are 13 to 80: the quartiles of 68 consecutive numbers.
    assert ldh["quartiles"] == [29.75, 46.5, 63.25]


def test_levels_and_groups_are_counted(cohort):
    found = describe(cohort)
    assert found["groups"]["therapy"]["counts"] == {"a": 60, "b": 40}
    assert found["variables"]["bulky"]["levels"] == {"no": 70, "yes": 30}
    assert found["outcome_counts"]["crs_grade"] == {"0": 50, "2": 50}


def test_neither_part_of_a_small_split_is_shown(cohort):
    cohort.loc[:3, "ldh"] = 5.0  # now missing in 8 patients without the event
    ldh = describe(cohort)["variables"]["ldh"]
    assert ldh["missing"] == 28
    assert is_suppressed(ldh["missing_with_event"])
    assert is_suppressed(ldh["missing_without_event"])


def test_one_rare_grade_hides_all_since_events_are_sums_of_grades(cohort):
    cohort.loc[[98, 99], "crs_grade"] = 4.0
    counts = describe(cohort)["outcome_counts"]["crs_grade"]
    assert list(counts) == ["0", "2", "4"]
    assert all(is_suppressed(n) for n in counts.values())


def test_quartiles_of_few_values_are_not_shown(cohort):
    cohort.loc[30:, "ldh"] = np.nan
    assert is_suppressed(describe(cohort)["variables"]["ldh"]["quartiles"])
