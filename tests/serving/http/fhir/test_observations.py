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


def coded(observation, loinc):
    return observation | {"code": {"coding": [{"system": "http://loinc.org", "code": loinc}]}}


@pytest.mark.parametrize(
    ("unit", "code", "disagree"),
    [
        ("mg/dL", "mg/L", True),
        ("MG/DL", "mg/dL", False),
        ("ug/mL", "mg/L", False),  # the same conversion
        ("milligrams per litre", "mg/L", False),
    ],
)
def test_a_unit_in_words_and_in_code_must_not_disagree(read, therapy, crp, unit, code, disagree):
    quantity = {
        "value": 3.5, "unit": unit, "code": code, "system": "http://unitsofmeasure.org"
    }  # fmt: skip
    found = read(therapy, crp(1, valueQuantity=quantity))
    assert ("crp" not in found.record) == disagree
    said = "C-reactive protein has a unit whose code and text disagree: not used"
    assert (said in found.remarks) == disagree


@pytest.mark.parametrize("unit", ["g/L", "furlong", "m" * 40])
def test_a_unit_that_is_not_accepted_is_told(read, therapy, crp, unit):
    found = read(therapy, crp(1, valueQuantity={"value": 3.5, "unit": unit}))
    assert "crp" not in found.record
    assert "C-reactive protein has a unit that is not accepted: not used" in found.remarks


@pytest.mark.parametrize("comparator", ["<", "<=", ">=", ">"])
def test_a_limit_is_taken_as_the_limit(read, therapy, crp, comparator):
    """A limit is at least (at most) so much: the value nearest to what a patient has of it."""
    limit = {"value": 40000, "unit": "ng/mL", "comparator": comparator}
    newer = coded(crp(1, valueQuantity=limit, effectiveDateTime="2026-05-09"), "2276-4")
    exact = {"value": 900, "unit": "ng/mL"}
    older = coded(crp(1, valueQuantity=exact, effectiveDateTime="2026-05-02"), "2276-4")
    for order in ((older, newer), (newer, older)):
        found = read(therapy, *order)
        assert found.record["ferritin"]["value"] == 40000
        assert any(
            "Ferritin is stated as less or more than a limit: taken" in r for r in found.remarks
        )


def test_a_value_of_the_same_time_says_more_than_a_limit(read, therapy, crp):
    limit = {"value": 300, "unit": "mg/L", "comparator": ">"}
    both = [crp(412), crp(1, valueQuantity=limit)]
    for order in (both, both[::-1]):
        found = read(therapy, *order)
        assert found.record["crp"]["value"] == 412
        assert not any("limit" in remark for remark in found.remarks)


def test_a_comparator_of_another_meaning_is_not_used(read, therapy, crp):
    quantity = {"value": 300, "unit": "mg/L", "comparator": "ad"}
    found = read(therapy, crp(1, valueQuantity=quantity), valid=False)
    assert "C-reactive protein has a comparator that is not known: not used" in found.remarks


DAY = {"effectiveDateTime": "2026-05-09T08:00:00Z"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"status": "final"}, {"status": "corrected"}),
        ({"status": "preliminary"}, {"status": "final"}),
        ({"issued": "2026-05-09T09:00:00Z"}, {"issued": "2026-05-09T12:00:00Z"}),
        (
            {"meta": {"lastUpdated": "2026-05-09T09:00:00Z"}},
            {
                "meta": {
                    "lastUpdated": "2026-05-09T09:00:00+00:00".replace("09:00:00+", "11:00:00+")
                }
            },
        ),
    ],
)
def test_of_two_values_of_one_time_the_correction_counts(read, therapy, crp, first, second):
    both = [crp(35, **DAY, **first), crp(3.5, **DAY, **second)]
    for order in (both, both[::-1]):
        assert read(therapy, *order).record["crp"]["value"] == 3.5


