"""The statistics that several checks share: stratified AUROC and a permutation test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

# Permutations are drawn in blocks of at most this many cells, to bound memory.
BLOCK_CELLS = 8_000_000


@dataclass(frozen=True)
class Auroc:
    """A within-strata AUROC and the numbers that its precision depends on."""

    estimate: float
    events: np.ndarray
    others: np.ndarray

    def standard_error(self, at: float) -> float:
        """Return the standard error if the AUROC were ``at``, after Hanley and McNeil.

        Radiology 1982;143:29, summed over strata by their number of pairs. Unlike
        DeLong's, it does not vanish when few events happen to rank first.
        """
        pairs = self.events * self.others
        if not pairs.sum():
            return float("inf")
        q1, q2 = at / (2 - at), 2 * at**2 / (1 + at)
        variance = (
            at * (1 - at) + (self.events - 1) * (q1 - at**2) + (self.others - 1) * (q2 - at**2)
        )
        return float(np.sqrt((pairs * variance).sum()) / pairs.sum())


def stratified_auroc(score: np.ndarray, event: np.ndarray, strata: np.ndarray) -> Auroc:
    """Return the share of concordant event/non-event pairs within strata, ties as halves.

    Parameters
    ----------
    score : ndarray of float, shape (n,)
        Patients without a score (NaN) are left out.
    event : ndarray of bool, shape (n,)
    strata : ndarray of int, shape (n,)

    Returns
    -------
    Auroc
        With estimate 0.5 where no stratum holds both an event and a non-event.
    """
    known = ~np.isnan(score)
    score, event, strata = score[known], event[known].astype(bool), strata[known]
    _, strata = np.unique(strata, return_inverse=True)
    _, dense = np.unique(score, return_inverse=True)
    size = np.bincount(strata)
    # Ranking the pair (stratum, score) ranks within strata, up to the patients before.
    rank = rankdata(strata * (dense.max(initial=0) + 1) + dense)
    rank = rank - (np.cumsum(size) - size)[strata]
    events = np.bincount(strata, weights=event)
    others = size - events
    concordant = np.bincount(strata, weights=rank * event) - events * (events + 1) / 2
    pairs = (events * others).sum()
    estimate = float(concordant.sum() / pairs) if pairs else 0.5
    return Auroc(estimate, events, others)


def max_statistic_p(
    left: np.ndarray,
    right: np.ndarray,
    permutations: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Test every pair of columns for association, adjusted over the columns of ``left``.

    Parameters
    ----------
    left, right : ndarray of float, shapes (n, k) and (n, t)
        Residuals after adjustment: their columns have mean zero. ``right`` is of equal
        spread in all groups (`Material.scaled_events`).
    permutations : int
        Random orders of the patients in ``right``.
    rng : numpy.random.Generator

    Returns
    -------
    statistic, p : ndarray, shape (k, t)
        Correlation, and its permutation p-value, family-wise for each column of ``right``:
        the share of orders in which the largest correlation with it is at least as strong.

    Notes
    -----
    The maximum over ``left`` controls the family-wise error with the columns' dependence
    (Westfall and Young 1993). Permuting assumes one spread for all patients, hence the
    scaled residuals. Studentising by the products instead is robust too, and blind to the
    gravest case: a few missing values, all of them in one class.
    """
    observed = correlation(left, right)
    n, t = right.shape
    exceeding = np.ones(observed.shape)
    block = max(1, BLOCK_CELLS // max(1, n * t))
    for start in range(0, permutations, block):
        size = min(block, permutations - start)
        order = rng.permuted(np.tile(np.arange(n), (size, 1)), axis=1)
        shuffled = right[order].transpose(1, 0, 2).reshape(n, size * t)
        largest = np.abs(correlation(left, shuffled)).max(axis=0).reshape(size, 1, t)
        exceeding += (largest >= np.abs(observed) - 1e-12).sum(axis=0)
    return observed, exceeding / (permutations + 1)


def correlation(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the correlations (k, t) of centred columns (n, k) and (n, t); 0 where constant."""
    scale = np.sqrt(np.outer((left**2).sum(axis=0), (right**2).sum(axis=0)))
    return np.divide(left.T @ right, scale, out=np.zeros_like(scale), where=scale > 1e-12)
