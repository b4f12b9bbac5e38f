"""Whose resources are: references and identifiers of FHIR R4 (Reference.reference, .identifier)."""

import pytest

from pipeline.errors import InputError
from pipeline.serving.http.fhir.bundle import read_bundle


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


def named(resource, **subject):
    return resource | {"subject": subject}


def by(value, system="https://ehr/mrn"):
    return {"identifier": {"system": system, "value": value}}


def test_an_identifier_is_an_identity(read, crp):
    one = named(crp(20), **by("1"))
    assert read(one, one).subject == by("1")
    for other in (by("2"), by("1", "https://elsewhere/mrn")):
        with pytest.raises(InputError, match="several patients"):
            read(one, named(crp(20), **other))


def test_an_identifier_is_the_same_as_a_reference_where_both_stand(read, patient, crp):
    one, other = named(crp(20), **by("1")), named(crp(20), reference="Patient/p1")
    with pytest.raises(InputError, match="several patients"):
        read(one, other)
    both = named(crp(20), reference="Patient/p1", **by("1"))
    patient["identifier"] = [by("1")["identifier"], {"system": "urn:national", "value": "9"}]
    for link in (both, patient):
        assert read(one, link, other).subject == {"reference": "Patient/p1"}


def test_a_contained_patient_is_known_by_identifiers(read, crp):
    def inside(value):
        contained = [{"resourceType": "Patient", "id": "p", **{"identifier": [value]}}]
        return named(crp(20), reference="#p") | {"contained": contained}

    one, other = (inside(by(value)["identifier"]) for value in ("1", "2"))
    assert read(one, one).subject == by("1")
    with pytest.raises(InputError, match="several patients"):
        read(one, other)


def test_a_name_to_display_is_no_identity(read, patient, crp):
    found = read(patient, named(crp(20), display="A. N. Other"))
    assert any("do not say whose they are" in remark for remark in found.remarks)
    assert found.subject == {"reference": "Patient/p1"}
    assert read(named(crp(20), display="A. N. Other")).subject == {
        "display": "unidentified patient"
    }


def test_an_identifier_alone_does_not_tell_that_it_is_the_patient_asked_about(read, crp):
    with pytest.raises(InputError, match="another patient"):
        read(named(crp(20), **by("1")), patient="p1")
