"""What each source adds to the log-odds of each head, summed over its columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.model.artifact import Artifact
from pipeline.serving.folding import Folded


class Reasons:
    """Exact contributions by source.

    Parameters
    ----------
    artifact : Artifact
    folded : Folded
    follows : sequence of int or None
        Per head, its deviation.

    Attributes
    ----------
    centres : ndarray, shape (heads, sources + 1)
        What the linear terms of each source add on average in training.
    """

    def __init__(
        self,
        artifact: Artifact,
        folded: Folded,
        follows: Sequence[int | None],
    ) -> None:
        heads, plan = artifact.model.heads, artifact.plan
        shared = len(folded.straight) // 2
        # Per head, how its linear learners and its trees are weighed.
        linear = np.zeros((len(heads), 2 * shared))
        trees = np.zeros((len(heads), shared))
        for k, (head, j) in enumerate(zip(heads, follows, strict=True)):
            if j is not None:
                trees[k, j], *linear[k, [j, shared + j]] = head.b
        width = len(plan.columns)
        source_of = np.array([plan.sources.index(c.source) for c in plan.columns], dtype=int)
        of_trees = np.append(source_of, -1)
        weights = np.column_stack(
            [linear @ folded.straight, linear @ folded.cubes, np.repeat(trees, width + 1, axis=1)]
        )
        sources = np.concatenate(
            [source_of, source_of[folded.knot_columns], np.tile(of_trees, shared)]
        )
        # Terms of a source side by side: each source is then one sum of adjoining rows.
        order = np.argsort(sources, kind="stable")
        self._order = order[sources[order] >= 0]
        self._starts = np.flatnonzero(np.diff(sources[self._order], prepend=-1))
        deviation_weight = np.array([[head.update.deviation_weight] for head in heads])
        self._weights = (deviation_weight * weights)[:, self._order, None]
        self.centres = linear @ folded.centres @ np.eye(len(plan.sources) + 1)[source_of]
        updates = [head.update for head in heads]
        self._base = np.array(
            [
                u.alpha + u.rate_weight * (h.prior.mean + h.a)
                for u, h in zip(updates, heads, strict=True)
            ]
        )

    def of(
        self,
        filled: np.ndarray,
        cubes: np.ndarray,
        shap: Sequence[np.ndarray],
        of_arm: np.ndarray,
        follows: np.ndarray,
        bound_by: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute base, shape (n, heads), and contributions, shape (n, sources + 1, heads).

        Parameters
        ----------
        filled : ndarray, shape (columns, n)
        cubes : ndarray, shape (knots, n)
        shap : sequence of ndarray, shape (columns + 1, n)
            The trees' contributions, per deviation in the order of ``folded``, base value last.
        of_arm : ndarray, shape (heads, sources + 1, n)
            What the arm adds.
        follows : ndarray, shape (heads, n)
        bound_by : ndarray of int, shape (heads, n), or None
            Whose reasons apply; None where each head's own do.
        """
        # The trees' last row is their base value, which the order leaves out.
        terms = np.concatenate([filled, cubes, *shap]).take(self._order, axis=0)
        sums = np.add.reduceat(self._weights * terms, self._starts, axis=1)
        sums *= follows[:, None]
        parts = of_arm.copy()
        parts[:, :-1] += sums
        if bound_by is None:
            return self._base + np.zeros((filled.shape[1], 1)), parts.T
        parts = np.take_along_axis(parts, bound_by[:, None], axis=0)
        return self._base[bound_by].T, parts.T
