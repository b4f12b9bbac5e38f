"""A made-up patient's risk computed step by step, as the card's instructions say."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.card.by_hand import formulas
from pipeline.features.matrix import build_matrix, prior_log_odds, values_of
from pipeline.model.artifact import Artifact
from pipeline.model.example import example_record
from pipeline.model.predict import predict

_SHOWN = 8  # of the linear terms, the largest


def worked_patient(artifact: Artifact, outcome: str) -> dict[str, Any]:
    """Compute the risk of the documentation's made-up patient as the sum on the card.

    Parameters
    ----------
    artifact : Artifact
    outcome : str

    Returns
    -------
    dict
        ``therapy`` (None where there is none); ``findings``: ``what`` and ``log_odds``, which add
        up to ``findings_log_odds``; ``factor``: how far the therapy's modality follows them;
        ``steps``: ``what`` and ``log_odds``, which add up to ``log_odds``; ``terms``: the
        largest linear ones, each with ``column``, ``value`` (after filling and logarithms),
        ``part``, ``term``, ``slope`` and ``log_odds``;
        ``further``: how many more there are, and ``further_log_odds``, their sum; ``risk`` as
        summed up here; ``served``: the risk that the model gives. They differ only where the
        lower grade's risk is a cap.
    """
    plan, model = artifact.plan, artifact.model
    record = example_record(artifact)
    values = values_of(record, plan)
    Z = build_matrix(values, plan)
    filled = model.imputer.fill(Z)
    known = model.imputer.fill_complete(Z, filled)
    k = model.outcomes.index(outcome)
    head, formula = model.heads[k], formulas(artifact)[k]
    place = {column.name: j for j, column in enumerate(plan.columns)}
    published = float(head.prior.log_odds(prior_log_odds(values, plan)[0][:, k])[0])
    terms = [_term(term, float(filled[0, place[term["column"]]])) for term in formula["terms"]]
    terms.sort(key=lambda term: -abs(term["log_odds"]))
    effect = sum(
        weight * float(np.nan_to_num(Z[0, place[name]]))
        for name, weight in formula["therapy_effects"].items()
    )
    deviation = head.deviation
    trees = sum(
        # The file's own output; a margin has its base taken off, which the centre does here.
        weight * float(deviation.trees.margin(known)[0] + deviation.trees.base)
        for weight in formula["trees"].values()
        if deviation is not None
    )
    factor = 1 + sum(
        (follows - 1) * float(np.nan_to_num(Z[0, place[name]]))
        for name, follows in formula["follows"].items()
    )
    findings = [
        {"what": "centre", "log_odds": formula["centre"]},
        {"what": f"{len(terms)} linear terms", "log_odds": sum(t["log_odds"] for t in terms)},
        {"what": "trees, times their weight", "log_odds": trees},
    ]
    inner = sum(part["log_odds"] for part in findings)
    steps = [
        {"what": "published log-odds of the therapy, times its weight",
         "log_odds": formula["rate_weight"] * published},
        {"what": "effect of the therapy in this cohort", "log_odds": effect},
        {"what": "constant", "log_odds": formula["constant"]},
        {"what": "findings, times the factor of the therapy's modality",
         "log_odds": factor * inner},
    ]  # fmt: skip
    total = sum(step["log_odds"] for step in steps)
    return {
        "outcome": outcome,
        "therapy": None if plan.therapy is None else str(record[plan.therapy].iloc[0]),
        "findings": findings,
        "findings_log_odds": inner,
        "factor": factor,
        "steps": steps,
        "terms": terms[:_SHOWN],
        "further": max(len(terms) - _SHOWN, 0),
        "further_log_odds": sum(term["log_odds"] for term in terms[_SHOWN:]),
        "log_odds": total,
        "risk": 1 / (1 + float(np.exp(-total))),
        "served": float(predict(artifact, values).risk[0, k]),
    }


def _term(term: dict[str, Any], value: float) -> dict[str, Any]:
    """One term of the linear part: the value, or a curved part of its spline."""
    part, knots = term["part"], term["knots"]
    written = value if part == 0 else _curved(value, knots[part - 1], knots)
    return {
        "column": term["column"],
        "part": part,
        "value": value,
        "term": written,
        "slope": term["slope"],
        "log_odds": term["slope"] * written,
    }


def _curved(x: float, own: float, knots: list[float]) -> float:
    """Harrell's basis of a restricted cubic spline, as the card writes it out."""

    def cube(distance: float) -> float:
        return max(distance, 0.0) ** 3

    first, before, last = knots[0], knots[-2], knots[-1]
    return (
        cube(x - own)
        - cube(x - before) * (last - own) / (last - before)
        + cube(x - last) * (before - own) / (last - before)
    ) / (last - first) ** 2
