import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit

from pipeline.cohort.dictionary import Dictionary
from pipeline.evaluation.comparators import (
    WEAK_SD,
    PublishedScore,
    base_rate,
    comparator_facts,
    published_scores,
    score_only,
    therapy_only,
)


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


def test_where_nothing_is_published_it_is_the_training_patients_rate_of_the_therapy():
    therapy = np.repeat(np.array(["a", "b"], dtype=object), 5000)
    observed = np.concatenate([np.arange(5000) < 3500, np.arange(5000) < 500]).astype(float)
    nowhere = np.full(10_000, np.nan)
    asked = np.array(["a", "b", "new", None], dtype=object)
    found = therapy_only(observed, nowhere, therapy, nowhere[:4], asked, 0.05)
    # However close deviations from published rates are held: here there are none to be close to.
    assert found[:2] == pytest.approx([0.7, 0.1], abs=0.005)
    assert found[2] == pytest.approx(0.4, abs=0.1)
    assert found[3] == base_rate(observed)
    few = therapy_only(observed[:1].copy(), nowhere[:1], therapy[:1], nowhere[:1], asked[:1], 0.05)
    assert few[0] < 0.95  # one patient with the event does not make a rate of 1


def test_without_a_prior_and_a_therapy_it_is_the_base_rate_of_the_training_fold():
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
    assert 0 < score_only(np.arange(30.0), np.zeros(30), np.array([5.0]))[0] < 0.1


def test_score_only_recovers_the_published_form():
    # risk = expit(-1 + 0.5 log2 EASIX)
    rng = np.random.default_rng(3)
    score = rng.normal(0, 2, size=50_000)
    observed = (rng.random(50_000) < expit(-1 + 0.5 * score)).astype(float)
    at = np.array([-2.0, 0.0, 3.0])
    assert logit(score_only(score, observed, at)) == pytest.approx([-2, -1, 0.5], abs=0.06)


def test_patients_without_the_score_get_the_base_rate():
    score = np.array([0.0, 1.0, 2.0, 3.0, np.nan])
    observed = np.array([0, 0, 1, 1, 1.0])
    found = score_only(score, observed, np.array([np.nan, 3.0]))
    assert found[0] == base_rate(observed) == 3.5 / 6
    assert found[1] > found[0]
    assert score_only(np.full(5, np.nan), observed, np.ones(1))[0] == base_rate(observed)


def cohort_of(units):
    """Three patients: as published, at the edge of points, and one without platelets."""
    entries = [("ldh", "2532-0", "U/L"), ("creatinine", "2160-0", units["creatinine"]),
               ("platelets", "777-3", "10*9/L"), ("anc", "751-8", "10*9/L"),
               ("hb", "718-7", "g/dL"), ("crp", "1988-5", "mg/L"),
               ("ferritin", "2276-4", "ng/mL")]  # fmt: skip
    dictionary = Dictionary.from_json(
        [
            {"name": name, "label": name, "role": "lab", "timing": "baseline", "unit": unit,
             "loinc": loinc, **({"molar_mass": 113.12} if name == "creatinine" else {})}
            for name, loinc, unit in entries
        ]
    )  # fmt: skip
    frame = pd.DataFrame(
        {"ldh": [400, 200, 300], "creatinine": units["values"], "platelets": [100, 200, np.nan],
         "anc": [1.0, 3.0, 3.0], "hb": [8.5, 12.0, 12.0], "crp": [40.0, 5.0, 5.0],
         "ferritin": [2500.0, 100.0, 100.0]}
    )  # fmt: skip
    return frame.astype(float), dictionary


@pytest.mark.parametrize(
    "units",
    [
        {"creatinine": "mg/dL", "values": [0.5, 1.0, 1.0]},
        {"creatinine": "umol/L", "values": np.array([0.5, 1.0, 1.0]) * 10_000 / 113.12},
    ],
)
def test_scores_come_from_the_cohort_in_the_units_of_their_formulas(units):
    found = {score.name: score for score in published_scores(*cohort_of(units))}
    assert list(found) == ["easix", "m_easix", "car_hematotox"]
    # 400 x 0.5 / 100 = 2 and 200 x 1 / 200 = 1; 400 x 4 / 100 = 16 and 200 x 0.5 / 200 = 0.5.
    assert found["easix"].values == pytest.approx([1, 0, np.nan], nan_ok=True, abs=1e-4)
    assert found["m_easix"].values == pytest.approx([4, -1, np.nan], nan_ok=True)
    # Platelets 75 to 175: 1; neutrophils, haemoglobin, CRP: 1 each; ferritin above 2000: 2.
    # None of it is a score of 0, which counts.
    assert found["car_hematotox"].values == pytest.approx([6, 0, np.nan], nan_ok=True)
    assert found["car_hematotox"].inputs == ("platelets", "anc", "hb", "crp", "ferritin")


def test_a_score_whose_input_the_cohort_lacks_is_no_comparator():
    frame, dictionary = cohort_of({"creatinine": "mg/dL", "values": [0.5, 1.0, 1.0]})
    less = Dictionary(v for v in dictionary if v.name != "hb")
    assert [s.name for s in published_scores(frame, less)] == ["easix", "m_easix"]


def test_the_share_without_a_score_is_told_unless_it_stands_for_few():
    values = np.where(np.arange(100) < 25, np.nan, 1.0)
    score = PublishedScore("easix", "EASIX", ("ldh",), values)
    assert comparator_facts([score], 10) == {"easix": {"label": "EASIX", "without": 0.25}}
    assert comparator_facts([score], 30)["easix"] == {
        "label": "EASIX", "without": None, "reason": "fewer than 30 patients in a cell"
    }  # fmt: skip
