"""FHIR R4 and CDS Hooks: what is read, what time does to it, and that answers are valid FHIR."""

import json
import re
from copy import deepcopy

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.riskassessment import RiskAssessment

from pipeline.serving.http.words import percent

INFUSION = "2026-03-10T09:00:00Z"


def observation(loinc, value, unit, time="2026-03-09T08:00:00Z", name="o"):
    return {
        "resourceType": "Observation", "id": f"{name}{loinc}", "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": loinc}]},
        "subject": {"reference": "Patient/p1"}, "effectiveDateTime": time,
        "valueQuantity": {
            "value": value, "unit": "as the laboratory writes it",
            "system": "http://unitsofmeasure.org", "code": unit,
        },
    }  # fmt: skip


RESOURCES = [
    {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1964-05-01"},
    {
        "resourceType": "MedicationAdministration", "id": "m1", "status": "in-progress",
        "subject": {"reference": "Patient/p1"}, "effectiveDateTime": INFUSION,
        "medicationCodeableConcept": {"text": "Yescarta"},
    },
    {
        "resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/p1"},
        "code": {"text": "LBCL"},
    },
    observation("2532-0", 410, "U/L"),
    observation("1988-5", 3.5, "mg/dL"),
    observation("777-3", 95, "10*9/L"),
    observation("718-7", 9.1, "g/dL"),
    observation("2276-4", 900, "ng/mL"),
]  # fmt: skip
VALUES = {
    "therapy": "Yescarta", "disease": "LBCL", "sex": "female", "age": 61, "ldh": 410, "crp": 35,
    "platelets": 95, "hemoglobin": 9.1, "ferritin": 900,
}  # fmt: skip


def bundle(*resources):
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": resource} for resource in resources],
    }


def assess(client, *resources):
    answer = client.post("/fhir/RiskAssessment", json=bundle(*resources))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/fhir+json"
    RiskAssessment.model_validate(answer.json())
    return answer.json()


def notes(assessment):
    return " | ".join(note["text"] for note in assessment["note"])


def test_what_the_tests_send_is_fhir():
    found = Bundle.model_validate(bundle(*RESOURCES))
    assert len(found.entry) == len(RESOURCES)


def test_a_bundle_gets_the_risks_of_its_values(client, scorer):
    found = assess(client, *RESOURCES)
    (expected,) = scorer.score([VALUES])
    assert expected["status"] == "ok"
    assert found["status"] == "final"
    assert found["subject"] == {"reference": "Patient/p1"}
    assert [p["probabilityDecimal"] for p in found["prediction"]] == pytest.approx(
        [risk["risk"] for risk in expected["risks"].values()], abs=5e-5
    )
    assert {b["reference"] for b in found["basis"]} >= {"Observation/o1988-5", "Observation/o777-3"}
    assert "Research use only" in notes(found)
    low = expected["risks"]["ge2"]["low"]
    assert percent(low) in found["prediction"][1]["rationale"]


def test_a_rate_that_is_assumed_is_not_called_published(client):
    """The label of axi-cel states CRS of any grade and of grade 3; grade 2 is interpolated."""
    found = assess(client, *RESOURCES)
    by_outcome = {p["outcome"]["text"]: p["rationale"] for p in found["prediction"]}
    assert "by the published rate alone" in by_outcome["CRS of any grade"]
    assert "by the interpolated rate alone" in by_outcome["CRS of grade 2 or higher"]
    (card,) = client.post("/cds-services/crs-risk", json=hook()).json()["cards"]
    assert "CRS of grade 2 or higher" in card["summary"]
    assert "interpolated rate" in card["summary"]
    assert "published" not in card["summary"]
    for label, evidence in (("any grade", "published"), ("grade 2 or higher", "interpolated")):
        assert re.search(rf"CRS of {label} .*, {evidence} rate \|", card["detail"])


def test_the_latest_value_before_infusion_is_taken(client):
    old = observation("1988-5", 500, "mg/L", "2026-03-01T08:00:00Z", "old")
    late = observation("1988-5", 600, "mg/L", "2026-03-10T10:00:00Z", "late")
    plain = assess(client, *RESOURCES)
    for order in ([old, late], [late, old]):
        among = assess(client, *order, *RESOURCES)
        assert among["prediction"] == plain["prediction"]
        assert {b["reference"] for b in among["basis"]} == {b["reference"] for b in plain["basis"]}
        left_out = "a later value, from after the infusion, is left out: C-reactive protein"
        assert left_out in notes(among)
        assert left_out not in notes(plain)


