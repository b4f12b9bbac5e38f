"""The applied model card of the Coalition for Health AI: its fields, filled from the facts.

Field names and their order are those of schema 0.2 (github.com/coalition-for-health-ai/mc-schema,
v0.2/schema.xsd), which the coalition calls a draft.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from pipeline.card.figures import is_unknown, unknown, words

NAMESPACE = "https://mc.chai.org/v0.2/schema.xsd"

_KEY_METRICS = {
    "UsefulnessUsabilityEfficacy": (
        "decisions",
        "More true alerts than by the {yardstick}, false ones paid for",
        ("net_benefit_over_therapy_only", "auroc_within_therapy"),
    ),
    "FairnessEquity": (
        "subgroups",
        "Risks that mean the same in every group of patients",
        (),
    ),
    "SafetyReliability": (
        "calibration",
        "Risks that mean what they say",
        ("calibration_slope", "calibration_intercept", "observed_expected"),
    ),
}


def chai_fields(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Fill every field that the schema requires, and those optional ones that are known.

    Parameters
    ----------
    facts : mapping
        All other parts of the card, as `collect` builds them.

    Returns
    -------
    list of dict
        In the schema's order: ``path`` (elements joined by ``/``), ``section`` of the card
        where the same stands, and ``value``: a text, a list of results (``label`` and
        ``value``, as the schema's examples write them) or what `unknown` returns.
    """
    return [
        {"path": path, "section": section, "value": value}
        for path, section, value in (*_described(facts), *_measured(facts), *_resources(facts))
    ]


def to_chai_xml(fields: Sequence[Mapping[str, Any]]) -> str:
    """Write the fields as an instance of the schema; what is unknown says why."""
    root = ET.Element(f"{{{NAMESPACE}}}AppliedModelCard")
    for field in fields:
        element = root
        for name in field["path"].split("/"):
            tag = f"{{{NAMESPACE}}}{name}"
            last = element[-1] if len(element) else None
            same = last is not None and last.tag == tag
            element = last if same and last is not None else ET.SubElement(element, tag)
        if isinstance(field["value"], list):
            _results(element, field["value"])
        else:
            element.text = words(field["value"])
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode", default_namespace=NAMESPACE)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _results(parent: ET.Element, results: Sequence[Mapping[str, Any]]) -> None:
    for result in results:
        if "keyword" in result:
            ET.SubElement(parent, f"{{{NAMESPACE}}}Keyword").text = result["keyword"]
            continue
        entry = ET.SubElement(parent, f"{{{NAMESPACE}}}MetricResult")
        ET.SubElement(entry, f"{{{NAMESPACE}}}Label").text = result["label"]
        ET.SubElement(entry, f"{{{NAMESPACE}}}ValueJson").text = json.dumps(result["value"])


