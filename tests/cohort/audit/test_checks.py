"""Single checks, each on a column made for it; and what must not alarm them."""

import numpy as np
import pandas as pd
import pytest

from pipeline.cohort.audit import audit_cohort
from pipeline.cohort.audit.material import Material
from pipeline.cohort.audit.missingness import joint_missingness, missingness_by_outcome
from pipeline.cohort.audit.ranges import missing_codes
from pipeline.cohort.dictionary import Dictionary, Variable
from pipeline.config import Audit
from tests.cohort.audit.clean import FULL, OUTCOMES, clean_cohort, generated_cohort
from tests.cohort.audit.power import audit


def found(cohort, check, report=None, settings=None):
    facts = audit(cohort, FULL.restricted_to(cohort), report=report, settings=settings)
    return [f for f in facts["findings"] if f["check"] == check]


@pytest.fixture(scope="module")
def clean():
    return clean_cohort(400, 11)[0]


@pytest.mark.parametrize(
    ("name", "factor", "unit"),
    [
        ("hemoglobin", 10, "g/L"),
        ("creatinine", 88.4, "umol/L"),
        ("platelets", 1000, "/uL"),
        ("albumin", 10, "g/L"),
    ],
)
def test_a_column_in_another_accepted_unit_is_named_by_that_unit(clean, name, factor, unit):
    (finding,) = found(clean.assign(**{name: clean[name] * factor}), "column_unit")
    assert finding["column"] == name
    assert finding["severity"] == "error"
    assert finding["figure"]["likely_unit"] == unit


def test_fahrenheit_is_recognised_although_it_has_an_offset(clean):
    (finding,) = found(clean.assign(temperature=clean["temperature"] * 1.8 + 32), "column_unit")
    assert finding["figure"]["likely_unit"] == "[degF]"


def test_values_outside_the_range_are_counted(clean):
    cohort = clean.copy()
    cohort.loc[[3, 5], "sodium"] = [14.5, 300.0]
    (finding,) = found(cohort, "outside_range")
    assert (finding["count"], finding["figure"]["below"], finding["figure"]["above"]) == (2, 1, 1)
    assert finding["severity"] == "warning"


def test_zero_is_a_code_in_a_lab_and_a_value_in_a_count(clean):
    rows = np.arange(len(clean)) % 40 == 0
    cohort = clean.assign(sodium=clean["sodium"].mask(rows, -1), prior_lines=rows * 0.0)
    assert [f["column"] for f in found(cohort, "missing_codes")] == ["sodium"]


def test_zero_is_a_value_where_the_dictionary_expects_it_and_others_come_near():
    # As in the Rotterdam breast cancer cohort: half have no positive node, and a receptor that
    # is measured in fmol/mg is 0 in an eighth, 1 in others.
    rng = np.random.default_rng(5)
    nodes = np.where(rng.random(600) < 0.5, 0, rng.geometric(0.25, 600)).astype(float)
    receptor = np.where(rng.random(600) < 0.13, 0, np.maximum(rng.lognormal(4, 1.5, 600), 1))
    known = {"timing": "baseline", "range": [0, 6000], "scale": "log", "floor": 1}
    dictionary = Dictionary(
        Variable(name=name, label=name, **facts)
        for name, facts in {
            "nodes": known | {"role": "disease"},
            "receptor": known | {"role": "lab"},
            "ferritin": {**known, "role": "lab", "range": [1, 6000], "floor": None},
            "cytokine": known | {"role": "lab", "floor": 0.1},
        }.items()
    )
    cohort = pd.DataFrame(
        {
            "nodes": nodes,
            "receptor": receptor.round(),
            # Never below 60, so that a zero is beside nothing.
            "ferritin": np.where(np.arange(600) % 20 == 0, 0, rng.uniform(60, 400, 600).round()),
            "cytokine": np.where(np.arange(600) % 20 == 0, 0, rng.uniform(60, 400, 600).round()),
            "crs_grade": rng.integers(0, 3, 600).astype(float),
        }
    )
    outcomes = {"any": OUTCOMES["any"]}
    material = Material(cohort, dictionary, outcomes, "any", Audit(), {}, seed=1)
    severities = {f.column: f.severity for f in missing_codes(material)}
    assert severities == {"ferritin": "error", "cytokine": "warning"}