@pytest.mark.parametrize(
    ("drawn", "infused", "late"),
    [
        ("2026-03-10T10:00:00Z", "2026-03-10T09:00:00Z", True),
        ("2026-03-10T10:00:00+02:00", "2026-03-10T09:00:00Z", False),
        ("2026-03-10", "2026-03-10T09:00:00Z", False),
        ("2026-03-10T10:00:00Z", "2026-03-10", False),
        ("2026-03-11", "2026-03-10", True),
    ],
)
def test_a_value_from_after_the_infusion_gives_no_risk(client, drawn, infused, late):
    resources = deepcopy(RESOURCES)
    resources[1]["effectiveDateTime"] = infused
    resources[4]["effectiveDateTime"] = drawn
    found = assess(client, *resources)
    assert (found["status"] == "cancelled") == late
    assert ("C-reactive protein was measured after the infusion" in notes(found)) == late
    assert ("prediction" not in found) == late


def test_a_unit_that_is_not_accepted_costs_its_value_and_no_more(client):
    without = assess(client, *RESOURCES[:4], *RESOURCES[5:])
    found = assess(client, *RESOURCES[:4], observation("1988-5", 3, "g/L"), *RESOURCES[5:])
    assert found["prediction"] == without["prediction"]
    assert "C-reactive protein has a unit that is not accepted: not used" in notes(found)


def test_limits_and_values_without_a_time_are_told(client):
    resources = deepcopy(RESOURCES)
    resources[4]["valueQuantity"]["comparator"] = ">"
    del resources[5]["effectiveDateTime"]
    found = assess(client, *resources)
    said = notes(found)
    assert "C-reactive protein is stated as less or more than a limit: taken as the limit" in said
    assert "taken as measured before infusion, for want of a time: Platelets" in said
    assert found["prediction"] == assess(client, *RESOURCES)["prediction"]


def test_two_patients_in_one_bundle_are_refused(client):
    other = observation("2532-0", 300, "U/L") | {"subject": {"reference": "Patient/p2"}}
    answer = client.post("/fhir/RiskAssessment", json=bundle(*RESOURCES, other))
    assert answer.status_code == 422
    assert "several patients" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [{}, {"resourceType": "Patient"}, bundle(), bundle({"resourceType": "Observation"}),
     {"resourceType": "Bundle", "entry": [None, {"resource": 3}, {}]},
     {"resourceType": "Bundle", "entry": "x"}],
)  # fmt: skip
def test_other_json_is_refused_or_gives_no_risk(client, body):
    answer = client.post("/fhir/RiskAssessment", json=body)
    if answer.status_code == 200:
        RiskAssessment.model_validate(answer.json())
        assert answer.json()["status"] == "cancelled"
    else:
        assert answer.status_code == 422


# -- CDS Hooks --------------------------------------------------------------------------------


def hook(**further):
    return {
        "hook": "order-sign",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {
            "userId": "Practitioner/1", "patientId": "p1",
            "draftOrders": bundle(
                {
                    "resourceType": "MedicationRequest", "status": "draft", "intent": "order",
                    "subject": {"reference": "Patient/p1"},
                    "medicationCodeableConcept": {"text": "axi-cel"},
                    "dosageInstruction": [{"timing": {"event": [INFUSION]}}],
                }
            ),
        },
        "prefetch": {
            "patient": RESOURCES[0],
            "conditions": bundle(RESOURCES[2]),
            "observations": bundle(*RESOURCES[3:]),
        },
    } | further  # fmt: skip


def test_discovery_names_the_hook_and_what_to_send_along(client):
    (service,) = client.get("/cds-services").json()["services"]
    assert service["id"] == "crs-risk"
    assert service["hook"] == "order-sign"
    assert service["description"]
    assert service["prefetch"]["patient"] == "Patient/{{context.patientId}}"
    # LOINC 1988-5 is C-reactive protein in serum or plasma.
    assert "relapse" in service["prefetch"]["conditions"]
    asked = service["prefetch"]["observations"]
    assert "http://loinc.org|1988-5" in asked
    # 26515-7 counts platelets by any method, 85354-9 is the panel of a blood pressure.
    assert "http://loinc.org|26515-7" in asked
    assert "http://loinc.org|85354-9" in asked


