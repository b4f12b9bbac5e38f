"""Grades of another system, grades of an unstated one, and names that betray follow-up."""

import numpy as np
import pytest

from pipeline.cohort.audit import audit_cohort
from pipeline.cohort.audit.material import Material
from pipeline.cohort.audit.outcomes import grading_systems
from pipeline.cohort.audit.timing import follow_up_name
from pipeline.cohort.dictionary import Dictionary
from pipeline.config import Audit, Outcome
from tests.cohort.audit.clean import FULL, OUTCOMES, clean_cohort


@pytest.fixture(scope="module")
def clean():
    return clean_cohort(200, 11)[0]


def findings(check, cohort, dictionary=None, outcomes=OUTCOMES, settings=None):
    dictionary = dictionary or FULL.restricted_to(cohort)
    primary = next(iter(outcomes))
    return list(check(Material(cohort, dictionary, outcomes, primary, settings or Audit(), {}, 1)))


@pytest.mark.parametrize("system", ["Penn", "CTCAE"])
def test_grades_of_a_system_unlike_astct_keep_a_model_from_the_gate(clean, system):
    cohort = clean.assign(grading_system=system)
    (finding,) = findings(grading_systems, cohort)
    assert (finding.severity, finding.count) == ("error", 200)
    assert f"The grades are {system} grades" in finding.message
    assert "must not be pooled" in finding.message
    assert "therapy_prior: null" in finding.mend
    summary = audit_cohort(cohort, FULL.restricted_to(cohort), OUTCOMES, "ge2", Audit(), {}, 1)[
        "summary"
    ]
    assert summary["errors"] >= 1


@pytest.mark.parametrize("system", ["Penn", "CTCAE"])
def test_what_the_mend_asks_for_mends(clean, system):
    settings = Audit(grading_system=system)
    assert not findings(grading_systems, clean.assign(grading_system=system), settings=settings)


def test_lee_2014_is_near_enough_to_warn_only(clean):
    (finding,) = findings(grading_systems, clean.assign(grading_system="Lee2014"))
    assert finding.severity == "warning"


def test_mixed_systems_stay_an_error_even_if_one_is_lee(clean):
    mixed = np.where(np.arange(len(clean)) < 50, "Lee2014", "ASTCT")
    (finding,) = findings(grading_systems, clean.assign(grading_system=mixed))
    assert (finding.severity, finding.count) == ("error", 50)


@pytest.mark.parametrize("column", ["absent", "empty"])
def test_an_unstated_grading_system_is_told_once_with_its_mend(clean, column):
    without = clean.drop(columns="grading_system")
    cohort = without if column == "absent" else clean.assign(grading_system=None)
    (finding,) = findings(grading_systems, cohort)  # three outcomes, one column
    assert (finding.severity, finding.column) == ("warning", "crs_grade")
    assert "not stated: its grades are taken as ASTCT" in finding.message
    assert "grading_system" in finding.mend
    assert "source.constants" in finding.mend


def test_an_outcome_that_is_no_grade_needs_no_grading_system(clean):
    died = FULL["prior_car_t"].model_copy(
        update={"name": "died", "role": "outcome", "timing": "post"}
    )
    ungraded = clean.drop(columns=["grading_system", "crs_grade"])
    dictionary = Dictionary([*FULL.restricted_to(ungraded), died])
    outcomes = {"died": Outcome(column="died", label="Death")}
    assert not findings(grading_systems, ungraded.assign(died=1.0), dictionary, outcomes)


@pytest.mark.parametrize(
    ("name", "severity"),
    [
        ("post_max_temperature", "error"),  # the name of the shipped dictionary's own post value
        ("crs_grade_day7", "error"),  # begins with the name of the outcome
        ("ferritin_peak", "warning"),  # might be a peak before infusion
        ("max_temp", "warning"),
    ],
)
def test_a_follow_up_name_declared_baseline_is_an_error_where_it_leaves_no_doubt(
    clean, name, severity
):
    variable = FULL["temperature"].model_copy(update={"name": name, "label": "Value"})
    dictionary = Dictionary([*FULL.restricted_to(clean), variable])
    cohort = clean.assign(**{name: clean["temperature"]})
    (finding,) = findings(follow_up_name, cohort, dictionary)
    assert (finding.column, finding.severity) == (name, severity)


def test_post_infusion_variables_declared_as_such_are_no_finding(clean):
    cohort = clean.assign(post_max_temperature=clean["temperature"] + 2)
    assert not findings(follow_up_name, cohort)