def test_a_tenth_without_platelets_is_told(clean):
    rows = np.arange(len(clean)) % 10 == 0
    low = clean["platelets"].mask(np.arange(len(clean)) == 5, 2)  # others come near the floor
    (finding,) = found(clean.assign(platelets=low.mask(rows, 0)), "outside_range")
    assert (finding["column"], finding["severity"]) == ("platelets", "error")


def test_years_chosen_by_outcome_are_told():
    cohort = generated_cohort(400, 50)[0]
    assert found(cohort, "group_equals_outcome") == []
    late = np.where(cohort["crs_grade"] >= 2, 2024, 2019)
    (finding,) = found(cohort.assign(infusion_year=late), "group_equals_outcome")
    assert (finding["column"], finding["severity"]) == ("infusion_year", "error")


def test_rounding_to_tens_is_preference_and_not_loss(clean):
    cohort = clean.assign(systolic_bp=(clean["systolic_bp"] / 10).round() * 10)
    assert [f["column"] for f in found(cohort, "preferred_digits")] == ["systolic_bp"]
    assert not found(cohort, "lost_zeros")


def test_missingness_that_follows_the_therapy_is_no_finding():
    rng = np.random.default_rng(5)
    n = 3000
    therapy = rng.choice(["A", "B", "C"], n)
    risk = pd.Series(therapy).map({"A": 0.1, "B": 0.5, "C": 0.9}).to_numpy()
    missing = rng.random(n) < risk * 0.8
    cohort = pd.DataFrame(
        {
            "patient_id": [f"{i}" for i in rng.permutation(n)],
            "therapy": therapy,
            "crp": np.where(missing, np.nan, rng.lognormal(2, 1, n).round(1)),
            "ldh": np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(5.5, 0.4, n).round()),
            "crs_grade": np.where(rng.random(n) < risk, 2.0, 0.0),
        }
    )
    assert not found(cohort, "missingness_by_outcome")
    assert not found(cohort, "joint_missingness")
    assert found(cohort.drop(columns="therapy"), "missingness_by_outcome")


@pytest.mark.parametrize("groups", ["therapy", "site"])
def test_many_small_groups_that_differ_in_both_explain_missingness(groups):
    # Nine patients a group: too few to adjust for each fully, enough to mislead a test.
    errors, blind = 0, 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        group, log_odds = rng.integers(0, 22, 200), rng.normal(0, 1.3, 22)
        missing = rng.random((200, 8)) < 0.25
        missing[:, 0] = rng.random(200) < 1 / (1 + np.exp(0.8 - log_odds[group]))
        labs = np.where(missing, np.nan, rng.lognormal(3, 0.5, (200, 8)).round(1))
        names = ["crp", "ldh", "ferritin", "albumin", "il6", "d_dimer", "ast", "alt"]
        cohort = pd.DataFrame(labs, columns=names)
        cohort.insert(0, "patient_id", [f"{i}" for i in rng.permutation(200)])
        cohort[groups] = [f"group {i}" for i in group]
        events = rng.random(200) < 1 / (1 + np.exp(1.4 - log_odds[group]))
        cohort["crs_grade"] = np.where(events, 2.0, 0.0)
        errors += "error" in _missingness(cohort)
        blind += bool(_missingness(cohort.drop(columns=groups)))
    assert errors <= 1  # 5 %
    assert blind >= 10  # so the groups do mislead where nobody adjusts for them


def _missingness(cohort):
    outcomes = {"ge2": OUTCOMES["ge2"]}
    material = Material(cohort, FULL.restricted_to(cohort), outcomes, "ge2", Audit(), {}, 1)
    return [
        finding.severity
        for check in (missingness_by_outcome, joint_missingness)
        for finding in check(material)
    ]


def test_assay_limits_and_rounding_are_not_class_wise_filling(clean):
    cohort = clean.assign(
        crp=clean["crp"].clip(lower=6, upper=30),
        ferritin=(clean["ferritin"] / 50).round() * 50,
    )
    assert not found(cohort, "filled_by_class")
    assert not found(cohort, "filled_with_one_value")


