"""A patient in FHIR R4, whose resources a test may change."""

import pytest
from fhir.resources.R4B import get_fhir_model_class

from pipeline.serving.http.fhir.bundle import read_bundle

INFUSION = "2026-05-10T09:00:00Z"


@pytest.fixture
def patient():
    return {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1964-05-01"}


@pytest.fixture
def therapy():
    return {
        "resourceType": "MedicationAdministration", "status": "in-progress",
        "subject": {"reference": "Patient/p1"}, "effectiveDateTime": INFUSION,
        "medicationCodeableConcept": {"text": "Yescarta"},
    }  # fmt: skip


@pytest.fixture
def order():
    """A draft order, which usually states no time."""
    return {
        "resourceType": "MedicationRequest", "status": "draft", "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {"text": "Yescarta"},
    }  # fmt: skip


@pytest.fixture
def condition():
    return {
        "resourceType": "Condition", "subject": {"reference": "Patient/p1"},
        "code": {"text": "LBCL"},
    }  # fmt: skip


@pytest.fixture
def crp():
    """Build an Observation of C-reactive protein (LOINC 1988-5): ``crp(20, effective…=…)``."""

    def build(value, **further):
        return {
            "resourceType": "Observation", "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "1988-5"}]},
            "subject": {"reference": "Patient/p1"},
            "valueQuantity": {
                "value": value, "unit": "mg/L",
                "system": "http://unitsofmeasure.org", "code": "mg/L",
            },
        } | further  # fmt: skip

    return build


@pytest.fixture
def read(scorer):
    """Read resources, each of which is checked to be FHIR R4 if ``valid``."""

    def build(*resources, valid=True, **further):
        for resource in resources:
            if valid:
                get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        entries = [{"resource": resource} for resource in resources]
        return read_bundle({"resourceType": "Bundle", "entry": entries}, scorer.artifact, **further)

    return build