def test_of_different_values_that_nothing_orders_none_is_used(read, therapy, crp):
    same = {"value": 3.5, "unit": "mg/dL"}
    both = [crp(35, **DAY), crp(3.5, **DAY)]
    for order in (both, both[::-1]):
        found = read(therapy, *order)
        assert "crp" not in found.record
        said = "C-reactive protein has several different values of one time: none is used"
        assert said in found.remarks
    # 35 mg/L and 3.5 mg/dL are one value.
    agreed = read(therapy, crp(35, **DAY), crp(1, **DAY, valueQuantity=same))
    assert agreed.record["crp"]["value"] in (35, 3.5)


def version(observation, number, updated=None):
    meta = {"versionId": number} | ({"lastUpdated": updated} if updated else {})
    return observation | {"id": "o1", "meta": meta}


def test_of_a_resource_the_last_version_counts(read, therapy, crp):
    old, new = version(crp(35, **DAY), "9"), version(crp(3.5, **DAY), "10")
    error = version(crp(3.5, **DAY, status="entered-in-error"), "11")
    # FHIR orders versions by time; a version's number is a name that need not rise.
    later = version(crp(7, **DAY), "1", "2026-05-09T12:00:00Z")
    sooner = version(crp(35, **DAY), "2", "2026-05-09T09:00:00Z")
    for turn in (1, -1):
        assert read(therapy, *[old, new][::turn]).record["crp"]["value"] == 3.5
        assert read(therapy, *[later, sooner][::turn]).record["crp"]["value"] == 7
        assert "crp" not in read(therapy, *[old, new, error][::turn]).record
        undone = [crp(35, **DAY, id="o1"), crp(35, **DAY, id="o1", status="entered-in-error")]
        assert "crp" not in read(therapy, *undone[::turn]).record


@pytest.mark.parametrize(
    ("name", "loinc", "quantity", "canonical"),
    [
        ("platelets", "26515-7", {"value": 95, "unit": "G/L"}, 95),
        ("ldh", "14804-9", {"value": 410, "unit": "IU/L"}, 410),
        ("crp", "30522-7", {"value": 35, "unit": "mg/L"}, 35),
        ("creatinine", "14682-9", {"value": 88.4, "unit": "umol/L"}, 1.0),
        ("hemoglobin", "59260-0", {"value": 6.206, "unit": "mmol/L"}, 10.0),
        ("bilirubin", "14631-6", {"value": 17.1, "unit": "umol/L"}, 1.0),
    ],
)
def test_other_codes_of_an_analyte_are_read(
    read, scorer, therapy, crp, name, loinc, quantity, canonical
):
    found = read(therapy, coded(crp(1, valueQuantity=quantity), loinc))
    expected = read(therapy).record | {name: canonical}
    values = [scorer.score([record])[0]["warnings"] for record in (found.record, expected)]
    assert values[0] == values[1]
    given = found.record[name]
    line = scorer.artifact.facts["conversions"].get(name, {}).get(given["unit"], [1.0, 0.0])
    assert given["value"] * line[0] + line[1] == pytest.approx(canonical, rel=2e-3)


def test_d_dimer_units_are_another_test(read, therapy, crp):
    # 48066-5 is D-dimer in D-dimer units, about half of the fibrinogen-equivalent ones.
    found = read(therapy, coded(crp(1, valueQuantity={"value": 250, "unit": "ng/mL"}), "48066-5"))
    assert "d_dimer" not in found.record


def pressure(crp, **further):
    """A blood pressure as FHIR's vital signs profile has it."""

    def part(code, value):
        return {
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "valueQuantity": {"value": value, "unit": "mmHg"},
        }

    panel = without(coded(crp(1), "85354-9"), "valueQuantity")
    return panel | {"component": [part("8462-4", 70), part("8480-6", 118)]} | further