def test_an_order_gets_one_card_that_informs(client, scorer):
    (card,) = client.post("/cds-services/crs-risk", json=hook()).json()["cards"]
    (expected,) = scorer.score([VALUES])
    risk = expected["risks"]["ge2"]
    assert len(card["summary"]) < 140
    assert f"risk {percent(risk['risk'])}" in card["summary"]
    assert f"{percent(risk['low'])} to {percent(risk['high'])}" in card["summary"]
    assert card["indicator"] == "info"
    assert card["source"]["label"]
    assert card["source"]["url"] == "http://testserver/v1/card"
    assert card["links"] == [
        {"label": "Model card", "url": "http://testserver/v1/card", "type": "absolute"}
    ]
    assert "Research use only" in card["detail"]


def ordered(*names, **further):
    """A call that orders medications by these names."""
    called = hook()
    (entry,) = called["context"]["draftOrders"]["entry"]
    called["context"]["draftOrders"] = bundle(
        *(
            entry["resource"] | {"medicationCodeableConcept": {"text": name}} | further
            for name in names
        )
    )
    return called


@pytest.mark.parametrize(
    "called",
    [ordered("aspirin"), ordered(), ordered("axi-cel", status="cancelled"), ordered("rituximab")],
)
def test_an_order_of_something_else_gets_no_card(client, called):
    answer = client.post("/cds-services/crs-risk", json=called)
    assert answer.status_code == 200
    assert answer.json() == {"cards": []}


def test_each_therapy_that_is_ordered_gets_its_card(client):
    alone = [
        client.post("/cds-services/crs-risk", json=ordered(name)).json()["cards"][0]
        for name in ("axi-cel", "tisa-cel")
    ]
    together = client.post("/cds-services/crs-risk", json=ordered("axi-cel", "aspirin", "tisa-cel"))
    assert together.json()["cards"] == alone
    first, second = (card["summary"] for card in alone)
    assert first.startswith("axicabtagene ciloleucel: ")
    assert second.startswith("tisagenlecleucel: ")


@pytest.mark.parametrize(
    "text",
    ["axicabtagene ciloleucel (YESCARTA) infusion", "CAR-T infusion: axicabtagene ciloleucel",
     "axicabtagene ciloleucel 2000000 CELLS/ML Injectable Suspension [Yescarta]"],
)  # fmt: skip
def test_orders_are_found_as_order_systems_write_them(client, text):
    (card,) = client.post("/cds-services/crs-risk", json=ordered(text)).json()["cards"]
    assert card["summary"].startswith("axicabtagene ciloleucel: ")


def test_a_medication_may_lie_beside_its_order(client):
    called = hook()
    entries = called["context"]["draftOrders"]["entry"]
    del entries[0]["resource"]["medicationCodeableConcept"]
    entries[0]["resource"]["medicationReference"] = {"reference": "Medication/m"}
    medication = {"resourceType": "Medication", "id": "m", "code": {"text": "Yescarta"}}
    entries.append({"resource": medication})
    (card,) = client.post("/cds-services/crs-risk", json=called).json()["cards"]
    assert card["summary"].startswith("axicabtagene ciloleucel: ")


@pytest.mark.parametrize(
    ("lacking", "change"),
    [
        ("hook", {"hook": None}),
        ("hook", {"hook": "patient-view"}),
        ("hookInstance", {"hookInstance": None}),
        ("context", {"context": None}),
        ("context.patientId", {"context": {"draftOrders": bundle()}}),
        ("context.draftOrders", {"context": {"patientId": "p1"}}),
    ],
)
def test_what_cds_hooks_requires_is_required(client, lacking, change):
    answer = client.post("/cds-services/crs-risk", json=hook(**change))
    assert answer.status_code == 422
    assert f"the call has no '{lacking}'" in answer.json()["detail"]


def test_the_patient_of_the_hook_must_be_the_one_whose_resources_came(client):
    called = hook()
    called["context"]["patientId"] = "p2"
    answer = client.post("/cds-services/crs-risk", json=called)
    assert answer.status_code == 422
    assert "another patient" in answer.json()["detail"]
    assert "p2" not in answer.text


def test_without_what_was_to_be_sent_along_the_precondition_fails(client):
    for prefetch in ({}, None):
        assert (
            client.post("/cds-services/crs-risk", json=hook(prefetch=prefetch)).status_code == 412
        )


def test_links_bear_the_public_address_where_there_is_one(service):
    client = service(public_url="https://cds.example/crs/")
    (card,) = client.post("/cds-services/crs-risk", json=hook()).json()["cards"]
    assert card["source"]["url"] == "https://cds.example/crs/v1/card"
    json.dumps(card)
