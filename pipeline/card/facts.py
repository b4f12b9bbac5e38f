"""Every fact that the card prints, collected from what the stages recorded.

The result is the content of ``model_card.json``. HTML and Markdown print it and add nothing;
what no stage recorded is "not assessed", with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.card.changes import change_facts, change_sentence
from pipeline.card.data import data_facts, predictor_facts
from pipeline.card.figures import is_suppressed, measures, number, percent, unknown, words
from pipeline.card.findings import describe_plots
from pipeline.card.learning import learning_facts
from pipeline.card.limits import limits, warnings
from pipeline.card.method import method_facts
from pipeline.card.performance import headline, lacking_scores, outcome_performance
from pipeline.card.standards import standards_facts
from pipeline.card.statements import ethics_facts, provenance_facts
from pipeline.card.subgroups import subgroup_summary
from pipeline.card.suppression import Guard
from pipeline.card.transport import transport_facts
from pipeline.config import Config
from pipeline.evaluation.yardstick import yardstick

FORMAT = 1
# Each of the published scores is a single number: what it is not told must be said.
COMPARATORS = (
    "Therapy alone and each published score are fitted to the outcome in the same training "
    "patients as the model. The scores do not know the therapy, so against them the figures over "
    "all therapies together flatter the model: compare within therapy."
)
WITHOUT_THERAPY = (
    "No therapy is recorded, so the model is compared with the base rate, which knows nothing of "
    "the patient; each published score is fitted to the outcome in the same training patients as "
    "the model."
)
HEMATOTOX = "CAR-HEMATOTOX was made for blood counts after CAR-T cells, not for CRS."


def collect(
    config: Config,
    ingest: Mapping[str, Any],
    dictionary: Sequence[Mapping[str, Any]],
    audit: Mapping[str, Any],
    features: Mapping[str, Any],
    train: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    explanation: Mapping[str, Any] | None,
    gate: Mapping[str, Any],
    provenance: Mapping[str, Any],
    *,
    cohort: Mapping[str, Any] | None = None,
    formulas: Sequence[Mapping[str, Any]] | None = None,
    versions: tuple[Mapping[str, Any], Mapping[str, Any] | None] | None = None,
    transport: Mapping[str, Any] | None = None,
    learning: Mapping[str, Any] | None = None,
    worked: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Collect the facts of a run.

    Parameters
    ----------
    config : Config
        Its ``name, seed, outcomes, primary_outcome, card, evaluation, therapy_prior, model,
        window, registry``.
    ingest, dictionary, audit, features, train, evaluation : mapping
        The stages' JSON files.
    explanation : mapping or None
        As ``pipeline.explanation.facts.explanation_facts`` returns it.
    gate : mapping
        As ``pipeline.evaluation.gate.judge`` returns it.
    provenance : mapping
        Digests, versions and the command that makes the run again; see `provenance_facts`.
    cohort : mapping, optional
        As `describe_cohort` returns it.
    formulas : sequence of mapping, optional
        As ``pipeline.card.by_hand.formulas`` returns it.
    versions : tuple, optional
        As ``pipeline.registry.snapshot.latest_two`` returns it, where the model is registered.
    transport : mapping, optional
        ``transport.json``, where that stage ran.
    learning : mapping, optional
        ``learning_curve.json``, where that stage ran.
    worked : mapping, optional
        As ``pipeline.card.worked.worked_patient`` returns it.

    Returns
    -------
    dict
        JSON values without NaN and without any count below ``evaluation.minimum_cell``.
    """
    guard = Guard(config.evaluation.minimum_cell, ingest["patients"])
    primary = config.primary_outcome
    synthetic = ingest["kind"] == "synthetic"
    performance = _performance(config, evaluation, transport, learning, guard, synthetic=synthetic)
    now, before = versions or (None, None)
    facts: dict[str, Any] = {
        "format": FORMAT,
        "synthetic": synthetic,
        "minimum_cell": guard.minimum,
        "primary_outcome": primary,
        "identity": _identity(config, provenance),
        "verdict": _verdict(config, gate),
        "use": {
            "intended_use": config.card.intended_use,
            "intended_users": config.card.intended_users,
            "population": config.card.population,
            "out_of_scope": list(config.card.out_of_scope),
        },
        "data": data_facts(config, ingest, audit, cohort, guard),
        "predictors": predictor_facts(dictionary, features, train.get("dropped", []), cohort),
        "outcome": {
            "horizon": config.card.horizon,
            "definitions": [
                {"name": name, "label": o.label, "column": o.column, "at_least": o.at_least}
                for name, o in config.outcomes.items()
            ],
            "assessors": unknown("no stage records who graded, nor whether they were blinded"),
        },
        "model": method_facts(config, features, train, formulas, worked, guard),
        "performance": performance,
        "explanation": _explanation(explanation, synthetic, primary),
        "ethics": ethics_facts(config.card),
        "provenance": provenance_facts(config, provenance),
        "changes": change_facts(now, before, config.outcomes, guard),
    }
    facts["changes_sentence"] = change_sentence(facts["changes"], primary)
    facts["plots"] = describe_plots(performance, primary)
    own = performance["outcomes"][primary]
    facts["headline"] = headline(
        own,
        config.evaluation,
        primary,
        measures(performance["yardstick"], by_therapy=performance["by_therapy"]),
        yardstick(evaluation),
        by_therapy=performance["by_therapy"],
    )
    facts["training_data"] = _training_data(facts, own)
    facts["warnings"] = warnings(facts)
    facts["limits"] = limits(facts, primary)
    facts["standards"] = standards_facts(facts)
    return facts


