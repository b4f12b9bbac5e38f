"""Whether the cohort is large enough: Riley's minimum, and the procedure on fewer patients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.card.figures import figure, unknown
from pipeline.card.suppression import Guard
from pipeline.config import Outcome

SHOWN = ("log_loss", "auroc_within_therapy", "auroc")


def learning_facts(
    found: Mapping[str, Any] | None, outcomes: Mapping[str, Outcome], guard: Guard
) -> Any:
    """Take over what the learning stage found.

    Parameters
    ----------
    found : mapping or None
        ``learning_curve.json``; None where the stage did not run.
    outcomes : mapping of str to Outcome
    guard : Guard

    Returns
    -------
    dict
        ``definition``, ``parameters`` and ``outcomes``: each with ``events``, ``riley`` and
        either ``because`` or ``points``, ``last_doubling``, ``law`` and ``sentence``; or what
        `unknown` returns.
    """
    if found is None:
        return unknown("the procedure was not tried on fewer patients")
    return {
        "definition": dict(found["definition"]),
        "parameters": found["parameters"],
        "outcomes": {
            name: {"label": outcome.label, **_outcome(found["outcomes"][name], guard)}
            for name, outcome in outcomes.items()
            if name in found["outcomes"]
        },
    }


def _outcome(found: Mapping[str, Any], guard: Guard) -> dict[str, Any]:
    hidden = guard.hidden()
    facts: dict[str, Any] = {
        "n": found["n"],
        "events": hidden if found["events"] is None else found["events"],
        "riley": hidden if found["riley"] is None else _riley(found["riley"]),
    }
    if "points" not in found:
        return facts | {"because": str(found["reason"])}
    last, law = found["last_doubling"], found["law"]
    return facts | {
        "points": [
            {"n": point["n"], "fitted_share": point["fitted_share"]}
            | {key: figure(point.get(key)) for key in SHOWN}
            for point in found["points"]
        ],
        "last_doubling": {"from": last["from"], "to": last["to"]}
        | {key: figure(last.get(key)) for key in SHOWN},
        "law": unknown(str(law["reason"]))
        if "reason" in law
        else {key: figure(law[key]) for key in ("next_doubling", "flat_from")},
        "sentence": found["sentence"].replace("(-", "(−"),
    }


def _riley(found: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("patients_needed", "events_needed", "met", "events_per_parameter", "expected_auroc",
            "shrinkage")  # fmt: skip
    return {key: found[key] for key in kept}
