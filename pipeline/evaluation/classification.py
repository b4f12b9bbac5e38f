"""What would happen at a risk threshold: alerts, and how often they are right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Alerts:
    """Weight of patients at or above each threshold, by outcome.

    Attributes
    ----------
    true_positives, false_positives : ndarray, shape (B, thresholds)
    events, non_events : ndarray, shape (B, 1)
    """

    true_positives: np.ndarray
    false_positives: np.ndarray
    events: np.ndarray
    non_events: np.ndarray


def count_alerts(
    observed: np.ndarray, risks: np.ndarray, thresholds: np.ndarray, weights: np.ndarray
) -> Alerts:
    """Count alerts, an alert being a risk at or above the threshold.

    Parameters
    ----------
    observed : ndarray of 0 and 1, shape (n,)
    risks : ndarray, shape (repeats, n)
        Counts are averaged over the repeats, so that ratios of them stay defined where one
        repeat has no alert.
    thresholds : ndarray, shape (k,)
    weights : ndarray, shape (B, n)
    """
    steps = np.sort(thresholds)
    cells = np.zeros((len(weights), 2, len(steps) + 1))
    for risk in risks:
        # Place 0 lies below every threshold, place k at or above the k-th.
        place = np.searchsorted(steps, risk, side="right")
        code = (place + (len(steps) + 1) * observed).astype(int)
        counted = [np.bincount(code, weights=w, minlength=cells[0].size) for w in weights]
        cells += np.reshape(counted, cells.shape) / len(risks)
    total = cells.sum(axis=2)
    at_or_above = cells[:, :, ::-1].cumsum(axis=2)[:, :, -2::-1]
    back = np.searchsorted(steps, thresholds)
    return Alerts(
        true_positives=at_or_above[:, 1, back],
        false_positives=at_or_above[:, 0, back],
        events=total[:, 1:],
        non_events=total[:, :1],
    )


def classification_figures(alerts: Alerts) -> dict[str, np.ndarray]:
    """Return sensitivity, specificity, PPV, NPV and alerts per 100 patients.

    Returns
    -------
    dict of ndarray, shape (B, thresholds)
        NaN where a denominator is zero, as for the PPV without alerts.
    """
    called = alerts.true_positives + alerts.false_positives
    true_negatives = alerts.non_events - alerts.false_positives
    passed = alerts.events + alerts.non_events - called
    everyone = alerts.events + alerts.non_events
    return {
        "sensitivity": _ratio(alerts.true_positives, alerts.events),
        "specificity": _ratio(true_negatives, alerts.non_events),
        "ppv": _ratio(alerts.true_positives, called),
        "npv": _ratio(true_negatives, passed),
        "alerts_per_100": 100 * _ratio(called, everyone),
    }


def smallest_cell(observed: np.ndarray, risks: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return the smallest of the four cells of alert by outcome in any repeat, by threshold."""
    alert = risks[:, :, None] >= thresholds
    event = (observed == 1)[None, :, None]
    cells = [(a & e).sum(axis=1) for a in (alert, ~alert) for e in (event, ~event)]
    return np.min(cells, axis=(0, 1))


def smallest_revealed(
    observed: np.ndarray, risks: np.ndarray, thresholds: np.ndarray, minimum: int
) -> np.ndarray:
    """Return `smallest_cell`, or what a threshold reveals beside the lower ones, if that is less.

    Of two thresholds that are both shown, the difference counts the patients between them, with
    and without the event; none at all may be said.

    Parameters
    ----------
    observed, risks, thresholds
        As in `smallest_cell`.
    minimum : int
        A threshold whose smallest cell is smaller is not shown, and so reveals nothing beside
        the next.
    """
    smallest = smallest_cell(observed, risks, thresholds)
    shown: float | None = None
    for k in np.argsort(thresholds, kind="stable"):
        if shown is not None:
            between = (risks >= shown) & (risks < thresholds[k])
            cells = np.stack([(between & (observed == y)).sum(axis=1) for y in (0, 1)])
            smallest[k] = min(smallest[k], cells[cells > 0].min(initial=smallest[k]))
        if smallest[k] >= minimum:
            shown = thresholds[k]
    return smallest


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    part, whole = np.broadcast_arrays(part, whole)
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 1e-9)