def _identity(config: Config, provenance: Mapping[str, Any]) -> dict[str, Any]:
    labels = {name: outcome.label for name, outcome in config.outcomes.items()}
    window = config.window
    return {
        "title": config.card.title,
        "model_name": config.registry.model_name,
        "run": config.name,
        "predicts": labels[config.primary_outcome],
        "also": [label for name, label in labels.items() if name != config.primary_outcome],
        "population": config.card.population,
        "horizon": config.card.horizon,
        "when": (
            f"from values drawn on days {number(window.first_day, 0)} to "
            f"{number(window.last_day, 0)} (day 0 is the infusion)"
        ),
        "version": provenance.get("version") or unknown("the model is not registered"),
    }


def _verdict(config: Config, gate: Mapping[str, Any]) -> dict[str, Any]:
    """Take the gate's judgement over, each criterion under the label of its outcome."""
    reasons = []
    for reason in gate["reasons"]:
        outcome = reason.get("outcome")
        sentence = reason["sentence"].removeprefix(f"{outcome}: ")
        reasons.append(
            {key: reason.get(key) for key in ("criterion", "outcome", "passed", "required")}
            | {
                "label": config.outcomes[outcome].label
                if outcome in config.outcomes
                else "the run",
                "sentence": _capital(sentence),
            }
        )
    failed = [reason for reason in reasons if not reason["passed"]]
    total = len(reasons)
    return {
        "passed": gate["passed"],
        "sentence": (
            f"Passed the registry's gate: all {total} criteria are met, which is no permission "
            "to use it on patients."
            if gate["passed"]
            else f"Refused by the registry's gate: {len(failed)} of {total} criteria are not met."
        ),
        "reasons": reasons,
        "warnings": [
            {key: warning[key] for key in ("outcome", "group", "n")}
            | {
                "label": config.outcomes[warning["outcome"]].label,
                "figure": {key: warning["found"][key] for key in ("estimate", "low", "high")},
                "sentence": _capital(warning["sentence"].removeprefix(f"{warning['outcome']}: ")),
            }
            for warning in gate["warnings"]
        ],
    }


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _performance(
    config: Config,
    evaluation: Mapping[str, Any],
    transport: Mapping[str, Any] | None,
    learning: Mapping[str, Any] | None,
    guard: Guard,
    *,
    synthetic: bool,
) -> dict[str, Any]:
    primary = config.primary_outcome
    missing = {"n": 0, "reason": "the outcome was not evaluated"}
    against = yardstick(evaluation).short
    by_therapy = bool(evaluation["definition"].get("by_therapy", True))
    outcomes = {
        name: outcome_performance(evaluation["outcomes"].get(name, missing), outcome.label, guard)
        for name, outcome in config.outcomes.items()
    }
    for name, own in outcomes.items():
        own["lacking_scores"] = lacking_scores(evaluation.get("comparators", {}), name, guard)
    return {
        "definition": dict(evaluation["definition"]),
        "by_therapy": by_therapy,
        "yardstick": against,
        "comparators": f"{COMPARATORS if by_therapy else WITHOUT_THERAPY} {HEMATOTOX}",
        "measures": {
            key: {"label": m.label, "digits": m.digits, "reading": m.reading}
            for key, m in measures(against, by_therapy=by_therapy).items()
        },
        "outcomes": outcomes,
        "subgroups": subgroup_summary(outcomes[primary]["subgroups"]),
        "transport": transport_facts(
            transport, config.outcomes, primary, guard, synthetic=synthetic
        ),
        "learning": learning_facts(learning, config.outcomes, guard),
    }


def _training_data(facts: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    data = facts["data"]
    kind = "Synthetic" if facts["synthetic"] else "Real"
    parts = [f"{kind} patients: {number(data['patients'], 0)}"]
    label = facts["identity"]["predicts"]
    if isinstance(own["events"], int):
        parts.append(f"{number(own['events'], 0)} with {label} ({percent(own['prevalence'])})")
    elif is_suppressed(own["events"]):
        parts.append(f"patients with {label}: {words(own['events'])}")
    sites = data["sites"]
    parts.append(
        f"{sites} centre{'s' if sites != 1 else ''}"
        if isinstance(sites, int)
        else "centres not assessed"
    )
    therapies = data["groups"].get("therapy", {}).get("levels")
    if therapies:
        parts.append(f"{therapies} {'therapies' if therapies != 1 else 'therapy'}")
    return "; ".join(parts) + "."


def _explanation(explanation: Mapping[str, Any] | None, synthetic: bool, primary: str) -> Any:
    """Take over what a page shows; no picture of single patients where they are real."""
    if explanation is None:
        return unknown("the explain stage left nothing")
    wanted = (
        f"importance_{primary}",
        "groups_",
        f"beeswarm_{primary}",
        "waterfall_",
        "importance_",
    )
    shown = ("name", "outcome", "title", "alt", "table")
    pictures = [p for p in explanation["pictures"] if synthetic or not p["patient_level"]]
    return {
        "patients": explanation["patients"],
        "largest_gap": explanation["largest_gap"],
        "pictures": [
            {key: picture[key] for key in shown}
            for picture in sorted(pictures, key=lambda p: _place(p["name"], wanted))
            if picture["name"].startswith(wanted)
        ],
        "kept_back": len(explanation["pictures"]) - len(pictures),
        "importance": [
            {key: row[key] for key in ("outcome", "label", "mean_abs", "low", "high", "share")}
            for row in explanation["importance"]
        ],
    }


def _place(name: str, wanted: tuple[str, ...]) -> int:
    return next((k for k, start in enumerate(wanted) if name.startswith(start)), len(wanted))
