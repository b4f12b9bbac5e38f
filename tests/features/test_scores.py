"""Scores against worked values, published cut-offs and their guards."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cohort.dictionary import Dictionary, Variable
from pipeline.features.scores import BY_NAME, SCORES, compute, inputs_of, unit_factor


def score(name: str, **inputs: float) -> float:
    found = BY_NAME[name]
    return float(compute(found, [np.array([inputs[i]]) for i in found.inputs])[0])


# LDH 250 U/L, creatinine 0.9 mg/dL, platelets 150, CRP 20 mg/L: worked by hand.
@pytest.mark.parametrize(
    ("name", "inputs", "expected"),
    [
        ("easix", {"ldh": 250, "creatinine": 0.9, "platelets": 150}, 1.5),
        ("s_easix", {"ldh": 250, "platelets": 150}, 250 / 150),
        ("m_easix", {"ldh": 250, "crp": 20, "platelets": 150}, 250 * 2 / 150),
        ("nlr", {"anc": 3, "alc": 1.5}, 2.0),
        ("plr", {"platelets": 150, "alc": 1.5}, 100.0),
        ("sii", {"platelets": 150, "anc": 3, "alc": 1.5}, 300.0),
        ("pni", {"albumin": 40, "alc": 1.2}, 46.0),
        ("crp_albumin", {"crp": 20, "albumin": 40}, 0.5),
    ],
)
def test_worked_values(name, inputs, expected):
    assert score(name, **inputs) == pytest.approx(expected, rel=1e-12)


# Points of Rejeski 2021: each threshold from both sides, one item at a time.
BEST = {"platelets": 200, "anc": 2.0, "hemoglobin": 12, "crp": 10, "ferritin": 300}


@pytest.mark.parametrize(
    ("change", "points"),
    [
        ({}, 0),
        ({"platelets": 176}, 0),
        ({"platelets": 175}, 1),
        ({"platelets": 75}, 1),
        ({"platelets": 74.9}, 2),
        ({"anc": 1.21}, 0),
        ({"anc": 1.2}, 1),
        ({"hemoglobin": 9.1}, 0),
        ({"hemoglobin": 9.0}, 1),
        ({"crp": 29.9}, 0),
        ({"crp": 30}, 1),
        ({"ferritin": 649}, 0),
        ({"ferritin": 650}, 1),
        ({"ferritin": 2000}, 1),
        ({"ferritin": 2001}, 2),
        ({"platelets": 10, "anc": 0.1, "hemoglobin": 7, "crp": 100, "ferritin": 9000}, 7),
    ],
)
def test_car_hematotox_points(change, points):
    assert score("car_hematotox", **(BEST | change)) == points


@pytest.mark.parametrize(
    ("crp", "albumin", "points"),
    [(10, 30, 0), (10.1, 35, 1), (10.1, 34.9, 2), (200, 50, 1)],
)
def test_modified_glasgow(crp, albumin, points):
    assert score("mgps", crp=crp, albumin=albumin) == points


def test_zero_platelets_count_as_one():
    assert score("easix", ldh=250, creatinine=1, platelets=0) == 250


def test_zero_lymphocytes_leave_ratios_missing():
    assert np.isnan(score("nlr", anc=2, alc=0))
    assert np.isnan(score("sii", platelets=100, anc=2, alc=0))


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_a_missing_input_makes_the_score_missing(name):
    inputs = BY_NAME[name].inputs
    for absent in inputs:
        values = dict.fromkeys(inputs, 1.0) | {absent: np.nan}
        assert np.isnan(score(name, **values)), absent


@given(st.lists(st.floats(0.01, 1e4), min_size=5, max_size=5))
def test_scores_do_not_depend_on_the_other_rows(values):
    for found in SCORES:
        columns = [np.array([v, 7.0]) for v in values[: len(found.inputs)]]
        alone = compute(found, [c[:1] for c in columns])
        assert compute(found, columns)[0] == pytest.approx(alone[0], nan_ok=True)


def test_inputs_are_found_by_loinc_and_converted_to_the_published_unit():
    def lab(name, loinc, unit, mass=None):
        return Variable(
            name=name, label=name, role="lab", timing="baseline", unit=unit, loinc=loinc,
            molar_mass=mass,
        )  # fmt: skip

    dictionary = Dictionary(
        [
            lab("LD", "2532-0", "U/L"),
            lab("KREA", "2160-0", "umol/L", 113.12),
            lab("THRO", "777-3", "10*9/L"),
        ]
    )
    found = inputs_of(BY_NAME["easix"], dictionary)
    assert found == {"ldh": "LD", "creatinine": "KREA", "platelets": "THRO"}
    # 88.4 umol/L of creatinine are 1 mg/dL.
    assert 88.4 * unit_factor("creatinine", dictionary["KREA"]) == pytest.approx(1.0, abs=1e-3)
    assert inputs_of(BY_NAME["m_easix"], dictionary) is None