def test_dropped_values_are_reported_from_what_ingest_counted(clean):
    report = {
        "variables": {
            "ferritin": {"present": 20, "outside_window": 17, "undated": 0},
            "crp": {"present": 97, "outside_window": 0, "undated": 3},
        }
    }
    (late,) = found(clean, "outside_window", report)
    assert (late["column"], late["count"], late["severity"]) == ("ferritin", 17, "warning")
    assert late["figure"]["share"] == pytest.approx(17 / 37, abs=1e-4)
    (undated,) = found(clean, "undated", report)
    assert (undated["column"], undated["severity"]) == ("crp", "note")


@pytest.mark.parametrize(("present", "severity"), [(95, "note"), (30, "warning")])
def test_follow_up_rows_of_a_long_table_are_no_fault_while_baselines_remain(
    clean, present, severity
):
    # 14 follow-up rows a patient are dropped whatever the share of patients with a baseline.
    counts = {"long": True, "present": present, "missing": 100 - present}
    report = {"variables": {"crp": counts | {"outside_window": 1400, "undated": 0}}}
    (finding,) = found(clean, "outside_window", report)
    assert (finding["severity"], finding["count"]) == (severity, 1400)
    assert f"{100 - present}% of the patients have no value left" in finding["message"]
    wide = {"variables": {"crp": counts | {"long": False, "outside_window": 1400}}}
    assert found(clean, "outside_window", wide)[0]["severity"] == "warning"


@pytest.mark.parametrize("name", ["ferritin_peak", "crp_day7", "max_temp", "d14_ldh", "post_il6"])
def test_names_that_speak_of_follow_up_warn(clean, name):
    variable = FULL["ferritin"].model_copy(update={"name": name})
    cohort = clean.assign(**{name: clean["ferritin"] * 1.1})
    dictionary = type(FULL)([*FULL.restricted_to(clean), variable])
    facts = audit_cohort(cohort, dictionary, OUTCOMES, "ge2", Audit(), {}, 1)
    assert name in [f["column"] for f in facts["findings"] if f["check"] == "follow_up_name"]


def test_no_name_of_the_dictionary_speaks_of_follow_up():
    cohort = pd.DataFrame({v.name: [np.nan] for v in FULL if v.timing == "baseline"})
    cohort = cohort.assign(patient_id="1", crs_grade=1.0)
    assert not found(cohort, "follow_up_name")


def test_a_baseline_filled_from_the_peak_is_an_error(clean):
    peak = clean["crp"] * 3
    baseline = clean["crp"].where(np.arange(len(clean)) % 4 == 0, peak)
    (finding,) = found(clean.assign(crp=baseline, post_peak_crp=peak), "copied_follow_up")
    assert finding["figure"]["with"] == "post_peak_crp"
    assert not found(clean.assign(post_peak_crp=peak), "copied_follow_up")


def test_one_product_throughout_is_a_note(clean):
    (finding,) = found(clean.assign(therapy="tisagenlecleucel"), "constant")
    assert finding["severity"] == "note"


def test_another_grading_alone_is_an_error_and_names_both_systems(clean):
    (finding,) = found(clean.assign(grading_system="Penn"), "grading_systems")
    assert finding["severity"] == "error"
    assert "Penn" in finding["message"]
    assert "ASTCT" in finding["message"]


def test_few_events_are_not_counted_in_public(clean):
    grade = np.where(np.arange(len(clean)) < 4, 3.0, clean["crs_grade"].clip(upper=2))
    finding = next(
        f for f in found(clean.assign(crs_grade=grade), "too_few_events") if "'ge3'" in f["message"]
    )
    assert finding["count"] is None
    assert "fewer than 10" in finding["message"]
    assert finding["severity"] == "warning"


def test_patients_alike_in_a_few_coarse_columns_are_not_duplicates():
    rng = np.random.default_rng(6)
    n = 2000
    cohort = pd.DataFrame(
        {
            "patient_id": [str(i) for i in range(n)],
            "age": rng.integers(40, 80, n).astype(float),
            "ecog": rng.integers(0, 3, n).astype(float),
            "sex": rng.choice(["female", "male"], n),
            "prior_lines": rng.integers(1, 6, n).astype(float),
            "stage": rng.integers(1, 5, n).astype(float),
            "crs_grade": rng.integers(0, 4, n).astype(float),
        }
    )
    assert cohort.drop(columns=["patient_id", "crs_grade"]).duplicated().any()
    assert not found(cohort, "exact_duplicates")
    assert not found(cohort, "near_duplicates")
