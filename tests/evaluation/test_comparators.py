import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit

from pipeline.evaluation.comparators import WEAK_SD, base_rate, score_only, therapy_only


def test_therapy_only_is_the_penalised_fit_patient_by_patient():
    rng = np.random.default_rng(1)
    names = np.array(["axi-cel", "tisa-cel", "teclistamab"])
    code = rng.integers(0, 3, size=150)
    # A therapy's published rate may differ between diseases.
    prior = np.array([0.5, -0.2, -1.0])[code] + 0.3 * rng.integers(0, 2, size=150)
    observed = (rng.random(150) < expit(prior + np.array([0.6, 0.0, -0.4])[code])).astype(float)

    def minus_log_posterior(theta):
        eta = prior + theta[0] + theta[1:][code]
        likelihood = np.sum(observed * eta - np.logaddexp(0, eta))
        return -likelihood + theta[0] ** 2 / (2 * WEAK_SD**2) + theta[1:] @ theta[1:] / (2 * 0.25)

    theta = minimize(minus_log_posterior, np.zeros(4), tol=1e-12).x
    found = therapy_only(
        observed, prior, names[code].astype(object), prior, names[code].astype(object), 0.5
    )
    assert found == pytest.approx(expit(prior + theta[0] + theta[1:][code]), abs=1e-6)


def test_with_many_patients_it_knows_the_cohorts_own_rates():
    therapy = np.repeat(np.array(["a", "b"], dtype=object), 10_000)
    observed = np.concatenate([np.arange(10_000) < 7000, np.arange(10_000) < 1000]).astype(float)
    found = therapy_only(observed, np.zeros(20_000), therapy, np.zeros(20_000), therapy, 0.5)
    assert found[0] == pytest.approx(0.7, abs=0.005)
    assert found[-1] == pytest.approx(0.1, abs=0.005)


def test_a_therapy_never_seen_keeps_its_published_rate_and_the_common_shift():
    rng = np.random.default_rng(2)
    prior = np.full(20_000, -1.0)
    observed = (rng.random(20_000) < expit(-0.5)).astype(float)  # this cohort runs 0.5 higher
    therapy = np.array([f"t{k}" for k in range(20)], dtype=object)[np.arange(20_000) % 20]
    new = therapy_only(
        observed, prior, therapy, np.array([0.3]), np.array(["new"], dtype=object), 0.5
    )
    assert logit(new[0]) == pytest.approx(0.8, abs=0.1)


def test_without_a_prior_it_is_the_base_rate_of_the_training_fold():
    nowhere = np.full(40, np.nan)
    nobody = np.full(40, None, dtype=object)
    observed = (np.arange(40) < 10).astype(float)
    found = therapy_only(observed, nowhere, nobody, nowhere[:3], nobody[:3], 0.5)
    assert found.tolist() == [10.5 / 41] * 3
    some = therapy_only(
        observed,
        np.zeros(40),
        np.full(40, "a", dtype=object),
        np.array([np.nan, 0.0]),
        np.array([None, "a"], dtype=object),
        0.5,
    )
    assert some[0] == 10.5 / 41
    assert 0 < some[1] < 0.5


def test_a_fold_without_events_gives_low_but_finite_log_odds():
    therapy = np.full(30, "a", dtype=object)
    found = therapy_only(np.zeros(30), np.zeros(30), therapy, np.zeros(1), therapy[:1], 0.5)
    assert 0.001 < found[0] < 0.1
    assert 0 < score_only(np.arange(1.0, 31), np.zeros(30), np.array([5.0]))[0] < 0.1


def test_score_only_recovers_the_published_form():
    # risk = expit(-1 + 0.5 log2 EASIX)
    rng = np.random.default_rng(3)
    score = 2 ** rng.normal(0, 2, size=50_000)
    observed = (rng.random(50_000) < expit(-1 + 0.5 * np.log2(score))).astype(float)
    at = np.array([0.25, 1.0, 8.0])
    assert logit(score_only(score, observed, at)) == pytest.approx([-2, -1, 0.5], abs=0.06)


@pytest.mark.parametrize("missing", [np.nan, 0.0])
def test_patients_without_the_score_get_the_base_rate(missing):
    score = np.array([1.0, 2.0, 4.0, 8.0, missing])
    observed = np.array([0, 0, 1, 1, 1.0])
    found = score_only(score, observed, np.array([missing, 8.0]))
    assert found[0] == base_rate(observed) == 3.5 / 6
    assert found[1] > found[0]
    assert score_only(np.full(5, missing), observed, np.array([1.0]))[0] == base_rate(observed)
