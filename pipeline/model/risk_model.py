"""The risk model: one head per outcome, made coherent across nested grades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.features.plan import FeaturePlan
from pipeline.model.head import Head
from pipeline.model.imputation import FactorImputer
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
    imputer : FactorImputer
        Fills missing values for the linear learners.
    capped_by : tuple of int or None
        Per outcome, the outcome of the next lower grade of the same column.
    therapies_seen : tuple of str
        Canonical names of the therapies in training.
    """

    heads: tuple[Head, ...]
    imputer: FactorImputer
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
        arms: np.ndarray | None,
        level: float,
    ) -> Risks:
        """Predict coherent risks with intervals.

        Parameters
        ----------
        Z : ndarray, shape (n, columns)
        published, published_sd : ndarray, shape (n, outcomes)
            Therapy prior on the logit scale.
        arms : ndarray of str, shape (n,), or None
            As ``features.matrix.arm_names`` returns them.
        level : float
            Of the interval, such as 0.90.
        """
        filled = self.imputer.fill(Z)
        F = self._deviations(Z, filled)
        terms = [h.terms(F[k], Z, published[:, k]) for k, h in enumerate(self.heads)]
        each, spread = np.empty((2, len(Z), len(self.heads)))
        for k, head in enumerate(self.heads):
            each[:, k] = head.update.log_odds(*terms[k])
            spread[:, k] = head.sd(F[k], Z, filled, published_sd[:, k], arms)
            if head.update.kind != "none":
                spread[:, k] = np.hypot(spread[:, k], head.update.sd(*terms[k]))
        log_odds, bound_by = self._capped(each)
        low, high = limits(each, spread, level)
        # The interval is that of the head which gave the risk, and as coherent as the risks.
        rows = np.arange(len(Z))[:, None]
        low, _ = self._capped(low[rows, bound_by])
        high, _ = self._capped(high[rows, bound_by])
        prior = [h.prior.log_odds(published[:, k]) for k, h in enumerate(self.heads)]
        return Risks(
            risk=expit(log_odds),
            low=expit(low),
            high=expit(high),
            prior=expit(np.column_stack(prior)),
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
        base, per_column = self._split(Z)
        sources = plan.sources
        place = {source: i for i, source in enumerate(sources)}
        of_column = [place[column.source] for column in plan.columns]
        own = np.zeros((len(Z), len(sources) + 1, len(self.heads)))
        for k, head in enumerate(self.heads):
            np.add.at(own[:, :, k].T, of_column, per_column[k].T)
            beyond_mean = head.prior.log_odds(published[:, k]) - head.prior.mean
            own[:, -1, k] = head.update.rate_weight * beyond_mean
        rows = np.arange(len(Z))[:, None]
        return base[bound_by], own[rows, :, bound_by].transpose(0, 2, 1)

    def terms(self, Z: np.ndarray, published: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Each head's log-odds by the therapy alone and what findings add, (n, outcomes).

        As trained: what an update combines, and is fitted on.
        """
        F = self._deviations(Z, self.imputer.fill(Z))
        both = [h.terms(F[k], Z, published[:, k]) for k, h in enumerate(self.heads)]
        return np.column_stack([r for r, _ in both]), np.column_stack([d for _, d in both])

    def _deviations(self, Z: np.ndarray, filled: np.ndarray) -> list[np.ndarray]:
        """Per head the deviations by learner, shape (n, 3); one that is shared is computed once."""
        known = self.imputer.fill_complete(Z, filled)
        nothing = np.zeros((len(Z), 3))
        found = {
            id(h.deviation): h.deviation.margins(known, filled) for h in self.heads if h.deviation
        }
        return [found.get(id(h.deviation), nothing) for h in self.heads]

    def _split(self, Z: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Base (outcomes,), and per head the contributions of columns (n, columns)."""
        filled = self.imputer.fill(Z)
        known = self.imputer.fill_complete(Z, filled)
        base, per_column = np.empty(len(self.heads)), []
        for k, head in enumerate(self.heads):
            change = head.update
            base[k] = change.alpha + change.rate_weight * (head.prior.mean + head.a)
            parts = change.rate_weight * head.therapy_parts(Z)
            if head.deviation is not None:
                own = head.deviation.contributions(known, filled, head.b)
                parts += change.deviation_weight * head.follows(Z)[:, None] * own
            per_column.append(parts)
        return base, per_column

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


def expit(log_odds: np.ndarray) -> np.ndarray:
    """Risk from log-odds, without overflow; missing stays missing."""
    with np.errstate(invalid="ignore"):
        return np.exp(-np.logaddexp(0.0, -log_odds))


def _lowest_first(capped_by: tuple[int | None, ...]) -> list[int]:
    def depth(k: int) -> int:
        lower = capped_by[k]
        return 0 if lower is None else 1 + depth(lower)

    return sorted(range(len(capped_by)), key=depth)
