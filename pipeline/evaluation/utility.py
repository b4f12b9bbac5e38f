"""Clinical utility: net benefit of acting on a risk at or above a threshold."""

from __future__ import annotations

import numpy as np

from pipeline.evaluation.classification import Alerts


def net_benefit(alerts: Alerts, thresholds: np.ndarray) -> np.ndarray:
    r"""Return the net benefit per patient; acting on nobody has net benefit 0.

    Parameters
    ----------
    alerts : Alerts
        From risks pooled over all folds.
    thresholds : ndarray, shape (k,)
        Risk :math:`p_t` at which the harm of a needless action and the gain of a needed one
        balance.

    Returns
    -------
    ndarray, shape (B, k)
        :math:`TP/n - FP/n \cdot p_t / (1 - p_t)`.

    References
    ----------
    Vickers AJ, Elkin EB. Med Decis Making 2006;26:565.
    """
    n = alerts.events + alerts.non_events
    return (alerts.true_positives - alerts.false_positives * _odds(thresholds)) / n


def net_benefit_of_all(alerts: Alerts, thresholds: np.ndarray) -> np.ndarray:
    """Return the net benefit of acting on everybody; shapes as in `net_benefit`."""
    n = alerts.events + alerts.non_events
    return (alerts.events - alerts.non_events * _odds(thresholds)) / n


def _odds(thresholds: np.ndarray) -> np.ndarray:
    return thresholds / (1 - thresholds)
