"""The CHAI export against the schema's own order of elements (v0.2/schema.xsd, read in 2026)."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from pipeline.card.chai import NAMESPACE, chai_fields, to_chai_xml
from pipeline.card.figures import is_unknown
from tests.card.page import Page

# Element: its children in the order that the schema's sequences require; "?" marks those that
# may be absent. What is not listed holds text.
METRIC = ["MetricGoal", "Results", "Interpretation", "TestType", "TestingDataDescription",
          "ValidationProcessAndJustification"]  # fmt: skip
SCHEMA = {
    "AppliedModelCard": ["BasicInfo", "ReleaseInfo", "ModelSummary", "UsesAndDirections",
                         "Warnings", "TrustIngredients", "KeyMetrics", "Resources",
                         "Bibliography"],
    "BasicInfo": ["ModelName", "ModelDeveloper", "DeveloperContact"],
    "ReleaseInfo": ["ReleaseStage", "ReleaseDate", "ReleaseVersion", "GlobalAvailability",
                    "EHRCompatibility?", "RegulatoryApproval?"],
    "ModelSummary": ["Summary", "Keywords"],
    "UsesAndDirections": ["IntendedUseAndWorkflow", "PrimaryIntendedUsers", "HowToUse",
                          "TargetedPatientPopulation", "CautionedOutOfScopeSettings"],
    "Warnings": ["KnownRisksAndLimitations", "KnownBiasesOrEthicalConsiderations",
                 "ClinicalRiskLevel"],
    "TrustIngredients": ["AISystemFacts", "TransparencyInformation"],
    "AISystemFacts": ["OutcomesAndOutputs", "ModelType", "FoundationModels?", "InputDataSource",
                      "OutputAndInputDataTypes", "DevelopmentDataCharacterization",
                      "BiasMitigationApproaches", "OngoingMaintenance", "Security?",
                      "Transparency?"],
    "TransparencyInformation": ["FundingSource", "ThirdPartyInformation?",
                                "StakeholdersConsulted"],
    "KeyMetrics": ["UsefulnessUsabilityEfficacy", "FairnessEquity", "SafetyReliability"],
    "UsefulnessUsabilityEfficacy": METRIC,
    "FairnessEquity": METRIC,
    "SafetyReliability": METRIC,
    "MetricResult": ["Label", "ValueJson"],
    "Resources": ["EvaluationReferences?", "ClinicalTrial?", "PeerReviewedPublications",
                  "ReimbursementStatus?", "PatientConsentOrDisclosure"],
}  # fmt: skip


def tag(element):
    space, _, name = element.tag.rpartition("}")
    assert space == f"{{{NAMESPACE}"
    return name


@pytest.fixture(params=["run", "tiny"])
def made(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def tree(made):
    return ET.fromstring(to_chai_xml(chai_fields(made.facts)).encode())


def test_elements_stand_in_the_schema_s_order(tree):
    assert tag(tree) == "AppliedModelCard"
    for element in tree.iter():
        found = [tag(child) for child in element]
        if tag(element) in SCHEMA:
            allowed = SCHEMA[tag(element)]
            assert found == [n.rstrip("?") for n in allowed if n.rstrip("?") in found]
            assert {n for n in allowed if not n.endswith("?")} <= set(found)
        elif tag(element) in ("Results", "Keywords"):
            assert found
            assert len(set(found)) == 1
        else:
            assert found == []
            assert element.text.strip()


def test_results_are_the_evaluation_s(run):
    tree = ET.fromstring(to_chai_xml(chai_fields(run.facts)).encode())
    results = {e[0].text: json.loads(e[1].text) for e in tree.iter(f"{{{NAMESPACE}}}MetricResult")}
    slope = run.evaluation["outcomes"]["ge2"]["models"]["model"]["calibration_slope"]
    label = run.config.outcomes["ge2"].label
    assert results[f"Calibration slope, {label}"] == {
        "kind": "estimate_ci", "estimate": slope["estimate"], "lower": slope["low"],
        "upper": slope["high"], "level": 95,
    }  # fmt: skip
    assert f"Calibration slope, {label}, Bulky disease: yes" in results


def test_each_field_leads_to_a_place_of_the_card(made):
    places = {element.attributes.get("id") for element in Page(made.html).elements}
    for field in chai_fields(made.facts):
        assert field["section"] in places
        if is_unknown(field["value"]):
            assert field["value"]["because"]


def test_the_warning_against_use_is_in_the_summary(tiny):
    (summary,) = [f for f in chai_fields(tiny.facts) if f["path"] == "ModelSummary/Summary"]
    assert "must not be used" in summary["value"]
