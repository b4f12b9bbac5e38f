"""Which therapy is asked about, and when it is given, by the statuses of FHIR R4."""

from datetime import UTC, datetime, timedelta

import pytest

CART, OTHER = "axicabtagene ciloleucel", "tisagenlecleucel"


def ago(**span):
    return (datetime.now(UTC) - timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


def of(resource, name, **further):
    return resource | {"medicationCodeableConcept": {"text": name}} | further


@pytest.mark.parametrize("status", ["entered-in-error", "not-done"])
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


# -- what was given, and when -----------------------------------------------------------------


def test_a_completed_order_was_given_at_a_time_that_is_not_known(read, order, crp):
    given = order | {"status": "completed", "authoredOn": ago(days=20)}
    found = read(given, crp(20, effectiveDateTime=ago(days=1)))
    assert found.record == {"therapy": CART}
    assert any("given at a time that is not stated" in remark for remark in found.remarks)


def test_a_completed_order_is_dated_by_its_administration(read, order, therapy, crp):
    found = read(order | {"status": "completed"}, therapy, crp(20, effectiveDateTime="2026-05-09"))
    assert found.record["crp"]["day"] == -1


@pytest.mark.parametrize("status", ["stopped", "completed", "in-progress", "on-hold", "unknown"])
def test_what_has_begun_anchors_the_time_whatever_is_still_ordered(
    read, scorer, order, therapy, crp, status
):
    """MedicationAdministration.status: stopped means that part of it was given."""
    begun = therapy | {"status": status, "effectiveDateTime": ago(days=3)}
    found = read(begun, order | {"status": "active"}, crp(20, effectiveDateTime=ago(days=1)))
    assert found.record["crp"]["day"] >= 1
    (answer,) = scorer.score([found.record])
    assert answer["status"] == "abstain"


def test_a_procedure_that_was_stopped_had_begun_and_one_in_preparation_had_not(read, crp):
    procedure = {
        "resourceType": "Procedure", "subject": {"reference": "Patient/p1"},
        "code": {"text": "Infusion of axi-cel"}, "performedDateTime": ago(days=3),
    }  # fmt: skip
    lab = crp(20, effectiveDateTime=ago(days=1))
    assert read(procedure | {"status": "stopped"}, lab).record["crp"]["day"] >= 1
    del procedure["performedDateTime"]
    assert read(procedure | {"status": "preparation"}, lab).record["crp"]["day"] < 1


@pytest.mark.parametrize("kind", ["MedicationRequest", "ServiceRequest"])
def test_an_order_that_was_stopped_is_none(read, order, kind):
    held = {"resourceType": kind, "status": "stopped" if kind[0] == "M" else "revoked"}
    if kind == "ServiceRequest":
        held |= {"code": order.pop("medicationCodeableConcept")}
    assert "therapy" not in read(order | held).record


def test_a_service_request_is_dated_by_its_occurrence(read, crp):
    asked = {
        "resourceType": "ServiceRequest", "status": "active", "intent": "order",
        "subject": {"reference": "Patient/p1"}, "occurrenceDateTime": "2026-05-10T09:00:00Z",
        "code": {"text": "CAR-T infusion: axicabtagene ciloleucel"},
    }  # fmt: skip
    found = read(asked, crp(20, effectiveDateTime="2026-05-09T08:00:00Z"))
    assert found.record["therapy"] == CART
    assert found.record["crp"]["day"] == -2  # 25 hours before


# -- several therapies ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rituximab", "obinutuzumab", "Campath"])
def test_antibodies_without_a_rate_are_no_therapy_to_ask_about(read, therapy, order, name):
    past = of(therapy, name, status="completed", effectiveDateTime="2024-01-01")
    assert read(past, therapy).record["therapy"] == CART
    found = read(of(order, name))
    assert "therapy" not in found.record
    assert any(remark.startswith("no rate in the table of therapies") for remark in found.remarks)


def test_antibodies_with_a_rate_yield_to_cells(read, therapy, order):
    for other in (of(therapy, "pembrolizumab"), of(order, "Opdivo")):
        found = read(other, therapy)
        assert found.record["therapy"] == CART
        assert any(f"of several therapies {CART} is taken" in remark for remark in found.remarks)
    assert read(of(order, "pembrolizumab")).record["therapy"] == "pembrolizumab"


def test_what_is_ordered_goes_before_what_was_given_in_the_past(read, therapy, order, crp):
    past = of(therapy, "Blincyto", status="completed", effectiveDateTime="2024-01-01")
    found = read(past, order, crp(20, effectiveDateTime=ago(days=1)))
    assert found.record["therapy"] == CART
    assert found.record["crp"]["day"] < 0
    assert any("is taken, beside blinatumomab" in remark for remark in found.remarks)


def test_where_the_order_of_therapies_is_unclear_none_is_taken(read, therapy, order):
    past = of(therapy, "Blincyto", status="completed", effectiveDateTime="2024-01-01")
    running = past | {"status": "in-progress"}
    planned = order | {"dosageInstruction": [{"timing": {"event": ["2023-01-01T09:00:00Z"]}}]}
    for resources in (
        (past, therapy), (running, order), (past, planned), (order, of(order, "Kymriah"))
    ):  # fmt: skip
        assert "therapy" not in read(*resources).record
