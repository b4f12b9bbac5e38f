import math

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm

from pipeline.cohort.sample_size import cox_snell_r2, riley_criteria, riley_minimum


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
