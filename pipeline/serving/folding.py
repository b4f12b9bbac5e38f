"""Linear learners folded: centring, scaling and splines become weights on plain terms.

Everything in a linear learner but its knots is linear, so that it folds into weights of the
filled columns and of the third powers of how far values lie above knots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.model.deviation import Deviation
from pipeline.model.linear import LinearLearner


@dataclass(frozen=True)
class Folded:
    """The linear learners of some deviations: each one's ridge, then each one's elastic net.

    Attributes
    ----------
    straight : ndarray, shape (learners, columns)
        Weights of the filled columns.
    knots, knot_columns : ndarray, shape (knots,)
        The distinct knots over all learners, in the columns' order, and where they lie.
    cubes : ndarray, shape (learners, knots)
        Weights of the third powers.
    constants : ndarray, shape (learners,)
    centres : ndarray, shape (learners, columns)
        What each column adds on average in training; explanations are relative to it.
    """

    straight: np.ndarray
    knots: np.ndarray
    knot_columns: np.ndarray
    cubes: np.ndarray
    constants: np.ndarray
    centres: np.ndarray


def fold(deviations: Sequence[Deviation], width: int) -> Folded:
    """Fold the ridges and elastic nets of deviations.

    Parameters
    ----------
    deviations : sequence of Deviation
    width : int
        Columns of the model matrix.
    """
    learners = [d.ridge for d in deviations] + [d.elastic_net for d in deviations]
    found = sorted(
        {
            (column, knot)
            for learner in learners
            for column, places in enumerate(learner.basis.knots)
            for knot in places
        }
    )
    place = {knot: at for at, knot in enumerate(found)}
    straight, centres = np.zeros((2, len(learners), width))
    cubes, constants = np.zeros((len(learners), len(place))), np.zeros(len(learners))
    for j, learner in enumerate(learners):
        straight[j], cubes[j], constants[j], centres[j] = _of_learner(learner, place, width)
    columns = np.array([column for column, _ in found], dtype=int)
    knots = np.array([knot for _, knot in found], dtype=float)
    return Folded(straight, knots, columns, cubes, constants, centres)


def _of_learner(
    learner: LinearLearner, place: dict[tuple[int, float], int], width: int
) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
    """Weights on raw terms and cubes, the constant, and the centre's part by column.

    A curved term is a sum of cubes, as ``splines.curved_parts`` writes it.
    """
    weights = learner.coefficients / learner.basis.scale
    centred = weights * learner.basis.centre
    straight, cubes, centre = np.zeros(width), np.zeros(len(place)), np.zeros(width)
    term = 0
    for column, t in enumerate(learner.basis.knots):
        straight[column] = weights[term]
        centre[column] = centred[term]
        term += 1
        for which in range(len(t) - 2):
            weight, gap = weights[term] / (t[-1] - t[0]) ** 2, t[-1] - t[-2]
            cubes[place[column, t[which]]] += weight
            cubes[place[column, t[-2]]] -= weight * (t[-1] - t[which]) / gap
            cubes[place[column, t[-1]]] += weight * (t[-2] - t[which]) / gap
            centre[column] += centred[term]
            term += 1
    return straight, cubes, -float(centred.sum()), centre