def _described(facts: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    identity, use, ethics, data = (facts[k] for k in ("identity", "use", "ethics", "data"))
    provenance, model = facts["provenance"], facts["model"]
    warnings = " ".join(facts["warnings"])
    limits = "\n".join(f"- {entry['heading']}: {entry['text']}" for entry in facts["limits"])
    subgroups = facts["performance"]["subgroups"]
    biases = [
        f"{label}: {words(value)}"
        for label, value in (
            ("Ethics", ethics["statement"]),
            ("Known inequalities", ethics["inequalities"]),
            ("Subgroups", subgroups if is_unknown(subgroups) else subgroups["finding"]),
        )
    ]
    outcome_names = "; ".join(
        f"{d['label']} ({d['column']} of at least {d['at_least']:g})"
        for d in facts["outcome"]["definitions"]
    )
    how = (
        "Give one record per patient with units; read risk, interval and reasons together. "
        "'abstain' means that there is no risk to read."
    )
    kinds = "; ".join(sorted({v["role"] for v in facts["predictors"]["variables"]}))
    keywords = ["cytokine release syndrome", "prediction model", "research use only"]
    system = "TrustIngredients/AISystemFacts"
    openness = "TrustIngredients/TransparencyInformation"
    return [
        ("BasicInfo/ModelName", "summary", f"{identity['title']} ({identity['model_name']})"),
        ("BasicInfo/ModelDeveloper", "ethics", ethics["owner"]),
        ("BasicInfo/DeveloperContact", "ethics", ethics["owner"]),
        ("ReleaseInfo/ReleaseStage", "summary", "Research; not released for use on patients"),
        (
            "ReleaseInfo/ReleaseDate",
            "provenance",
            unknown("the registry holds when the version was made, and the card no clock"),
        ),
        ("ReleaseInfo/ReleaseVersion", "provenance", provenance["version"]),
        ("ReleaseInfo/GlobalAvailability", "use", "None: not available for use on patients"),
        ("ReleaseInfo/RegulatoryApproval", "summary", "None: not a medical device"),
        (
            "ModelSummary/Summary",
            "summary",
            f"Predicts {identity['predicts']} ({identity['horizon']}) for "
            f"{identity['population']}. {facts['verdict']['sentence']} {warnings}",
        ),
        ("ModelSummary/Keywords", "summary", [{"keyword": word} for word in keywords]),
        ("UsesAndDirections/IntendedUseAndWorkflow", "use", use["intended_use"]),
        ("UsesAndDirections/PrimaryIntendedUsers", "use", use["intended_users"]),
        ("UsesAndDirections/HowToUse", "reading", how),
        ("UsesAndDirections/TargetedPatientPopulation", "use", use["population"]),
        (
            "UsesAndDirections/CautionedOutOfScopeSettings",
            "use",
            "\n".join(f"- {item}" for item in use["out_of_scope"])
            or unknown("the config names nothing (card.out_of_scope)"),
        ),
        ("Warnings/KnownRisksAndLimitations", "limits", limits),
        ("Warnings/KnownBiasesOrEthicalConsiderations", "ethics", "\n".join(biases)),
        ("Warnings/ClinicalRiskLevel", "ethics", ethics["risk_level"]),
        (f"{system}/OutcomesAndOutputs", "outcomes", f"Risks with intervals of: {outcome_names}"),
        (f"{system}/ModelType", "model", f"{model['formula']}; see the card's section 'Model'"),
        (f"{system}/InputDataSource", "data", facts["training_data"]),
        (
            f"{system}/OutputAndInputDataTypes",
            "predictors",
            f"In: {len(facts['predictors']['variables'])} baseline variables ({kinds}). Out: "
            "probabilities, intervals and contributions",
        ),
        (
            f"{system}/DevelopmentDataCharacterization",
            "data",
            f"{facts['training_data']} {data.get('statement') or ''}".strip(),
        ),
        (f"{system}/BiasMitigationApproaches", "ethics", ethics["bias_mitigation"]),
        (f"{system}/OngoingMaintenance", "ethics", ethics["maintenance"]),
        (f"{openness}/FundingSource", "ethics", ethics["funding"]),
        (f"{openness}/StakeholdersConsulted", "ethics", ethics["patient_involvement"]),
    ]


def _measured(facts: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    performance, primary = facts["performance"], facts["primary_outcome"]
    own, label = performance["outcomes"][primary], facts["identity"]["predicts"]
    level = round(100 * performance["definition"]["interval_level"])
    figures = {
        **own["models"].get("model", {}),
        **{h["key"]: h["figure"] for h in facts["headline"]},
    }
    found: list[tuple[str, str, Any]] = []
    for part, (section, goal, keys) in _KEY_METRICS.items():
        results = [
            _result(f"{performance['measures'][key]['label']}, {label}", figures.get(key), level)
            for key in keys
        ] or _of_groups(own["subgroups"], label, level)
        subgroups = performance["subgroups"]
        reading = {
            "FairnessEquity": words(subgroups) if is_unknown(subgroups) else subgroups["finding"],
        }.get(part, "; ".join(f"{h['label']}: {h['reading']}" for h in facts["headline"]))
        found += [
            (
                f"KeyMetrics/{part}/MetricGoal",
                section,
                goal.format(yardstick=performance["yardstick"]),
            ),
            (f"KeyMetrics/{part}/Results", section, results),
            (f"KeyMetrics/{part}/Interpretation", section, reading),
            (f"KeyMetrics/{part}/TestType", "performance", "Internal, by cross-validation"),
            (f"KeyMetrics/{part}/TestingDataDescription", "data", facts["training_data"]),
            (
                f"KeyMetrics/{part}/ValidationProcessAndJustification",
                "performance",
                f"{performance['definition']['resampling']}; "
                f"{performance['definition']['estimand']}",
            ),
        ]
    return found


def _result(label: str, figure: Any, level: int) -> dict[str, Any]:
    if figure is None or is_unknown(figure):
        because = "not recorded" if figure is None else figure["because"]
        return {"label": f"{label}: not assessed, because {because}",
                "value": {"kind": "single", "value": None}}  # fmt: skip
    if figure["low"] is None:
        return {"label": label, "value": {"kind": "single", "value": figure["estimate"]}}
    return {
        "label": label,
        "value": {
            "kind": "estimate_ci",
            "estimate": figure["estimate"],
            "lower": figure["low"],
            "upper": figure["high"],
            "level": level,
        },
    }


def _of_groups(tables: Sequence[Mapping[str, Any]], label: str, level: int) -> list[dict[str, Any]]:
    found = [
        _result(
            f"Calibration slope, {label}, {table['label']}: {group['group']}",
            group["figures"]["calibration_slope"],
            level,
        )
        for table in tables
        for group in table["groups"]
        if "because" not in group
    ]
    return found or [_result("Subgroups", unknown("no group was judged"), level)]


def _resources(facts: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    nobody = facts["synthetic"]
    return [
        (
            "Resources/PeerReviewedPublications",
            "limits",
            unknown("no publication on this model is recorded"),
        ),
        (
            "Resources/PatientConsentOrDisclosure",
            "ethics",
            "No patient is real: there is nobody to ask"
            if nobody
            else unknown("consent is not recorded by the pipeline"),
        ),
        (
            "Bibliography",
            "standards",
            unknown("the card cites its sources beside what rests on them"),
        ),
    ]
