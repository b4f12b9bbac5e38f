"""Diseases as ICD-10, SNOMED CT and clinicians name them, and statuses of FHIR R4 Conditions."""

import pytest

ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD_10_GM = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
SNOMED = "http://snomed.info/sct"


def coded(condition, code, system=ICD_10_CM, **further):
    return condition | {"code": {"coding": [{"system": system, "code": code, **further}]}}


def with_status(condition, key, code):
    return condition | {key: {"coding": [{"code": code}]}}


def said(found):
    return " | ".join(found.remarks)


@pytest.mark.parametrize(
    ("system", "code", "disease"),
    [
        # Headings of chapter C81-C96 of ICD-10.
        (ICD_10_CM, "C83.30", "LBCL"),
        (ICD_10_CM, "C8338", "LBCL"),  # as in claims
        (ICD_10_GM, "C83.3", "LBCL"),
        (ICD_10_CM, "C85.21", "LBCL"),
        (ICD_10_CM, "C82.05", "FL"),
        (ICD_10_CM, "C82.41", "LBCL"),  # grade IIIb
        (ICD_10_CM, "C83.10", "MCL"),
        (ICD_10_CM, "C91.00", "B-ALL"),
        (ICD_10_CM, "C91.10", "CLL"),
        (ICD_10_GM, "C90.00", "MM"),
        (ICD_10_CM, "C90.10", None),  # plasma cell leukaemia
        (ICD_10_CM, "C34.90", None),  # small or other cells: the code does not say
        (SNOMED, "109989006", "MM"),
        (SNOMED, "443487006", "MCL"),
        (SNOMED, "1099890060", None),
        ("https://hospital/diagnoses", "C83.30", None),
    ],
)
def test_a_code_names_a_disease(read, condition, system, code, disease):
    assert read(coded(condition, code, system)).record.get("disease") == disease


@pytest.mark.parametrize(
    ("text", "disease"),
    [
        ("lbcl", "LBCL"),
        ("DLBCL", "LBCL"),
        ("Diffuse large B-cell lymphoma, unspecified site", "LBCL"),
        ("Relapsed/refractory diffuse large B cell lymphoma", "LBCL"),
        ("Follicular lymphoma grade IIIb, lymph nodes of multiple sites", "LBCL"),
        ("Follicular lymphoma grade II, unspecified site", "FL"),
        ("Mantle cell lymphoma", "MCL"),
        ("Multiple myeloma not having achieved remission", "MM"),
        ("B-cell acute lymphoblastic leukaemia", "B-ALL"),
        ("B-cell acute lymphoblastic leukemia in relapse", "B-ALL"),
        ("Small cell carcinoma of lung (disorder)", "SCLC"),
        ("Malignant melanoma of choroid", "uveal melanoma"),
        ("Non-small cell lung cancer", None),
        ("Smouldering multiple myeloma", None),
        ("Family history of multiple myeloma", None),
        ("Suspected DLBCL", None),
        ("Follicular lymphoma, transformed", None),
        ("T-cell acute lymphoblastic leukaemia", None),
    ],
)
def test_a_name_names_a_disease(read, condition, text, disease):
    assert read(condition | {"code": {"text": text}}).record.get("disease") == disease


def test_a_code_of_a_local_list_is_not_a_disease(read, condition):
    local = coded(condition, "MM", "https://hospital", display="Malignant melanoma of skin")
    assert read(local).record["disease"] == "melanoma"
    assert "disease" not in read(coded(condition, "MM", "https://hospital")).record


def test_what_a_code_leaves_open_is_told_and_a_text_may_settle_it(read, condition):
    """ICD-10 C91.0 is acute lymphoblastic leukaemia, of B cells or of T cells."""
    alone = coded(condition, "C91.00")
    assert "taken as of B cells" in said(read(alone))
    told = coded(condition, "C91.00", display="B-cell acute lymphoblastic leukaemia")
    assert "taken as of B cells" not in said(read(told))
    other = coded(condition, "C91.00", display="T-lymphoblastic leukaemia")
    assert "disease" not in read(other).record


@pytest.mark.parametrize("status", ["refuted", "entered-in-error", "differential"])
def test_a_condition_that_does_not_hold_is_none(read, condition, status):
    found = read(with_status(condition, "verificationStatus", status))
    assert "disease" not in found.record
    assert "a condition is refuted, differential or entered in error: not used" in found.remarks


@pytest.mark.parametrize("status", ["provisional", "unconfirmed"])
def test_a_condition_that_is_not_confirmed_is_used_with_a_remark(read, condition, status):
    unsure = with_status(condition, "verificationStatus", status)
    found = read(unsure)
    assert found.record["disease"] == "LBCL"
    assert "not confirmed" in said(found)
    sure = with_status(condition, "verificationStatus", "confirmed")
    assert "not confirmed" not in said(read(unsure, sure))


@pytest.mark.parametrize("status", ["active", "recurrence", "relapse", "remission"])
def test_a_past_condition_is_used_only_where_no_other_is(read, condition, status):
    now = with_status(condition, "clinicalStatus", status)
    past = with_status(condition | {"code": {"text": "FL"}}, "clinicalStatus", "resolved")
    assert read(past, now).record["disease"] == "LBCL"
    found = read(past)
    assert found.record["disease"] == "FL"
    assert "resolved or inactive" in said(found)


def test_of_two_diseases_none_is_picked(read, condition):
    found = read(condition, condition | {"code": {"text": "FL"}})
    assert "disease" not in found.record
    assert "(LBCL, FL): none is used" in said(found)
