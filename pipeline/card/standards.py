"""Where the card answers what reporting standards ask, and where it cannot.

TRIPOD+AI: Collins et al., BMJ 2024;385:e078378 (27 items). PROBAST+AI: Moons et al., BMJ 2025.
CHAI: applied model card of the Coalition for Health AI, schema 0.2. Topics in own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.card.chai import chai_fields
from pipeline.card.figures import is_unknown, unknown

# Item, topic, section of the card, and the fact that must be known for it to count as answered.
_TRIPOD = (
    ("1", "Title", "summary", None),
    ("2", "Abstract", "summary", None),
    ("3", "Background, users and known inequalities", "use", "ethics.inequalities"),
    ("4", "Objectives", "summary", None),
    ("5", "Data sources and dates", "data", None),
    ("6", "Participants: setting, eligibility, treatment", "data", "data.groups"),
    ("7", "Data preparation", "data", None),
    ("8", "Outcome: definition, horizon, assessment", "outcomes", "outcome.assessors"),
    ("9", "Predictors: choice, definition, timing", "predictors", None),
    ("10", "Sample size", "data", None),
    ("11", "Missing data", "predictors", None),
    ("12", "Analysis: model, tuning, validation, measures", "model", None),
    ("13", "Class imbalance", "model", None),
    ("14", "Fairness", "subgroups", "performance.subgroups"),
    ("15", "Output of the model", "reading", None),
    ("16", "Training against evaluation data", "performance", None),
    ("17", "Ethical approval", "ethics", "ethics.statement"),
    ("18", "Open science: funding, interests, protocol, data, code", "ethics", "ethics.funding"),
    ("19", "Involvement of patients and the public", "ethics", "ethics.patient_involvement"),
    ("20", "Flow and characteristics of participants", "data", "data.groups"),
    ("21", "Patients and events in each analysis", "performance", None),
    ("22", "Full model", "model", None),
    ("23", "Performance, with intervals and by subgroup", "subgroups", "performance.subgroups"),
    ("24", "Updating", "changes", "changes"),
    ("25", "Interpretation", "summary", None),
    ("26", "Limitations", "limits", None),
    ("27", "Usability: poor inputs, user's skill, next steps", "reading", None),
)


def standards_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the three cross-tables for a card's facts.

    Parameters
    ----------
    facts : mapping
        All other parts of the card, as `collect` builds them.
    """
    return {
        "tripod_ai": [
            {"item": item, "topic": topic, **_answer(facts, section, needed)}
            for item, topic, section, needed in _TRIPOD
        ],
        "probast_ai": _probast(facts),
        "chai": [
            {
                "item": field["path"].rpartition("/")[0].replace("/", " / ") or "AppliedModelCard",
                "topic": field["path"].rpartition("/")[2],
                "section": field["section"],
                "answer": field["value"] if is_unknown(field["value"]) else "answered",
            }
            for field in chai_fields(facts)
        ],
    }


def _answer(facts: Mapping[str, Any], section: str, needed: str | None) -> dict[str, Any]:
    fact: Any = facts
    for key in needed.split(".") if needed else ():
        fact = fact[key]
    if needed is not None and is_unknown(fact):
        return {"section": section, "answer": fact}
    return {"section": section, "answer": "answered"}


def _probast(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Say per domain what the run shows; whether it applies to a patient is a reader's to judge."""
    data, performance = facts["data"], facts["performance"]
    audit = data["audit"]
    synthetic = facts["synthetic"]
    few = next((f["message"] for f in audit["findings"] if f["check"] == "too_few_events"), None)
    reader = unknown("only a reader with a patient in mind can judge it")
    return [
        {
            "domain": "Participants and data",
            "section": "data",
            "shown": (
                "High concern: the patients are synthetic."
                if synthetic
                else f"{data['patients']:,} patients of one table; how they were chosen is not "
                "recorded here."
            )
            + f" The audit found {audit['errors']} errors and {audit['warnings']} warnings.",
            "applicability": reader,
        },
        {
            "domain": "Predictors",
            "section": "predictors",
            "shown": (
                "Only values of the baseline window are used; "
                f"{len(facts['predictors']['left_out'])} variables were left out, each with its "
                "reason."
            ),
            "applicability": reader,
        },
        {
            "domain": "Outcome",
            "section": "outcomes",
            "shown": (
                f"{facts['identity']['horizon']}. Early treatment of CRS can lower the grade that "
                "is recorded: the risk is that under the care these patients received."
            ),
            "applicability": reader,
        },
        {
            "domain": "Analysis",
            "section": "performance",
            "shown": f"{performance['definition']['resampling']}. "
            + (few or "The audit raised no concern about the number of events."),
            "applicability": reader,
        },
    ]
