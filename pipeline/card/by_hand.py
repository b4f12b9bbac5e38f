"""The model as one sum per outcome, so that a risk can be computed with pencil and paper.

All linear learners of all outcomes that lend to a head add up to one linear formula: its terms
and slopes are given here. What remains are the trees, which are named with their weight.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from pipeline.model.artifact import Artifact
from pipeline.model.head import Head
from pipeline.model.linear import LinearLearner

_LEARNERS = 3  # of a deviation, with equal weights

# Column of the matrix, 0 for its value or the number of its curved part, and the knots.
_Term = tuple[int, int, tuple[float, ...]]


def formulas(artifact: Artifact) -> list[dict[str, Any]]:
    """Write out each outcome's log-odds as a sum.

    Returns
    -------
    list of dict
        Per outcome ``outcome``; ``constant``; ``terms``: ``column``, ``part``, ``knots`` and
        ``slope``, where part 0 is the column's value and part j the j-th curved part of its
        restricted cubic spline; ``trees``: file to weight; ``therapy_effects``: column to
        what is added to the log-odds; ``rate_weight``: of the therapy's published log-odds,
        1 unless the model was recalibrated. Terms of slope 0 are left out.

    Notes
    -----
    Log-odds = rate weight times published log-odds of the therapy + its effect + constant + sum
    of slope times term + sum of weight times tree output, at most that of the next lower grade.
    Columns are logarithms where the plan says so; missing values are filled first.
    """
    heads = artifact.model.heads
    columns = [column.name for column in artifact.plan.columns]
    return [_formula(head, heads, columns) for head in heads]


def _formula(head: Head, heads: tuple[Head, ...], columns: list[str]) -> dict[str, Any]:
    change = head.update
    constant = change.alpha + change.rate_weight * head.a
    slopes, trees = defaultdict[_Term, float](float), {}
    for weight, lender in zip(head.b, heads, strict=True):
        if weight == 0 or lender.deviation is None:
            continue
        share = change.deviation_weight * weight / _LEARNERS
        trees[f"trees_{lender.outcome}.txt"] = share
        for learner in (lender.deviation.ridge, lender.deviation.elastic_net):
            constant += share * _add(learner, share, slopes)
    effects = zip(columns, head.therapy_effects, strict=False)
    return {
        "outcome": head.outcome,
        "constant": float(constant),
        "terms": [
            {"column": columns[j], "part": part, "knots": list(knots), "slope": slope}
            for (j, part, knots), slope in sorted(slopes.items())
            if slope != 0
        ],
        "trees": trees,
        "therapy_effects": {
            name: change.rate_weight * effect for name, effect in effects if effect != 0
        },
        "rate_weight": change.rate_weight,
    }


def _add(learner: LinearLearner, share: float, slopes: dict[_Term, float]) -> float:
    """Add a learner's slopes on the plain terms, and return its intercept on them."""
    basis, intercept = learner.basis, float(learner.intercept)
    position = 0
    for j, knots in enumerate(basis.knots):
        parts = 1 + max(len(knots) - 2, 0)
        for part in range(parts):
            # A scale of infinity, of a term without variation, makes the slope 0.
            slope = float(learner.coefficients[position] / basis.scale[position])
            slopes[j, part, tuple(knots) if part else ()] += share * slope
            intercept -= slope * float(basis.centre[position])
            position += 1
    return intercept
