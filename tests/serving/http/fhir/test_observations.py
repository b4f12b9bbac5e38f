"""Observations of FHIR R4: which count, and which values can be read."""

import pytest


def without(observation, key):
    return {name: value for name, value in observation.items() if name != key}


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled"])
def test_an_observation_that_does_not_stand_is_not_used(read, therapy, crp, status):
    found = read(therapy, crp(900, status=status), crp(20, effectiveDateTime="2026-05-01"))
    assert found.record["crp"]["value"] == 20
    assert "C-reactive protein is cancelled or entered in error: not used" in found.remarks


@pytest.mark.parametrize(
    "quantity",
    [{"value": 3.5}, {"value": 3.5, "unit": " "},
     {"value": 3.5, "system": "http://example.org/units", "code": "7"}],
)  # fmt: skip
def test_a_value_without_a_unit_is_not_used(read, therapy, crp, quantity):
    found = read(therapy, crp(1, valueQuantity=quantity), valid=False)
    assert "crp" not in found.record
    assert "C-reactive protein has no unit: not used" in found.remarks


@pytest.mark.parametrize(
    "quantity",
    [{"value": 3.5, "unit": "mg/dL"},
     {"value": 3.5, "system": "http://unitsofmeasure.org", "code": "mg/dL"},
     {"value": 3.5, "unit": "mg/dL", "system": "http://example.org/units", "code": "7"}],
)  # fmt: skip
def test_a_unit_may_be_a_code_of_ucum_or_written(read, therapy, crp, quantity):
    assert read(therapy, crp(1, valueQuantity=quantity)).record["crp"]["unit"] == "mg/dL"


def test_a_count_without_a_unit_is_used_where_the_variable_has_none(read, therapy, crp):
    # LOINC 6301-6 is the INR, a ratio; 89247-1 is the ECOG performance status, a grade.
    ratio = {"coding": [{"system": "http://loinc.org", "code": "6301-6"}]}
    grade = {"coding": [{"system": "http://loinc.org", "code": "89247-1"}]}
    stated = {"text": "1"}
    found = read(
        therapy,
        crp(1, code=ratio, valueQuantity={"value": 1.1}),
        without(crp(1, code=grade, valueCodeableConcept=stated), "valueQuantity"),
    )
    assert found.record["inr"]["value"] == 1.1
    assert float(found.record["ecog"]["value"]) == 1


@pytest.mark.parametrize(
    "value",
    [{"valueString": "<5"}, {"valueString": "see comment"},
     {"valueCodeableConcept": {"text": "see comment"}}, {"valueString": "35"},
     {"valueInteger": 35}, {"dataAbsentReason": {"text": "see comment"}}],
)  # fmt: skip
def test_one_odd_observation_is_told_and_the_rest_is_used(read, scorer, therapy, crp, value):
    odd = without(crp(1), "valueQuantity") | value
    ferritin = {"coding": [{"system": "http://loinc.org", "code": "2276-4"}]}
    quantity = {"value": 900, "unit": "ng/mL"}
    found = read(therapy, odd, crp(1, code=ferritin, valueQuantity=quantity))
    scorer.score([found.record])
    assert "crp" not in found.record
    assert found.record["ferritin"]["value"] == 900
    said = [remark for remark in found.remarks if remark.startswith("C-reactive protein")]
    assert said
    assert not any("<5" in remark or "comment" in remark or "35" in remark for remark in said)
