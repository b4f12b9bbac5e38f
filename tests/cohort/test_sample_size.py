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
