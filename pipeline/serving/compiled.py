"""The fitted model folded into a few matrices: the same risks and reasons, in microseconds.

``model.risk_model`` says what a risk is, term by term. A test holds both equal to 1e-12.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from pipeline.features.encoder import Arms
from pipeline.model.artifact import Artifact, shared_deviations
from pipeline.model.booster import Booster
from pipeline.model.head import Head
from pipeline.model.risk_model import PRIOR_SOURCE, Risks
from pipeline.serving.arms import ArmTerms
from pipeline.serving.folding import fold
from pipeline.serving.imputer import Imputer
from pipeline.serving.lines import Lines
from pipeline.serving.reasons import Reasons


class Compiled:
    """A model ready to score.

    Parameters
    ----------
    artifact : Artifact

    Attributes
    ----------
    sources : list of str
        What contributions belong to, the therapy prior last.
    """

    def __init__(self, artifact: Artifact) -> None:
        model = artifact.model
        self.sources = [*artifact.plan.sources, PRIOR_SOURCE]
        shared = shared_deviations(model.heads)
        deviations = [deviation for _, deviation in shared]
        of_outcome = {name: j for j, (names, _) in enumerate(shared) for name in names}
        follows = [of_outcome.get(name) for name in model.outcomes]
        self._boosters = [Booster.of(deviation.trees.text) for deviation in deviations]
        self._tree_bases = [deviation.trees.base for deviation in deviations]
        self._heads = [_Weights.of(h, j) for h, j in zip(model.heads, follows, strict=True)]
        self._imputer = Imputer(model.imputer)
        folded = fold(deviations, len(artifact.plan.columns))
        self._lines = Lines(folded, model.heads)
        self._reasons = Reasons(artifact, folded, follows)
        self._arm_terms = ArmTerms(artifact, self._reasons.centres)
        self._reach = NormalDist().inv_cdf(0.5 + artifact.facts["interval_level"] / 2)
        self._own = np.arange(len(model.heads))
        caps = _lowest_first(model.capped_by)
        self._capped, self._by = np.array(caps, dtype=int).reshape(-1, 2).T

    def predict(
        self, Z: np.ndarray, arms: Arms, reasons: bool
    ) -> tuple[Risks, np.ndarray, np.ndarray]:
        """Predict coherent risks with intervals, and their reasons.

        Parameters
        ----------
        Z : ndarray, shape (n, columns)
            A few hundred rows at most: what they need stays in the processor's cache.
        arms : Arms
        reasons : bool

        Returns
        -------
        risks : Risks
            As ``RiskModel.predict``.
        base, contributions : ndarray, shape (n, outcomes) and (n, sources, outcomes)
            As ``RiskModel.contributions``; without sources where no reasons are asked for.
        """
        filled, known = self._imputer.fill(Z.T)
        cubes = self._lines.cubes(filled)
        margins, posterior = self._lines.of(filled, cubes)
        terms = self._arm_terms.terms(arms)
        # SHAP values add up to the margin: who wants reasons needs no second look at the trees.
        shap = [booster.contributions(known.T).T for booster in self._boosters] if reasons else []
        scores = [of_columns.sum(axis=0) for of_columns in shap] or [
            booster.margin(known.T) for booster in self._boosters
        ]
        learned = self._learned(scores, margins)
        each: list[Any] = []
        low: list[Any] = []
        high: list[Any] = []
        prior, *of_heads = _plain(terms)
        for head, rate, follows, own, spread in zip(
            self._heads, *of_heads, _plain(posterior), strict=True
        ):
            deviation, apart = head.deviation(learned, follows)
            log_odds = head.alpha + head.rate_weight * rate + head.deviation_weight * deviation
            variance = head.deviation_weight**2 * (spread + apart) + own
            if head.covariance is not None:
                variance += head.updated(rate, deviation)
            reach = self._reach * variance**0.5
            each.append(log_odds)
            low.append(log_odds - reach)
            high.append(log_odds + reach)
        every = np.array([*each, *low, *high, *prior]).reshape(terms.shape)
        bound_by = self._cap(every[:3])
        risk, low_risk, high_risk, prior_risk = (1 / (1 + np.exp(-every))).transpose(0, 2, 1)
        own = self._own + np.zeros((len(Z), 1), dtype=int) if bound_by is None else bound_by.T
        risks = Risks(risk, low_risk, high_risk, prior_risk, own)
        if not reasons:
            nothing = np.empty((len(Z), 0, len(self._heads)))
            return risks, nothing[:, :, 0], nothing
        of_arm = self._arm_terms.contributions(arms)
        return risks, *self._reasons.of(filled, cubes, shap, of_arm, terms[2], bound_by)

    def _learned(self, scores: list[np.ndarray], margins: np.ndarray) -> list[tuple[Any, Any, Any]]:
        """Deviations by trees, ridge and elastic net: of one patient as plain numbers."""
        lines, half = _plain(margins), len(self._boosters)
        trees = [_plain(score) - base for score, base in zip(scores, self._tree_bases, strict=True)]
        return list(zip(trees, lines[:half], lines[half:], strict=True))

    def _cap(self, limits: np.ndarray) -> np.ndarray | None:
        """Cap log-odds and their limits by the next lower grade's, in place.

        Parameters
        ----------
        limits : ndarray, shape (3, heads, n)
            Log-odds, and the limits of their interval.

        Returns
        -------
        ndarray of int, shape (heads, n), or None
            The head that gave each risk; None where each gave its own.
        """
        if not (limits.take(self._capped, axis=1) > limits.take(self._by, axis=1)).any():
            return None
        bound_by, (log_odds, *interval) = np.tile(self._own[:, None], limits.shape[2]), limits
        pairs = list(zip(self._capped.tolist(), self._by.tolist(), strict=True))
        for k, lower in pairs:
            binds = log_odds[k] > log_odds[lower]
            log_odds[k, binds] = log_odds[lower, binds]
            bound_by[k, binds] = bound_by[lower, binds]
        # The interval is that of the head which gave the risk, and as coherent as the risks.
        for limit in interval:
            limit[:] = np.take_along_axis(limit, bound_by, axis=0)
            for k, lower in pairs:
                limit[k] = np.where(limit[k] > limit[lower], limit[lower], limit[k])
        return bound_by


@dataclass(frozen=True)
class _Weights:
    """The few numbers of a head, for plain arithmetic on a patient's numbers or on arrays."""

    learned: int | None  # which deviation; None for none
    b: tuple[float, ...]
    alpha: float
    rate_weight: float
    deviation_weight: float
    covariance: tuple[tuple[float, ...], ...] | None

    @classmethod
    def of(cls, head: Head, learned: int | None) -> _Weights:
        update = head.update
        covariance = update.covariance if np.any(update.covariance) else None
        # A head that trusts no learner has learned nothing.
        learned = learned if any(head.b) else None
        return cls(
            learned, head.b, update.alpha, update.rate_weight, update.deviation_weight, covariance
        )

    def deviation(self, learned: list[tuple[Any, Any, Any]], follows: Any) -> tuple[Any, Any]:
        """Return the weighted deviation, and its variance between learners."""
        if self.learned is None:
            return 0.0, 0.0
        (trees, ridge, net), (u, v, w) = learned[self.learned], self.b
        deviation, total = u * trees + v * ridge + w * net, u + v + w
        mean = deviation / total
        trees, ridge, net = trees - mean, ridge - mean, net - mean
        apart = total * (u * trees * trees + v * ridge * ridge + w * net * net)
        return follows * deviation, follows * follows * apart

    def updated(self, rate: Any, deviation: Any) -> Any:
        """Variance that an update's own uncertainty adds."""
        assert self.covariance is not None
        terms = (1.0, rate, deviation)
        return sum(
            c * x * y
            for row, x in zip(self.covariance, terms, strict=True)
            for c, y in zip(row, terms, strict=True)
        )


def _plain(rows: np.ndarray) -> Any:
    """Arrays over patients; of one patient plain numbers, a tenth of the time."""
    return rows[..., 0].tolist() if rows.shape[-1] == 1 else rows


def _lowest_first(capped_by: tuple[int | None, ...]) -> list[tuple[int, int]]:
    def depth(k: int) -> int:
        lower = capped_by[k]
        return 0 if lower is None else 1 + depth(lower)

    order = sorted(range(len(capped_by)), key=depth)
    return [(k, lower) for k in order if (lower := capped_by[k]) is not None]
