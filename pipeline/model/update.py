"""What a site's patients taught a trained head: log-odds ``alpha + v * rate + w * deviation``.

``rate`` is what the therapy alone says (prior, its random intercept and ``a``), ``deviation`` what
the patient's findings add. An intercept alone is ``(alpha, 1, 1)``; a slope scales both alike;
a re-weighted head trusts the two differently.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Literal

import numpy as np

UpdateKind = Literal["none", "intercept", "intercept and slope", "reweighted"]


@dataclass(frozen=True)
class Update:
    """How a head's log-odds are recalibrated; the default leaves them as they are.

    Attributes
    ----------
    kind : str
    alpha : float
        Added to the log-odds.
    rate_weight, deviation_weight : float
        Positive: an update may weaken what was learned, never remove or reverse it.
    covariance : tuple of tuple of float, shape (3, 3)
        Of ``alpha`` and the two weights, in the order above.
    patients : int
        What it was fitted on.
    """

    kind: UpdateKind = "none"
    alpha: float = 0.0
    rate_weight: float = 1.0
    deviation_weight: float = 1.0
    covariance: tuple[tuple[float, ...], ...] = ((0.0, 0.0, 0.0),) * 3
    patients: int = 0

    def log_odds(self, rate: np.ndarray, deviation: np.ndarray) -> np.ndarray:
        """Updated log-odds, shape (n,)."""
        return self.alpha + self.rate_weight * rate + self.deviation_weight * deviation

    def parts(self, rate: np.ndarray, deviation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The two parts as they are served; a later update combines these."""
        return self.alpha + self.rate_weight * rate, self.deviation_weight * deviation

    def sd(self, rate: np.ndarray, deviation: np.ndarray) -> np.ndarray:
        """Standard deviation of the log-odds that the update's own uncertainty adds, (n,)."""
        terms = np.column_stack([np.ones(len(rate)), rate, deviation])
        variance = np.einsum("ni,ij,nj->n", terms, np.array(self.covariance), terms)
        return np.sqrt(np.maximum(variance, 0.0))


def coefficients(update: Update, level: float) -> dict[str, dict[str, float | None]]:
    """The coefficients with intervals from their covariance; one that is fixed has none.

    Parameters
    ----------
    update : Update
    level : float
        Of the intervals.

    Returns
    -------
    dict
        ``alpha``, ``rate_weight`` and ``deviation_weight``, each with ``estimate``, ``low``
        and ``high``.
    """
    reach = NormalDist().inv_cdf((1 + level) / 2)
    found: dict[str, dict[str, float | None]] = {}
    for k, name in enumerate(("alpha", "rate_weight", "deviation_weight")):
        estimate, sd = float(getattr(update, name)), sqrt(max(update.covariance[k][k], 0.0))
        free = sd > 0
        found[name] = {
            "estimate": estimate,
            "low": estimate - reach * sd if free else None,
            "high": estimate + reach * sd if free else None,
        }
    return found
