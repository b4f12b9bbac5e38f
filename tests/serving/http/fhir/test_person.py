"""Age and sex of the Patient (FHIR R4: Patient.birthDate may be a year, gender has four codes)."""

import pytest


def test_an_age_turns_on_the_birthday(read, therapy, patient):
    # Born on 1 May 1964: 62 on 1 May 2026, 61 the day before.
    for day, age in (("2026-05-01", 62), ("2026-04-30", 61)):
        found = read(patient, therapy | {"effectiveDateTime": day})
        assert found.record["age"]["value"] == age


@pytest.mark.parametrize("gender", ["other", "unknown"])
def test_a_gender_that_is_no_sex_of_the_dictionary_is_told(read, patient, gender):
    found = read(patient | {"gender": gender})
    assert "sex" not in found.record
    assert any("gender is neither female nor male" in remark for remark in found.remarks)


@pytest.mark.parametrize("birth", ["1964", "1964-05"])
def test_an_age_needs_a_full_date(read, patient, birth):
    found = read(patient | {"birthDate": birth})
    assert "age" not in found.record
    assert any("birthDate is no full date" in remark for remark in found.remarks)
