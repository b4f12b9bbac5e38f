"""Discrimination: whether patients with the event were given higher risks, and within therapy."""

from __future__ import annotations

import numpy as np


def concordance_within(
    observed: np.ndarray, risk: np.ndarray, strata: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return the AUROC over the pairs of patients of the same stratum, pooled.

    A pair is a patient with and one without the event, ties counted half; strata weigh by their
    number of such pairs. Within therapy, this is what a model knows beyond which product is given.

    Parameters
    ----------
    observed : ndarray of 0 and 1, shape (n,)
    risk : ndarray, shape (n,)
    weights : ndarray, shape (B, n)
        How often each patient counts in each replicate.
    strata : ndarray of int, shape (n,)
        Stratum of each patient; negative where unknown, which leaves the patient out.

    Returns
    -------
    ndarray, shape (B,)
        NaN where no stratum holds both classes.
    """
    return _ratio(*_pairs(observed, risk, strata, weights))


def within_folds(fold: np.ndarray, strata: np.ndarray | None = None) -> np.ndarray:
    """Return strata for `concordance_within` that keep to the pairs which one model ranked.

    Of a pair of two folds, each patient's outcome was in the training of the other's model and
    missing from that of its own: the one with the event tends to get the lower risk, and an
    AUROC over such pairs is too low (Airola A et al., Comput Stat Data Anal 2011;55:1828).

    Parameters
    ----------
    fold : ndarray of int, shape (n,)
    strata : ndarray of int, shape (n,), optional
        Negative where unknown, and so then is the result.

    Returns
    -------
    ndarray of int, shape (n,)
    """
    if strata is None:
        return fold
    return np.where(strata < 0, -1, strata * (fold.max(initial=0) + 1) + fold)


def expected_concordance(
    truth: np.ndarray, risk: np.ndarray, strata: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return `concordance_within` with the outcomes' chance averaged out, from true risks.

    A patient of true risk p has the event in a share p of the cohorts that might have been, so
    each pair of patients i, j of one stratum counts p_i (1 - p_j) times for i having the event
    and j not: expected concordant pairs over expected pairs.

    Parameters
    ----------
    truth : ndarray, shape (n,)
        True risk of each patient.
    risk, strata, weights
        As in `concordance_within`.

    Returns
    -------
    ndarray, shape (B,)
    """
    concordant, pairs = _pairs(truth, risk, strata, weights)
    # No patient is its own pair, nor those drawn twice: each was counted as a tie, half.
    known = strata >= 0
    own = weights[:, known] ** 2 @ (truth * (1 - truth))[known]
    return _ratio(concordant - 0.5 * own, pairs - own)


def average_precision(observed: np.ndarray, risk: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the area under the precision-recall curve as average precision.

    Precision at each distinct risk, weighted by the gain in recall, without interpolation;
    its value for uninformative risks is the prevalence. Shapes as in `concordance_within`; NaN in
    replicates without events.
    """
    order = np.argsort(-risk, kind="stable")
    events, others = _sorted_weights(observed, weights, order)
    tied_from = np.flatnonzero(np.diff(risk[order], prepend=np.inf) != 0)
    events, others = _tied_sums(events, tied_from), _tied_sums(others, tied_from)
    found = np.cumsum(events, axis=1)
    alerts = np.cumsum(others, axis=1)
    alerts += found
    total = found[:, -1].copy()
    np.maximum(alerts, 1e-300, out=alerts)
    found /= alerts
    return _ratio(np.einsum("bg,bg->b", events, found), total)


def _pairs(
    observed: np.ndarray, risk: np.ndarray, strata: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Concordant pairs, ties counted half, and all pairs of one stratum, under each weighting."""
    known = strata >= 0
    if not known.all():
        observed, risk, strata = observed[known], risk[known], strata[known]
        weights = weights[:, known]
    if not len(risk):
        return np.zeros(len(weights)), np.zeros(len(weights))
    order = np.lexsort((-risk, strata))
    risk, strata = risk[order], strata[order]
    events, others = _sorted_weights(observed, weights, order)

    new_stratum = np.diff(strata, prepend=strata[0] - 1) != 0
    tied_from = np.flatnonzero(new_stratum | (np.diff(risk, prepend=np.inf) != 0))
    events, others = _tied_sums(events, tied_from), _tied_sums(others, tied_from)
    first = np.flatnonzero(new_stratum[tied_from])

    before = np.cumsum(events, axis=1)
    total = before[:, -1].copy()
    before -= events
    at_start = before[:, first]
    stratum_others = np.add.reduceat(others, first, axis=1)
    stratum_events = np.diff(np.column_stack([at_start, total]), axis=1)

    events *= 0.5
    before += events
    concordant = np.einsum("bg,bg->b", others, before)
    concordant -= np.einsum("bs,bs->b", stratum_others, at_start)
    return concordant, np.einsum("bs,bs->b", stratum_others, stratum_events)


def _sorted_weights(
    observed: np.ndarray, weights: np.ndarray, order: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of events and of non-events, in the given order of patients."""
    weights = np.take(weights, order, axis=1)
    events = weights * observed[order]
    weights -= events
    return events, weights


def _tied_sums(values: np.ndarray, tied_from: np.ndarray) -> np.ndarray:
    if len(tied_from) == values.shape[1]:
        return values
    last = np.append(tied_from[1:], values.shape[1]) - 1
    sums = np.take(np.cumsum(values, axis=1), last, axis=1)
    sums[:, 1:] -= sums[:, :-1].copy()
    return sums


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
