"""What is linear in the filled columns, in as few products as there can be.

The linear learners' straight terms and the roots of each head's posterior covariance read the
same columns: they are rows of one matrix.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.model.head import Head
from pipeline.serving.folding import Folded

_FEW = 16  # patients up to which a call costs more than the zeros that it multiplies
_BANDS = 5


class Lines:
    """Margins of the linear learners, and the spread of each head's posterior.

    Parameters
    ----------
    folded : Folded
    heads : sequence of Head
    """

    def __init__(self, folded: Folded, heads: Sequence[Head]) -> None:
        self._learners, self._heads = len(folded.straight), len(heads)
        self._knots, self._knot_columns = folded.knots[:, None], folded.knot_columns
        self._cube_weights = folded.cubes if folded.cubes.any() else None
        straight = np.column_stack([folded.constants, folded.straight])
        roots = np.stack([_triangle(head) for head in heads])
        self._whole, self._bands = _bands(straight, roots, 1), _bands(straight, roots, _BANDS)

    def cubes(self, filled: np.ndarray) -> np.ndarray:
        """Third powers of how far values lie above the splines' knots, shape (knots, n)."""
        above = filled.take(self._knot_columns, axis=0)
        above -= self._knots
        np.maximum(above, 0.0, out=above)
        cubes = above * above
        cubes *= above
        return cubes

    def of(self, filled: np.ndarray, cubes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute margins and variances.

        Parameters
        ----------
        filled : ndarray, shape (columns, n)
        cubes : ndarray, shape (knots, n)

        Returns
        -------
        margins : ndarray, shape (learners, n)
        variance : ndarray, shape (heads, n)
            Posterior variance of each head's log-odds.
        """
        n = filled.shape[1]
        (_, weights, constants), *further = self._bands if n > _FEW else self._whole
        lines = weights @ filled
        lines += constants
        margins = lines[: self._learners]
        if self._cube_weights is not None:
            margins += self._cube_weights @ cubes
        variance = self._squares(lines[self._learners :])
        for first, weights, _ in further:
            variance += self._squares(weights @ filled[first:])
        return margins, variance

    def _squares(self, lines: np.ndarray) -> np.ndarray:
        of_heads = lines.reshape(self._heads, len(lines) // self._heads, lines.shape[1])
        return np.einsum("krn,krn->kn", of_heads, of_heads)


def _triangle(head: Head) -> np.ndarray:
    """Root of a head's posterior covariance, shape (columns + 1, columns + 1).

    Any root gives the same variance; a triangular one is half empty. The first column is the
    intercept's.
    """
    basis, root = head.uncertainty.basis, head.uncertainty.root
    scaled = root[1:] / basis.scale[:, None]
    whole = np.vstack([root[0] - basis.centre @ scaled, scaled])
    triangle = np.linalg.qr(whole.T, mode="r")
    return np.pad(triangle, ((0, len(whole) - len(triangle)), (0, 0)))


def _bands(
    straight: np.ndarray, triangles: np.ndarray, count: int
) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Cut upper triangles into bands of rows, without the columns that are empty in a band.

    Parameters
    ----------
    straight : ndarray, shape (learners, columns + 1)
        Goes on top of the first band. The first column holds the constants.
    triangles : ndarray, shape (heads, columns + 1, columns + 1)

    Returns
    -------
    list of tuple
        First column of the model matrix that enters, weights of shape (learners in the first
        band, then heads times the band's rows; columns that enter), and constants, which are 0
        but in the first band.
    """
    bands: list[tuple[int, np.ndarray, np.ndarray]] = []
    for rows in np.array_split(np.arange(triangles.shape[1]), count):
        band = triangles[:, rows].reshape(-1, triangles.shape[2])
        if bands:
            first = int(rows[0])
            bands.append((first - 1, np.ascontiguousarray(band[:, first:]), band[:, :1]))
        else:
            band = np.vstack([straight, band])
            bands.append((0, np.ascontiguousarray(band[:, 1:]), band[:, :1]))
    return bands
