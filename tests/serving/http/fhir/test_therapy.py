"""How orders name therapies: RxNorm's and the FDA's ways of writing, references, and codes."""

import pytest

AXI, TISA = "axicabtagene ciloleucel", "tisagenlecleucel"


def called(order, concept):
    return order | {"medicationCodeableConcept": concept}


@pytest.mark.parametrize(
    ("text", "therapy"),
    [
        ("Kymriah®", TISA),
        ("YESCARTA™", AXI),
        ("Axicabtagene Ciloleucel (Yescarta)", AXI),
        ("axicabtagene ciloleucel (YESCARTA) infusion", AXI),
        # As RxNorm names a branded drug.
        ("axicabtagene ciloleucel 2000000 CELLS/ML Injectable Suspension [Yescarta]", AXI),
        # The FDA's suffixes of biologics.
        ("epcoritamab-bysp", "epcoritamab"),
        ("teclistamab-cqyv 10 mg/mL subcutaneous solution", "teclistamab"),
        ("Yescarta suspension for infusion", AXI),
        ("nivolumab + ipilimumab 3 mg/kg", "ipilimumab + nivolumab"),
    ],
)
def test_a_name_is_found_within_a_text(read, order, text, therapy):
    assert read(called(order, {"text": text})).record.get("therapy") == therapy


@pytest.mark.parametrize(
    "text",
    [
        "anti-teclistamab antibody",
        "dexamethasone for teclistamab",
        "no Yescarta",
        "leukapheresis for Yescarta",
        "Yescarta: cell collection",
        "tocilizumab after Yescarta",
        "immune checkpoint inhibitor education",
        "Yescartan",
    ],
)
def test_what_is_about_a_therapy_is_not_the_therapy(read, order, text):
    assert "therapy" not in read(called(order, {"text": text})).record


def test_a_text_with_two_therapies_is_neither(read, order):
    found = read(called(order, {"text": "Yescarta or Kymriah"}))
    assert "therapy" not in found.record
    assert any("names several therapies" in remark for remark in found.remarks)


def test_a_display_is_read_and_a_local_code_is_not(read, order):
    local = {"system": "https://hospital/drugs", "code": "Yescarta", "display": "aspirin"}
    assert "therapy" not in read(called(order, {"coding": [local]})).record
    shown = local | {"code": "4711", "display": "Yescarta"}
    assert read(called(order, {"coding": [shown]})).record["therapy"] == AXI


@pytest.mark.parametrize(
    ("system", "code", "therapy"),
    [
        # CMS, HCPCS Level II: "Axicabtagene ciloleucel, up to 200 million ... per dose".
        ("http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "Q2041", AXI),
        ("urn:oid:2.16.840.1.113883.6.285", "J9321", "epcoritamab"),
        # CMS, ICD-10-PCS: "Introduction of tisagenlecleucel into central vein ...".
        ("http://www.cms.gov/Medicare/Coding/ICD10", "XW043J7", TISA),
        ("https://hospital/drugs", "Q2041", None),
    ],
)
def test_codes_count_in_their_own_system(read, order, system, code, therapy):
    found = read(called(order, {"coding": [{"system": system, "code": code}]}))
    assert found.record.get("therapy") == therapy


def test_a_medication_is_found_where_the_order_refers_to(read, order):
    del order["medicationCodeableConcept"]
    medication = {"resourceType": "Medication", "id": "m", "code": {"text": "Yescarta"}}
    referring = [
        (order | {"medicationReference": {"reference": "#m"}, "contained": [medication]},),
        (order | {"medicationReference": {"reference": "Medication/m"}}, medication),
        (order | {"medicationReference": {"reference": "Medication/9", "display": "Yescarta"}},),
        (order | {"medicationReference": {"display": "Yescarta"}},),
    ]
    for resources in referring:
        assert read(*resources).record["therapy"] == AXI
