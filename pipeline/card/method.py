"""What was fitted, and how a risk is computed from it with pencil and paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.card.figures import is_suppressed, unknown
from pipeline.card.subgroups import MODALITIES
from pipeline.card.suppression import Guard
from pipeline.config import Config

FORMULA = "logit(risk) = prior + therapy effect + a + m · Σ b · f(x)"
DIRECTIONS = (
    "The trees obey the directions that the dictionary marks (for a variable marked up, their part "
    "never falls as it rises); these are assumptions, not findings. What is given because a "
    "patient is at high risk, prophylaxis first of all, may be confounded by indication in real "
    "cohorts."
)


def method_facts(
    config: Config,
    features: Mapping[str, Any],
    train: Mapping[str, Any],
    formulas: Sequence[Mapping[str, Any]] | None,
    worked: Mapping[str, Any] | None,
    guard: Guard,
) -> dict[str, Any]:
    """Return the model's form, its sizes per outcome, and when it gives no risk."""
    heads = [_head(head, guard) for head in train["heads"]]
    hidden = {head["outcome"] for head in heads if is_suppressed(head["events"])}
    fitted = any(head["fitted"] for head in heads)
    labels = {variable["name"]: variable["label"] for variable in features["variables"]}
    directed = any(column.get("trend") for column in features["columns"])
    return {
        "formula": FORMULA,
        "formulas": unknown("the model was not handed to the card; see train/model/model.json")
        if formulas is None
        else [f for f in formulas if f["outcome"] not in hidden],
        "worked": unknown("the model was not handed to the card")
        if worked is None
        else unknown("its numbers could tell how many events there were")
        if worked["outcome"] in hidden
        else dict(worked),
        "prior": _prior(config, features),
        "heads": heads,
        "fitted": fitted,
        "directions": DIRECTIONS if fitted and directed else None,
        "interval_level": config.model.interval_level,
        "minimum_patients": config.model.minimum_patients,
        "minimum_events": config.model.minimum_events,
        "leading": [labels[name] for name in train["scoring"]["leading"]],
        "minimum_present": train["scoring"]["minimum_present"],
    }


def _head(head: Mapping[str, Any], guard: Guard) -> dict[str, Any]:
    hidden = head["events"] is None or guard.hides(head["events"], head["patients"])
    return {
        "outcome": head["outcome"],
        "label": head["label"],
        "patients": head["patients"],
        "events": guard.hidden() if hidden else head["events"],
        "fitted": head["fitted"],
        "why_not_fitted": head["why_not_fitted"],
        "prior": head["prior"],
        # Fitted against a known prior, it tells how many events there were.
        "a": guard.hidden() if hidden else head["a"],
        # Weight of each learner, and the factor of each modality of therapy.
        "b": {name: weight for name, weight in head["b"].items() if weight != 0},
        "follows": {MODALITIES.get(name, name): m for name, m in head["follows"].items()},
        "leaves": head.get("leaves"),
        "trees": head.get("trees"),
        "ridge_penalty": head.get("ridge_penalty"),
        "elastic_net_penalty": head.get("elastic_net_penalty"),
        "elastic_net_terms": head.get("elastic_net_terms"),
    }


def _prior(config: Config, features: Mapping[str, Any]) -> dict[str, Any]:
    prior = config.therapy_prior
    if prior is None:
        return {"kind": "base rate", "therapies": 0}
    facts = features.get("facts") or {}
    return {
        "kind": "published",
        "therapies": len(facts.get("rates", {})),
        "study_sd": prior.study_sd,
        "assumed_sd": prior.assumed_sd,
        "other_grading_sd": prior.other_grading_sd,
        "pool_sd": prior.pool_sd,
    }
