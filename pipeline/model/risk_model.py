"""The risk model: one head per outcome, made coherent across nested grades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.config import Model as Settings
from pipeline.config import Outcome
from pipeline.features.plan import FeaturePlan
from pipeline.model.head import Head, fit_head
from pipeline.model.interval import limits

PRIOR_SOURCE = "therapy_prior"


@dataclass(frozen=True)
class Risks:
    """Risks of n patients for the model's outcomes, each of shape (n, outcomes).

    Attributes
    ----------
    risk, low, high : ndarray
        Risk and its interval; NaN where the prior is unknown.
    prior : ndarray
        Risk by the therapy prior alone.
    bound_by : ndarray of int
        Column of the head that gave the risk: a lower grade's where the cap binds.
    """

    risk: np.ndarray
    low: np.ndarray
    high: np.ndarray
    prior: np.ndarray
    bound_by: np.ndarray


@dataclass(frozen=True)
class RiskModel:
    """Fitted heads and how they nest.

    Attributes
    ----------
    heads : tuple of Head
        One per outcome, in the config's order.
    capped_by : tuple of int or None
        Per outcome, the outcome of the next lower grade of the same column.
    therapies_seen : tuple of str
        Canonical names of the therapies in training.
    """

    heads: tuple[Head, ...]
    capped_by: tuple[int | None, ...]
    therapies_seen: tuple[str, ...]

    @property
    def outcomes(self) -> list[str]:
        """Names of the outcomes, in order."""
        return [head.outcome for head in self.heads]

    def predict(
        self,
        Z: np.ndarray,
        published: np.ndarray,
        published_sd: np.ndarray,
        seen: np.ndarray,
        level: float,
    ) -> Risks:
        """Predict coherent risks with intervals.

        Parameters
        ----------
        Z : ndarray, shape (n, columns)
        published, published_sd : ndarray, shape (n, outcomes)
            Therapy prior on the logit scale.
        seen : ndarray of bool, shape (n,)
            Whether training saw the therapy.
        level : float
            Of the interval, such as 0.90.
        """
        each = [h.log_odds(Z, published[:, k]) for k, h in enumerate(self.heads)]
        spread = [h.sd(Z, published_sd[:, k], seen) for k, h in enumerate(self.heads)]
        log_odds, bound_by = self._capped(np.column_stack(each))
        low, high = limits(np.column_stack(each), np.column_stack(spread), level)
        rows = np.arange(len(Z))[:, None]
        prior = np.column_stack([h.prior(published[:, k]) for k, h in enumerate(self.heads)])
        return Risks(
            risk=expit(log_odds),
            # The interval is that of the head which gave the risk.
            low=expit(low[rows, bound_by]),
            high=expit(high[rows, bound_by]),
            prior=expit(prior),
            bound_by=bound_by,
        )

    def contributions(
        self, Z: np.ndarray, published: np.ndarray, bound_by: np.ndarray, plan: FeaturePlan
    ) -> tuple[np.ndarray, np.ndarray]:
        """Exact contributions per source on the calibrated log-odds.

        Returns
        -------
        base : ndarray, shape (n, outcomes)
        parts : ndarray, shape (n, sources + 1, outcomes)
            In the order of ``plan.sources``, the therapy prior last. ``base`` plus their sum
            is the log-odds of the risk; where a cap binds they are the binding head's.
        """
        sources = plan.sources
        place = {source: i for i, source in enumerate(sources)}
        of_column = [place[column.source] for column in plan.columns]
        own_base = np.empty(len(self.heads))
        own = np.zeros((len(Z), len(sources) + 1, len(self.heads)))
        for k, head in enumerate(self.heads):
            own_base[k], parts = head.contributions(Z, published[:, k])
            np.add.at(own[:, :, k].T, of_column, parts[:, :-1].T)
            own[:, -1, k] = parts[:, -1]
        rows = np.arange(len(Z))[:, None]
        return own_base[bound_by], own[rows, :, bound_by].transpose(0, 2, 1)

    def _capped(self, each: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cap each head's log-odds by the next lower grade's, and say which head binds."""
        log_odds = each.copy()
        bound_by = np.tile(np.arange(each.shape[1]), (len(each), 1))
        for k in _lowest_first(self.capped_by):
            lower = self.capped_by[k]
            if lower is not None:
                binds = log_odds[:, k] > log_odds[:, lower]
                log_odds[binds, k] = log_odds[binds, lower]
                bound_by[binds, k] = bound_by[binds, lower]
        return log_odds, bound_by


def fit_risk_model(
    Z: np.ndarray,
    Y: np.ndarray,
    published: np.ndarray,
    trends: list[int],
    therapies: np.ndarray | None,
    outcomes: dict[str, Outcome],
    settings: Settings,
    seed: int,
    share: float = 1.0,
) -> RiskModel:
    """Fit all heads.

    Parameters
    ----------
    Z : ndarray, shape (n, columns)
    Y : ndarray of 0/1, shape (n, outcomes)
    published : ndarray, shape (n, outcomes)
        Therapy prior on the logit scale, NaN where there is none.
    therapies : ndarray of str, shape (n,), or None
        Canonical names.
    share : float
        Share of the cohort that these patients are. Inside a resampling fold the minimum of
        patients and events shrinks with it, so that a fold decides as the whole cohort did.
    """
    minimum = (settings.minimum_patients * share, settings.minimum_events * share)
    heads = tuple(
        fit_head(name, Z, Y[:, k], published[:, k], trends, settings, seed + k, minimum)
        for k, name in enumerate(outcomes)
    )
    seen = sorted({str(t) for t in therapies}) if therapies is not None else []
    return RiskModel(heads, nesting(outcomes), tuple(seen))


def nesting(outcomes: dict[str, Outcome]) -> tuple[int | None, ...]:
    """Per outcome, the position of the next lower threshold on the same column."""
    found: list[int | None] = []
    for outcome in outcomes.values():
        below = [
            (other.at_least, k)
            for k, other in enumerate(outcomes.values())
            if other.column == outcome.column and other.at_least < outcome.at_least
        ]
        found.append(max(below)[1] if below else None)
    return tuple(found)


def expit(log_odds: np.ndarray) -> np.ndarray:
    """Risk from log-odds, without overflow."""
    return np.exp(-np.logaddexp(0.0, -log_odds))


def _lowest_first(capped_by: tuple[int | None, ...]) -> list[int]:
    def depth(k: int) -> int:
        lower = capped_by[k]
        return 0 if lower is None else 1 + depth(lower)

    return sorted(range(len(capped_by)), key=depth)