def test_a_component_counts_with_the_time_and_status_of_its_observation(read, therapy, crp):
    found = read(therapy, pressure(crp, id="bp", **DAY))
    # 25 hours before the infusion.
    assert found.record["systolic_bp"] == {"value": 118, "unit": "mm[Hg]", "day": -2}
    assert found.basis == [{"reference": "Observation/bp"}]
    gone = read(therapy, pressure(crp, status="entered-in-error"))
    assert "systolic_bp" not in gone.record


SCT = "http://snomed.info/sct"
LOINC = "http://loinc.org"


def answered(crp, loinc, *codings, **further):
    concept = {"coding": list(codings)} | further
    return without(coded(crp(1), loinc), "valueQuantity") | {"valueCodeableConcept": concept}


@pytest.mark.parametrize(
    ("coding", "grade"),
    [
        ({"system": SCT, "code": "425389002"}, 0),
        ({"system": SCT, "code": "422512005", "display": "ECOG performance status grade 1"}, 1),
        ({"system": LOINC, "code": "LA9624-3"}, 2),
        ({"system": "https://registry.example/ecog", "code": "3"}, 3),
        (
            {
                "system": LOINC, "code": "LA9626-8",
                "extension": [
                    {"url": "http://hl7.org/fhir/StructureDefinition/ordinalValue",
                     "valueDecimal": 4}
                ],
            },
            4,
        ),
        ({"system": SCT, "code": "423409001", "display": "ECOG performance status grade 5"}, None),
        ({"system": "https://registry.example/ecog", "code": "12"}, None),
    ],
)  # fmt: skip
def test_a_code_is_not_read_as_a_number_but_as_what_it_means(read, therapy, crp, coding, grade):
    found = read(therapy, answered(crp, "89247-1", coding))
    assert found.record.get("ecog", {}).get("value") == grade
    told = "ECOG performance status is stated in words, not as a number: not used"
    unread = "ECOG performance status has no value that can be read: not used"
    assert bool({told, unread} & set(found.remarks)) == (grade is None)


def test_codings_that_disagree_are_told(read, therapy, crp):
    codings = [{"system": LOINC, "code": "LA9623-5"}, {"system": SCT, "code": "422894000"}]
    found = read(therapy, answered(crp, "89247-1", *codings))
    assert "ecog" not in found.record
    said = "ECOG performance status states several values that disagree: not used"
    assert said in found.remarks


@pytest.mark.parametrize(
    "concept",
    [{"text": "Male"}, {"coding": [{"system": LOINC, "code": "LA2-8"}]},
     {"coding": [{"system": SCT, "code": "248153007", "display": "Male (finding)"}]}],
)  # fmt: skip
def test_sex_is_read_from_words_in_any_case_and_from_codes(read, therapy, crp, concept):
    observed = without(coded(crp(1), "46098-0"), "valueQuantity")
    assert read(therapy, observed | {"valueCodeableConcept": concept}).record["sex"] == {
        "value": "male"
    }


@pytest.mark.parametrize(
    "change",
    [
        {"valueQuantity": {"value": 10**400, "unit": "mg/L"}},
        {"valueQuantity": {"value": float("nan"), "unit": "mg/L"}},
        {"valueQuantity": {"value": True, "unit": "mg/L"}},
        {"valueQuantity": {"value": 3, "unit": 7, "code": []}},
        {"valueQuantity": {"value": 3, "unit": "mg/L", "comparator": {}}},
        {"valueQuantity": None, "valueInteger": 10**400},
        {"valueQuantity": None, "component": [None, 3, {"code": 3}, {"code": {"coding": None}}]},
        {"valueQuantity": None, "valueCodeableConcept": {"coding": [None, {"code": 4}]}},
        {"status": "entered-in-error", "meta": {"versionId": 3, "lastUpdated": []}},
    ],
)
def test_what_is_no_fhir_is_not_used(read, therapy, crp, change):
    found = read(therapy, crp(1) | change, valid=False)
    assert "crp" not in found.record
    assert any(remark.startswith("C-reactive protein") for remark in found.remarks)
