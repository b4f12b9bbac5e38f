"""The fitted model folded into a few matrices: the same risks and reasons, in microseconds.

``model.risk_model`` says what a risk is, term by term. Everything in it but trees, imputation
and splines is linear, so that centring, scaling, the weights ``b`` and the mean over learners
fold into one matrix of coefficients. A test holds both equal to 1e-12.
"""

from __future__ import annotations

from dataclasses import fields
from statistics import NormalDist

import numpy as np

from pipeline.features.encoder import REMEMBERED, Arm, Encoded
from pipeline.model.artifact import Artifact
from pipeline.model.booster import Booster
from pipeline.model.imputation import FactorImputer
from pipeline.model.linear import LinearLearner
from pipeline.model.risk_model import PRIOR_SOURCE, Risks, expit

_BLOCK = 2048  # rows at a time: what they need stays in the processor's cache


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
        model, plan = artifact.model, artifact.plan
        self.sources = [*plan.sources, PRIOR_SOURCE]
        self._heads = model.heads
        self._capped_by = [
            (k, lower) for k, lower in _lowest_first(model.capped_by) if lower is not None
        ]
        self._own = np.arange(len(model.heads))
        self._reach = NormalDist().inv_cdf(0.5 + artifact.facts["interval_level"] / 2)
        self._imputer = _Imputer(model.imputer)
        self._known_arms: dict[str, np.ndarray] = {}
        self._fitted = [(k, h.deviation) for k, h in enumerate(model.heads) if h.deviation]
        self._boosters = [Booster.of(deviation.trees.text) for _, deviation in self._fitted]
        B = np.array([[h.b[j] for h in model.heads] for j, _ in self._fitted])
        self._B = B.reshape(len(self._fitted), len(model.heads))
        self._fold_priors()
        self._fold_learners()
        self._fold_sources([plan.sources.index(c.source) for c in plan.columns])

    def risks(self, encoded: Encoded) -> Risks:
        """Predict coherent risks with intervals; see ``RiskModel.predict``."""
        return self._per_block(encoded, reasons=False)[0]

    def risks_with_reasons(self, encoded: Encoded) -> tuple[Risks, np.ndarray, np.ndarray]:
        """The same with base and contributions; see ``RiskModel.contributions``."""
        return self._per_block(encoded, reasons=True)

    def _per_block(self, encoded: Encoded, reasons: bool) -> tuple[Risks, np.ndarray, np.ndarray]:
        Z, arm = encoded.Z, encoded.arm
        rates = self._by_arm(encoded.arms)
        if len(Z) <= _BLOCK:
            return self._predict(Z, rates[:, arm], reasons)
        blocks = [
            self._predict(Z[at : at + _BLOCK], rates[:, arm[at : at + _BLOCK]], reasons)
            for at in range(0, len(Z), _BLOCK)
        ]
        risks = Risks(
            *(np.concatenate([getattr(b[0], f.name) for b in blocks]) for f in fields(Risks))
        )
        base, parts = (np.concatenate([block[i] for block in blocks]) for i in (1, 2))
        return risks, base, parts

    def _predict(
        self, Z: np.ndarray, rates: np.ndarray, reasons: bool
    ) -> tuple[Risks, np.ndarray, np.ndarray]:
        prior, prior_variance = rates
        filled, known = self._imputer.fill(Z)
        curved = self._curved(filled)
        K = len(self._heads)
        lines = filled @ self._line_weights
        if curved is not None:
            lines[:, : 2 * K] += curved @ self._curve_weights
        lines += self._line_constants
        trees = np.empty((len(Z), len(self._boosters)))
        for j, booster in enumerate(self._boosters):
            trees[:, j] = booster.margin(known)
        by_learner = trees @ self._B, lines[:, :K], lines[:, K : 2 * K]
        mean = (by_learner[0] + by_learner[1] + by_learner[2]) / 3
        own_rate = np.nan_to_num(Z[:, self._effect_columns]) @ self._effects
        rate = prior + own_rate + self._a
        each = self._alpha + self._rate_weight * rate + self._deviation_weight * mean
        disagreement = sum((part - mean) ** 2 for part in by_learner) / 2
        posterior = np.add.reduceat(lines[:, 2 * K :] ** 2, self._root_starts, axis=1)
        variance = self._deviation_weight**2 * (posterior + disagreement) + prior_variance
        if self._covariance is not None:
            terms = np.stack([np.ones_like(rate), rate, mean], axis=2)
            of_update = np.einsum("nki,kij,nkj->nk", terms, self._covariance, terms)
            variance += np.maximum(of_update, 0.0)
        spread = self._reach * np.sqrt(variance)
        log_odds, bound_by = self._capped(each)
        low, high = each - spread, each + spread
        if bound_by is None:
            bound_by = np.broadcast_to(self._own, each.shape)
        else:
            rows = np.arange(len(Z))[:, None]
            low, high = low[rows, bound_by], high[rows, bound_by]
        low, high = self._capped(low)[0], self._capped(high)[0]
        risk, low, high, prior_risk = expit(np.stack([log_odds, low, high, prior]))
        risks = Risks(risk, low, high, prior_risk, bound_by)
        nothing = np.empty((len(Z), 0))
        if not reasons:
            return risks, nothing, nothing
        return risks, *self._reasons(Z, filled, known, curved, prior, bound_by)

    def _reasons(
        self,
        Z: np.ndarray,
        filled: np.ndarray,
        known: np.ndarray,
        curved: np.ndarray | None,
        prior: np.ndarray,
        bound_by: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        # Per head and column, shape (n, heads, columns).
        columns = filled[:, None, :] * self._own_straight
        if self._boosters:
            of_trees = np.stack([b.contributions(known)[:, :-1] for b in self._boosters], axis=1)
            columns += self._tree_weights @ of_trees
        columns[:, :, self._effect_columns] += (
            np.nan_to_num(Z[:, None, self._effect_columns]) * self._own_effects
        )
        parts = columns @ self._source_of_column
        if curved is not None:
            parts += (curved[:, None, :] * self._own_curved) @ self._source_of_curve
        parts -= self._centres
        parts[:, :, -1] = self._rate_weight * (prior - self._prior_mean)
        rows = np.arange(len(Z))[:, None]
        return self._base[bound_by], parts[rows, bound_by].transpose(0, 2, 1)

    def _capped(self, each: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Cap each head's log-odds by the next lower grade's; None where no cap binds."""
        log_odds, bound_by = each, None
        for k, lower in self._capped_by:
            binds = log_odds[:, k] > log_odds[:, lower]
            if not binds.any():
                continue
            if bound_by is None:
                log_odds, bound_by = each.copy(), np.tile(self._own, (len(each), 1))
            log_odds[binds, k] = log_odds[binds, lower]
            bound_by[binds, k] = bound_by[binds, lower]
        return log_odds, bound_by

    def _curved(self, filled: np.ndarray) -> np.ndarray | None:
        """Curved parts of the splines, shape (n, curves); see ``splines.curved_parts``."""
        if not len(self._curve_columns):
            return None
        above = np.maximum(filled[:, self._knot_columns] - self._knots, 0.0)
        cube = above * above * above
        return (
            cube[:, self._curve_first]
            - cube[:, self._curve_before] * self._factor_before
            + cube[:, self._curve_last] * self._factor_last
        ) / self._curve_size

    def _by_arm(self, arms: list[Arm]) -> np.ndarray:
        """Prior log-odds and the variance they bring, shape (2, arms, outcomes)."""
        if not arms:
            nothing = np.full(len(self._heads), np.nan)
            return self._rates(nothing, nothing, nothing)[:, None]
        return np.stack([self._of_arm(arm) for arm in arms], axis=1)

    def _of_arm(self, arm: Arm) -> np.ndarray:
        found = self._known_arms.get(arm.name) if arm.given else None
        if found is None:
            told = [head.information.get(arm.name, 0.0) for head in self._heads]
            found = self._rates(arm.published, arm.sd, np.array(told))
            if arm.given:
                if len(self._known_arms) >= REMEMBERED:
                    self._known_arms.clear()
                self._known_arms[arm.name] = found
        return found

    def _rates(self, published: np.ndarray, sd: np.ndarray, told: np.ndarray) -> np.ndarray:
        # The published rate's variance enters as far as training did not tell of the arm.
        variance = (self._rate_weight * sd) ** 2
        return np.array(
            [
                np.where(self._is_published, published, self._base_rate),
                np.where(self._is_published, variance / (1 + told * variance), 0.0),
            ]
        )

    def _fold_learners(self) -> None:
        K, width = len(self._heads), len(self._imputer.centre)
        curves = self._place_curves()
        # Columns: ridge per head, elastic net per head, then the roots of the posteriors.
        straight = np.zeros((width, 2 * K))
        curved = np.zeros((len(curves), 2 * K))
        constants = np.zeros(2 * K)
        own_straight, own_curved = np.zeros((K, width)), np.zeros((K, len(curves)))
        centres = np.zeros((K, width))
        learned = np.zeros(K)  # deviation of the average patient
        for j, (_, deviation) in enumerate(self._fitted):
            expected = self._boosters[j].contributions(np.zeros((1, width)))[0, -1]
            learned += self._B[j] / 3 * expected
            for learner, at in ((deviation.ridge, 0), (deviation.elastic_net, K)):
                s, c, constant, centre = _folded(learner, curves, width)
                straight[:, at : at + K] += np.outer(s, self._B[j])
                curved[:, at : at + K] += np.outer(c, self._B[j])
                constants[at : at + K] += constant * self._B[j]
                own_straight += np.outer(self._B[j] / 3, s)
                own_curved += np.outer(self._B[j] / 3, c)
                centres += np.outer(self._B[j] / 3, centre)
                learned += self._B[j] / 3 * learner.intercept
        roots, shifts = [], []
        for head in self._heads:
            basis, root = head.uncertainty.basis, head.uncertainty.root
            scaled = root[1:] / basis.scale[:, None]
            roots.append(scaled)
            shifts.append(root[0] - basis.centre @ scaled)
        widths = [root.shape[1] for root in roots]
        self._root_starts = np.concatenate([[0], np.cumsum(widths)[:-1]])
        self._line_weights = np.ascontiguousarray(np.column_stack([straight, *roots]))
        self._line_constants = np.concatenate([constants, *shifts])
        self._curve_weights = curved
        # A site's update scales what was learned, and so every reason.
        scale = self._deviation_weight[:, None]
        self._own_straight, self._own_curved = scale * own_straight, scale * own_curved
        self._centre_parts, self._tree_weights = scale * centres, scale * self._B.T / 3
        rate = self._prior_mean + self._a
        self._base = self._alpha + self._rate_weight * rate + self._deviation_weight * learned

    def _place_curves(self) -> dict[tuple[int, tuple[float, ...], int], int]:
        """Find the distinct curved terms over all learners: column, knots and which of them."""
        curves: dict[tuple[int, tuple[float, ...], int], int] = {}
        knots: dict[tuple[int, float], int] = {}
        first, before, last, size, factors = [], [], [], [], []
        for _, deviation in self._fitted:
            for learner in (deviation.ridge, deviation.elastic_net):
                for column, places in enumerate(learner.basis.knots):
                    t = tuple(places)
                    for which in range(len(t) - 2):
                        if (column, t, which) in curves:
                            continue
                        curves[column, t, which] = len(curves)
                        at = [knots.setdefault((column, knot), len(knots)) for knot in t]
                        first.append(at[which])
                        before.append(at[-2])
                        last.append(at[-1])
                        gap = t[-1] - t[-2]
                        factors.append(((t[-1] - t[which]) / gap, (t[-2] - t[which]) / gap))
                        size.append((t[-1] - t[0]) ** 2)
        self._curve_columns = [column for column, _, _ in curves]
        self._knot_columns = np.array([column for column, _ in knots], dtype=int)
        self._knots = np.array([knot for _, knot in knots])
        self._curve_first, self._curve_before, self._curve_last = map(
            np.array, (first, before, last)
        )
        self._factor_before, self._factor_last = np.array(factors).reshape(-1, 2).T
        self._curve_size = np.array(size)
        return curves

    def _fold_priors(self) -> None:
        heads = self._heads
        self._a = np.array([head.a for head in heads])
        self._is_published = np.array([head.prior.kind == "published" for head in heads])
        self._base_rate = np.array([head.prior.base_rate or 0.0 for head in heads])
        self._prior_mean = np.array([head.prior.mean for head in heads])
        updates = [head.update for head in heads]
        self._alpha = np.array([update.alpha for update in updates])
        self._rate_weight = np.array([update.rate_weight for update in updates])
        self._deviation_weight = np.array([update.deviation_weight for update in updates])
        updated = any(update.kind != "none" for update in updates)
        self._covariance = np.array([u.covariance for u in updates]) if updated else None
        width = len(self._imputer.centre)
        effects = np.array([head.therapy_effects or [0.0] * width for head in heads]).T
        self._effect_columns = np.flatnonzero(effects.any(axis=1))
        self._effects = effects[self._effect_columns]
        self._own_effects = self._rate_weight[:, None] * self._effects.T

    def _fold_sources(self, of_column: list[int]) -> None:
        S = len(self.sources)
        self._source_of_column = np.eye(S)[of_column]
        of_curve = [of_column[column] for column in self._curve_columns]
        self._source_of_curve = np.eye(S)[of_curve].reshape(-1, S)
        self._centres = self._centre_parts @ self._source_of_column


def _folded(
    learner: LinearLearner, curves: dict[tuple[int, tuple[float, ...], int], int], width: int
) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
    """Weights on straight and curved raw terms, the constant, and the centre's part by column."""
    weights = learner.coefficients / learner.basis.scale
    centred = weights * learner.basis.centre
    straight, curved, centre = np.zeros(width), np.zeros(len(curves)), np.zeros(width)
    term = 0
    for column, places in enumerate(learner.basis.knots):
        straight[column] = weights[term]
        centre[column] = centred[term]
        term += 1
        for which in range(len(places) - 2):
            curved[curves[column, tuple(places), which]] = weights[term]
            centre[column] += centred[term]
            term += 1
    return straight, curved, float(learner.intercept - centred.sum()), centre


class _Imputer:
    """`FactorImputer.fill` and ``fill_complete``, with what is constant computed once."""

    def __init__(self, imputer: FactorImputer) -> None:
        self.centre, self._scale = imputer.centre, imputer.scale
        weighted = imputer.loadings / imputer.own_variance[:, None]
        k = imputer.loadings.shape[1]
        outer = (weighted[:, :, None] * imputer.loadings[:, None, :]).reshape(-1, k * k)
        self._k, self._outer, self._ridge = k, np.ascontiguousarray(outer), np.eye(k)
        self._weighted = weighted / self._scale[:, None]
        self._back = np.ascontiguousarray((imputer.loadings * self._scale[:, None]).T)
        self._complete = imputer.complete

    def fill(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return both fillings: everything, and only what training never missed."""
        absent = np.isnan(Z)
        if not absent.any():
            return Z, Z
        known = np.where(absent, 0.0, Z - self.centre)
        precision = (~absent).astype(float) @ self._outer
        precision = precision.reshape(-1, self._k, self._k) + self._ridge
        factors = np.linalg.solve(precision, (known @ self._weighted)[:, :, None])[:, :, 0]
        filled = np.where(absent, self.centre + factors @ self._back, Z)
        return filled, np.where(absent & self._complete, filled, Z)


def _lowest_first(capped_by: tuple[int | None, ...]) -> list[tuple[int, int | None]]:
    def depth(k: int) -> int:
        lower = capped_by[k]
        return 0 if lower is None else 1 + depth(lower)

    return [(k, capped_by[k]) for k in sorted(range(len(capped_by)), key=depth)]
