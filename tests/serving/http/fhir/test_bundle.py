"""Statuses and references of FHIR R4: what counts, and whose it is."""

import pytest

from pipeline.errors import InputError
from pipeline.serving.http.fhir.bundle import read_bundle


@pytest.mark.parametrize("status", ["entered-in-error", "not-done", "stopped"])
def test_a_therapy_that_is_not_given_is_none(read, therapy, status):
    found = read(therapy | {"status": status})
    assert "therapy" not in found.record
    assert any(remark.startswith("a therapy is cancelled, stopped") for remark in found.remarks)


@pytest.mark.parametrize(
    "change", [{"status": "cancelled"}, {"status": "entered-in-error"}, {"doNotPerform": True}]
)
def test_an_order_that_does_not_stand_is_none(read, order, change):
    assert "therapy" not in read(order | change).record


def test_a_therapy_that_is_not_given_does_not_hide_the_one_that_is(read, therapy):
    other = therapy | {
        "status": "not-done", "medicationCodeableConcept": {"text": "Kymriah"},
        "effectiveDateTime": "2025-01-01",
    }  # fmt: skip
    found = read(other, therapy)
    assert found.record["therapy"] == "axicabtagene ciloleucel"


def test_of_two_therapies_none_is_picked_and_both_are_named(read, scorer, therapy, order):
    found = read(therapy, order | {"medicationCodeableConcept": {"text": "Kymriah"}})
    assert "therapy" not in found.record
    said = " ".join(found.remarks)
    assert "axicabtagene ciloleucel, tisagenlecleucel" in said
    (answer,) = scorer.score([found.record])
    assert answer["status"] == "abstain"


def test_two_names_of_one_therapy_are_one(read, therapy, order):
    found = read(therapy, order | {"medicationCodeableConcept": {"text": "axi-cel"}})
    assert found.record["therapy"] == "axicabtagene ciloleucel"


@pytest.mark.parametrize("status", ["refuted", "entered-in-error"])
def test_a_refuted_condition_is_none(read, condition, status):
    system = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
    coding = [{"system": system, "code": status}]
    found = read(condition | {"verificationStatus": {"coding": coding}})
    assert "disease" not in found.record
    assert "a condition is refuted or entered in error: not used" in found.remarks


def test_of_two_diseases_none_is_picked(read, condition):
    found = read(condition, condition | {"code": {"text": "FL"}})
    assert "disease" not in found.record
    assert any("(LBCL, FL): none is used" in remark for remark in found.remarks)


def test_an_age_turns_on_the_birthday(read, therapy, patient):
    # Born on 1 May 1964: 62 on 1 May 2026, 61 the day before.
    for day, age in (("2026-05-01", 62), ("2026-04-30", 61)):
        found = read(patient, therapy | {"effectiveDateTime": day})
        assert found.record["age"]["value"] == age


# -- whose it is --------------------------------------------------------------------------------


def entry(resource, url=None, subject=None):
    own = {"subject": {"reference": subject}} if subject else {}
    return {"resource": resource | own} | ({"fullUrl": url} if url else {})


def whose(scorer, *entries):
    bundle = {"resourceType": "Bundle", "entry": list(entries)}
    return read_bundle(bundle, scorer.artifact).subject["reference"]


URN = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"


@pytest.mark.parametrize(
    ("url", "subjects"),
    [
        (None, ["Patient/p1", "https://ehr/fhir/Patient/p1"]),
        ("https://ehr/fhir/Patient/p1", ["Patient/p1", "https://ehr/fhir/Patient/p1"]),
        ("https://ehr/fhir/Patient/p1", ["https://ehr/fhir/Patient/p1/_history/2"]),
        (URN, [URN, "Patient/p1"]),
    ],
)
def test_all_references_to_one_patient_are_to_one_patient(scorer, patient, crp, url, subjects):
    entries = [entry(crp(20), subject=subject) for subject in subjects]
    assert whose(scorer, entry(patient, url), *entries).endswith("Patient/p1")


def test_a_relative_reference_is_resolved_against_its_holder(scorer, crp):
    one = entry(crp(20), "https://ehr/fhir/Observation/1", "Patient/p1")
    other = entry(crp(20), "https://elsewhere/Observation/1", "Patient/p1")
    assert whose(scorer, one) == "https://ehr/fhir/Patient/p1"
    with pytest.raises(InputError, match="several patients"):
        whose(scorer, one, other)


@pytest.mark.parametrize(
    "subjects",
    [["Patient/p1", "Patient/p2"], ["https://a/Patient/p1", "https://b/Patient/p1"], [URN, "x"]],
)
def test_other_patients_are_refused(scorer, crp, subjects):
    with pytest.raises(InputError, match="several patients"):
        whose(scorer, *(entry(crp(20), subject=subject) for subject in subjects))


def test_the_patient_who_is_asked_about_must_be_the_bundles(read, patient):
    assert read(patient, patient="p1").subject == {"reference": "Patient/p1"}
    with pytest.raises(InputError, match="another patient"):
        read(patient, patient="p2")
