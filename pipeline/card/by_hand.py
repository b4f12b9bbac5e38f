"""The model as one sum per outcome, so that a risk can be computed with pencil and paper.

Both linear learners add up to one linear formula: its terms and slopes are given here. What
remains are the trees, which are named with their weight.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from pipeline.model.artifact import Artifact, shared_deviations, trees_file
from pipeline.model.head import Head
from pipeline.model.linear import LinearLearner

# Column of the matrix, 0 for its value or the number of its curved part, and the knots.
_Term = tuple[int, int, tuple[float, ...]]


def formulas(artifact: Artifact) -> list[dict[str, Any]]:
    """Write out each outcome's log-odds as a sum.

    Returns
    -------
    list of dict
        Per outcome ``outcome``; ``constant``; ``centre``; ``terms``: ``column``, ``part``,
        ``knots`` and ``slope``, where part 0 is the column's value and part j the j-th curved
        part of its restricted cubic spline; ``trees``: file to weight; ``follows``: column of
        the therapy's modality to its factor, where it is not 1; ``therapy_effects``: column to
        what is added to the log-odds; ``rate_weight``: of the therapy's published log-odds, 1
        unless the model was recalibrated. Terms of slope 0 are left out.

    Notes
    -----
    Log-odds = rate weight * published log-odds of the therapy + its effect + constant + factor *
    (centre + sum of slope times term + sum of weight times tree output), at most that of the next
    lower grade. Columns are logarithms where the plan says so; missing values are filled first.
    """
    columns = [column.name for column in artifact.plan.columns]
    files = {
        outcome: trees_file(outcomes)
        for outcomes, _ in shared_deviations(artifact.model.heads)
        for outcome in outcomes
    }
    return [_formula(head, columns, files.get(head.outcome)) for head in artifact.model.heads]


def _formula(head: Head, columns: list[str], file: str | None) -> dict[str, Any]:
    change = head.update
    centre, slopes, trees = 0.0, defaultdict[_Term, float](float), {}
    if head.deviation is not None and file is not None:
        of_trees, ridge, elastic_net = (change.deviation_weight * weight for weight in head.b)
        trees[file] = of_trees
        centre -= of_trees * head.deviation.trees.base
        centre += _add(head.deviation.ridge, ridge, slopes)
        centre += _add(head.deviation.elastic_net, elastic_net, slopes)
    effects = zip(columns, head.therapy_effects, strict=False)
    factors = zip(columns, head.modality_effects, strict=False)
    return {
        "outcome": head.outcome,
        "constant": float(change.alpha + change.rate_weight * head.a),
        "centre": centre,
        "terms": [
            {"column": columns[j], "part": part, "knots": list(knots), "slope": slope}
            for (j, part, knots), slope in sorted(slopes.items())
            if slope != 0
        ],
        "trees": trees,
        "follows": {name: 1 + factor for name, factor in factors if factor != 0},
        "therapy_effects": {
            name: change.rate_weight * effect for name, effect in effects if effect != 0
        },
        "rate_weight": change.rate_weight,
    }


def _add(learner: LinearLearner, weight: float, slopes: dict[_Term, float]) -> float:
    """Add a learner's weighted slopes on plain terms; return what is left of the centres."""
    basis, rest = learner.basis, 0.0
    position = 0
    for j, knots in enumerate(basis.knots):
        parts = 1 + max(len(knots) - 2, 0)
        for part in range(parts):
            # A scale of infinity, of a term without variation, makes the slope 0.
            slope = weight * float(learner.coefficients[position] / basis.scale[position])
            slopes[j, part, tuple(knots) if part else ()] += slope
            rest -= slope * float(basis.centre[position])
            position += 1
    return rest
