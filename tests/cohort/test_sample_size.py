import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from scipy.stats import norm

from pipeline.cohort.audit import audit_cohort
from pipeline.cohort.dictionary import Dictionary, Variable
from pipeline.cohort.sample_size import (
    against_riley,
    candidate_parameters,
    candidate_variables,
    cox_snell_r2,
    riley_criteria,
    riley_minimum,
)
from pipeline.config import Audit, Outcome, Predictors


@pytest.mark.parametrize(
    ("r2", "parameters", "prevalence", "shrinkage_n", "overall_n"),
    # The expectations of pmsampsize's own tests (version 1.1.3, binary outcome).
    [
        (0.288, 24, 0.174, 623, 221),
        (0.55, 24, 0.174, 255, 221),
        (0.288, 36, 0.174, 934, 221),
        (0.288, 24, 0.25, 623, 289),
    ],
)
def test_criteria_equal_pmsampsize(r2, parameters, prevalence, shrinkage_n, overall_n):
    found = riley_criteria(parameters, prevalence, r2)
    assert found["shrinkage"] == shrinkage_n
    assert found["overall_risk"] == overall_n


@pytest.mark.parametrize(
    ("r2", "parameters", "prevalence", "optimism_n"),
    [(0.288, 24, 0.174, 668), (0.55, 24, 0.174, 532), (0.288, 36, 0.174, 1002)],
)
def test_optimism_criterion_up_to_the_rounding_inside_pmsampsize(
    r2, parameters, prevalence, optimism_n
):
    # pmsampsize rounds the maximum R2 to two digits and the shrinkage to three.
    assert riley_criteria(parameters, prevalence, r2)["optimism"] == pytest.approx(
        optimism_n, rel=0.02
    )


@pytest.mark.parametrize(
    ("prevalence", "c_statistic", "n"),
    [(0.65, 0.70, 1526), (0.35, 0.70, 1494), (0.08, 0.72, 3809), (0.05, 0.70, 6808)],
)
def test_minimum_from_the_c_statistic_agrees_with_simulation(prevalence, c_statistic, n):
    # The expected figures come from simulated linear predictors and carry that noise.
    assert riley_minimum(20, prevalence, c_statistic)["n"] == pytest.approx(n, rel=0.035)


@pytest.mark.parametrize(
    ("r2", "prevalence", "parameters", "shrinkage", "criteria"),
    # What pmsampsize 0.1.0, from PyPI, prints for csrsquared, to the patient.
    [
        (0.288, 0.174, 24, 0.90, (623, 662, 221)),
        (0.10, 0.30, 20, 0.90, (1699, 528, 323)),
        (0.20, 0.45, 35, 0.90, (1393, 821, 381)),
        (0.05, 0.05, 15, 0.90, (2625, 885, 73)),
        (0.15, 0.25, 30, 0.95, (3492, 805, 289)),
        (0.30, 0.50, 12, 0.85, (184, 263, 385)),
    ],
)
def test_criteria_are_those_of_the_python_package(r2, prevalence, parameters, shrinkage, criteria):
    found = riley_criteria(parameters, prevalence, r2, shrinkage)
    assert (found["shrinkage"], found["optimism"], found["overall_risk"]) == criteria


@pytest.mark.parametrize(
    ("c_statistic", "prevalence", "parameters", "r2", "n"),
    # What pmsampsize 0.1.0 prints for cstatistic; it simulates a million patients for R2.
    [
        (0.70, 0.30, 20, 0.1031, 1644),
        (0.75, 0.20, 24, 0.1260, 1592),
        (0.80, 0.10, 30, 0.1112, 2275),
        (0.65, 0.45, 10, 0.0684, 1266),
        (0.85, 0.174, 24, 0.2303, 813),
        (0.72, 0.05, 12, 0.0311, 3413),
        (0.70, 0.65, 40, 0.1106, 3051),
    ],
)
def test_minimum_is_that_of_the_python_package_within_its_simulation_error(
    c_statistic, prevalence, parameters, r2, n
):
    found = riley_minimum(parameters, prevalence, c_statistic)
    # 3 %: its R2 comes from rounded, simulated draws, and n is nearly inverse to R2.
    assert found["cox_snell_r2"] == pytest.approx(r2, rel=0.03)
    assert found["n"] == pytest.approx(n, rel=0.03)


