"""What counts as a grade: few whole steps without a unit. All else may have fractions."""

import pandas as pd
import pytest

from pipeline.cohort.dictionary import Dictionary, Variable
from pipeline.errors import InputError
from pipeline.ingest.checks import check_map, check_outcomes

HALVES = pd.DataFrame({"patient_id": list("abcd"), "score": [0.0, 0.5, 1.0, 2.0]})


@pytest.fixture
def judge(config_of):
    """Check the halves as an outcome of a given range, unit and threshold."""

    def check(at_least=1, **entry):
        variable = Variable(name="score", role="outcome", timing="post", label="Score", **entry)
        known = Variable(name="patient_id", role="id", timing="baseline", kind="text", label="Id")
        outcome = {"column": "score", "at_least": at_least, "label": "Score reached"}
        table = {"file": "a.csv", "key": "id", "columns": {"score": "S"}}
        config = config_of([table], outcomes={"any": outcome})
        check_outcomes(HALVES, config, Dictionary([known, variable]))

    return check


def test_half_a_grade_is_refused_with_its_count(judge):
    with pytest.raises(InputError, match=r"1 of 4 values of 'score' lie between two grades"):
        judge(range=(0, 5))


@pytest.mark.parametrize(
    "entry",
    [
        {"range": (0, 60)},  # a scale too long for grades
        {"range": (0, 5), "unit": "mg/dL"},  # a measurement
        {"range": (0, 2.5)},
        {"range": (0, 5), "at_least": 0.5},  # the config itself cuts between whole numbers
        {},
    ],
    ids=["long", "unit", "fractional range", "fractional threshold", "no range"],
)
def test_an_outcome_that_is_no_grade_keeps_its_fractions(judge, entry):
    assert judge(**entry) is None


def test_one_column_may_feed_two_facts_of_the_same_time(config_of, dictionary):
    columns = {"crs_grade": "GR", "post_vasopressors": "GR", "crp": "C", "ferritin": "C"}
    config = config_of([{"file": "a.csv", "key": "id", "columns": columns}])
    check_map(config.source, config, dictionary)


def test_columns_of_one_name_in_two_files_are_two_columns(config_of, dictionary):
    tables = [
        {"file": "before.csv", "key": "id", "columns": {"crp": "value"}},
        {"file": "after.csv", "key": "id", "columns": {"crs_grade": "value"}},
    ]
    config = config_of(tables)
    check_map(config.source, config, dictionary)