def test_cox_snell_r2_is_that_of_a_large_simulated_cohort():
    prevalence, c_statistic, n = 0.2, 0.75, 400_000
    rng = np.random.default_rng(3)
    event = np.arange(n) < prevalence * n
    gap = math.sqrt(2) * norm.ppf(c_statistic)
    predictor = rng.normal(size=n) + gap * event
    risk = expit(logit(prevalence) + gap * predictor - gap**2 / 2)
    model = np.where(event, np.log(risk), np.log1p(-risk)).mean()
    null = prevalence * math.log(prevalence) + (1 - prevalence) * math.log(1 - prevalence)
    assert cox_snell_r2(prevalence, c_statistic) == pytest.approx(
        1 - math.exp(-2 * (model - null)), rel=0.02
    )


def test_swapping_events_and_non_events_changes_nothing():
    assert cox_snell_r2(0.1, 0.8) == pytest.approx(cox_snell_r2(0.9, 0.8), rel=1e-9)


def test_more_parameters_or_a_weaker_model_ask_for_more_patients():
    assert riley_minimum(30, 0.3, 0.7)["n"] > riley_minimum(20, 0.3, 0.7)["n"]
    assert riley_minimum(20, 0.3, 0.65)["n"] > riley_minimum(20, 0.3, 0.7)["n"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((0, 0.3, 0.7), "parameters"),
        ((10, 1.0, 0.7), "prevalence"),
        ((10, 0.3, 0.5), "c_statistic"),
        ((10, 0.5, 0.999, 0.5), "shrinkage"),
    ],
)
def test_arguments_outside_their_domain_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        riley_minimum(*arguments)


VARIABLES = Dictionary(
    [
        Variable(name="patient_id", label="Patient", role="id", kind="text", timing="baseline"),
        Variable(name="age", label="Age", role="patient", kind="numeric", timing="baseline"),
        Variable(name="ldh", label="LDH", role="lab", kind="numeric", timing="baseline"),
        Variable(name="bulky", label="Bulk", role="disease", kind="binary", timing="baseline"),
        Variable(name="one", label="Constant", role="lab", kind="numeric", timing="baseline"),
        Variable(
            name="therapy", label="Therapy", role="treatment", kind="categorical",
            timing="baseline", levels=["a", "b", "c"],
        ),
        Variable(name="peak", label="Later", role="lab", kind="numeric", timing="post"),
        Variable(name="grade", label="Grade", role="outcome", kind="numeric", timing="post"),
    ]
)  # fmt: skip


def small_cohort(n=60):
    k = np.arange(n)
    return pd.DataFrame(
        {
            "patient_id": k.astype(str),
            "age": 20.0 + k,
            "ldh": np.where(k % 7 == 0, np.nan, 100.0 + k),
            "bulky": (k % 2).astype(float),
            "one": 1.0,
            "therapy": np.array(["a", "b", "c"], dtype=object)[k % 3],
            "peak": 5.0 * k,
            "grade": (k % 4).astype(float),
        }
    )


@pytest.mark.parametrize(
    ("predictors", "therapy", "count"),
    [
        ({}, None, 5),  # age, ldh, bulky, two of three therapies; what is constant or later: none
        ({"exclude": ["age", "ldh"]}, None, 3),
        ({"include": ["age"]}, None, 1),
        ({"include": ["age"]}, "therapy", 3),  # the prior uses the therapy all the same
    ],
)
def test_parameters_are_counted_by_hand(predictors, therapy, count):
    candidates = candidate_variables(VARIABLES, Predictors(**predictors), therapy)
    assert candidate_parameters(small_cohort(), candidates) == count


def test_the_audit_counts_what_the_learning_stage_counts():
    candidates = candidate_variables(VARIABLES, Predictors(exclude=["age"]))
    cohort, outcomes = small_cohort(), {"ge2": Outcome(column="grade", at_least=2, label="CRS")}
    findings = audit_cohort(cohort, VARIABLES, outcomes, "ge2", Audit(), {}, 1, candidates)
    (finding,) = [f for f in findings["findings"] if f["check"] == "too_few_events"]
    count = candidate_parameters(cohort, candidates)
    assert finding["figure"]["parameters"] == count == 4
    riley = against_riley(60, 30, count, Audit())
    assert finding["figure"]["patients_needed"] == riley["patients_needed"]
    assert f"{riley['patients_needed']:,} with" in finding["message"]


def test_events_per_parameter_are_those_of_the_rarer_class():
    assert against_riley(100, 80, 10, Audit())["events_per_parameter"] == pytest.approx(2.0)
    assert against_riley(100, 20, 10, Audit())["events_per_parameter"] == pytest.approx(2.0)
