"""The fitted model folded into a few matrices: the same risks and reasons, in microseconds.

``model.risk_model`` says what a risk is, term by term. Everything in it but trees, imputation
and splines is linear, so that centring, scaling and the weights ``b`` fold into one matrix of
coefficients. A test holds both equal to 1e-12.
"""

from __future__ import annotations

from dataclasses import fields
from statistics import NormalDist

import numpy as np

from pipeline.features.encoder import REMEMBERED, Arm, Encoded
from pipeline.model.artifact import Artifact, shared_deviations
from pipeline.model.booster import Booster
from pipeline.model.deviation import LEARNERS
from pipeline.model.imputation import FactorImputer
from pipeline.model.linear import LinearLearner
from pipeline.model.risk_model import PRIOR_SOURCE, Risks

_BLOCK = 512  # rows at a time: what they need stays in the processor's cache
_FEW = 16  # rows up to which a call costs more than the zeros that it multiplies
_TRIANGLE_BLOCKS = 5


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
        shared = shared_deviations(model.heads)
        self._deviations = [deviation for _, deviation in shared]
        self._boosters = [Booster.of(deviation.trees.text) for deviation in self._deviations]
        self._tree_bases = np.array([deviation.trees.base for deviation in self._deviations])
        of_outcome = {name: j for j, (names, _) in enumerate(shared) for name in names}
        # A head without a deviation weighs the first one by nothing.
        self._follows_deviation = [of_outcome.get(name, 0) for name in model.outcomes]
        self._b = np.array([h.b if h.deviation else (0.0,) * len(LEARNERS) for h in model.heads])
        self._fold_learners()
        self._fold_posteriors()
        self._fold_updates()
        self._fold_priors()
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
            self._predict(
                np.ascontiguousarray(Z[at : at + _BLOCK]), rates[:, arm[at : at + _BLOCK]], reasons
            )
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
        lines = filled @ self._straight
        cubes = self._cubes(filled)
        if cubes is not None:
            lines += cubes @ self._cube_weights
        lines += self._line_constants
        follows = 1.0 + _known(Z[:, self._modality_columns]) @ self._modality_effects
        deviation, disagreement = self._by_head(known, lines, follows)
        own_rate = _known(Z[:, self._effect_columns]) @ self._effects
        rate = prior + own_rate + self._a
        each = self._alpha + self._rate_weight * rate + self._deviation_weight * deviation
        variance = self._deviation_weight**2 * (self._posterior(filled) + disagreement)
        variance += prior_variance
        if self._update_covariance is not None:
            terms = np.stack([np.ones_like(rate), rate, deviation])
            variance += np.einsum("ink,kij,jnk->nk", terms, self._update_covariance, terms)
        spread = self._reach * np.sqrt(variance)
        log_odds, bound_by = self._capped(each)
        low, high = each - spread, each + spread
        if bound_by is None:
            bound_by = np.broadcast_to(self._own, each.shape)
        else:
            rows = np.arange(len(Z))[:, None]
            low, high = low[rows, bound_by], high[rows, bound_by]
        low, high = self._capped(low)[0], self._capped(high)[0]
        risk, low, high, prior_risk = 1 / (1 + np.exp(-np.array([log_odds, low, high, prior])))
        risks = Risks(risk, low, high, prior_risk, bound_by)
        nothing = np.empty((len(Z), 0))
        if not reasons:
            return risks, nothing, nothing
        return risks, *self._reasons(Z, filled, known, cubes, follows, prior, bound_by)

    def _by_head(
        self, known: np.ndarray, lines: np.ndarray, follows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Each head's deviation, and its variance between learners, shape (n, heads)."""
        deviations = len(self._deviations)
        if not deviations:
            return np.zeros_like(follows), np.zeros_like(follows)
        learned = np.empty((len(known), 3 * deviations))
        for j, booster in enumerate(self._boosters):
            learned[:, j] = booster.margin(known)
        learned[:, :deviations] -= self._tree_bases
        learned[:, deviations:] = lines
        weighted = learned @ self._learner_weights
        # The sum of b (f - mean)^2 is that of b f^2 less (the sum of b f)^2 by the sum of b.
        apart = self._total * ((learned * learned) @ self._learner_weights) - weighted * weighted
        return follows * weighted, follows**2 * np.maximum(apart, 0.0)

    def _reasons(
        self,
        Z: np.ndarray,
        filled: np.ndarray,
        known: np.ndarray,
        cubes: np.ndarray | None,
        follows: np.ndarray,
        prior: np.ndarray,
        bound_by: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        # Per head and column, shape (n, heads, columns).
        columns = filled[:, None, :] * self._own_straight
        if self._boosters:
            of_trees = np.stack([b.contributions(known)[:, :-1] for b in self._boosters], axis=1)
            columns += self._b[:, :1] * of_trees[:, self._follows_deviation]
        if cubes is not None:
            own = np.add.reduceat(cubes[:, None, :] * self._own_cubes, self._curve_starts, axis=2)
            columns[:, :, self._curve_columns] += own
        parts = columns @ self._source_of_column
        parts -= self._centres
        parts *= (self._deviation_weight * follows)[:, :, None]
        if len(self._effect_columns):
            effects = _known(Z[:, None, self._effect_columns]) * self._effect_weights
            parts += effects @ self._source_of_effect
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

    def _cubes(self, filled: np.ndarray) -> np.ndarray | None:
        """Third powers of how far values lie above the splines' knots, shape (n, knots)."""
        if not len(self._knots):
            return None
        above = filled.T[self._knot_columns]
        above -= self._knots
        np.maximum(above, 0.0, out=above)
        cubes = above * above
        cubes *= above
        return cubes.T

    def _posterior(self, filled: np.ndarray) -> np.ndarray:
        """Posterior variance of each head's log-odds, shape (n, heads)."""
        variance = np.zeros((len(filled), len(self._heads)))
        for first, weights, constants in self._roots if len(filled) > _FEW else self._root:
            lines = filled[:, first:] @ weights
            if constants is not None:
                lines += constants
            lines = lines.reshape(
                len(filled), len(self._heads), weights.shape[1] // len(self._heads)
            )
            variance += np.einsum("nkj,nkj->nk", lines, lines)
        return variance

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
        scaled = (self._rate_weight * sd) ** 2
        # The published rate's variance enters as far as training did not tell of the arm.
        return np.array(
            [
                np.where(self._is_published, published, self._base_rate),
                np.where(self._is_published, scaled / (1 + told * scaled), 0.0),
            ]
        )

    def _fold_learners(self) -> None:
        width, deviations = len(self._imputer.centre), len(self._deviations)
        place = self._place_knots()
        # Columns: ridge per deviation, elastic net per deviation.
        straight = np.zeros((width, 2 * deviations))
        cubes = np.zeros((len(place), 2 * deviations))
        constants = np.zeros(2 * deviations)
        centres = np.zeros((width, 2 * deviations))
        for j, deviation in enumerate(self._deviations):
            for learner, at in ((deviation.ridge, j), (deviation.elastic_net, deviations + j)):
                straight[:, at], cubes[:, at], constants[at], centres[:, at] = _folded(
                    learner, place, width
                )
        self._total = self._b.sum(axis=1)
        self._learner_weights = np.zeros((len(LEARNERS) * deviations, len(self._heads)))
        if deviations:
            for k, j in enumerate(self._follows_deviation):
                self._learner_weights[j::deviations, k] = self._b[k]
        # Per head, what its linear learners add up to.
        own = np.zeros((2 * deviations, len(self._heads)))
        if deviations:
            for k, j in enumerate(self._follows_deviation):
                own[[j, deviations + j], k] = self._b[k, 1:]
        self._straight, self._cube_weights, self._line_constants = straight, cubes, constants
        self._own_straight, self._own_cubes = (straight @ own).T, (cubes @ own).T
        self._centre_parts = (centres @ own).T

    def _fold_posteriors(self) -> None:
        triangles = []
        for head in self._heads:
            basis, root = head.uncertainty.basis, head.uncertainty.root
            scaled = root[1:] / basis.scale[:, None]
            whole = np.vstack([root[0] - basis.centre @ scaled, scaled])
            # Any root of the covariance gives the same variance; a triangular one is half empty.
            triangle = np.linalg.qr(whole.T, mode="r")
            triangles.append(np.pad(triangle, ((0, len(whole) - len(triangle)), (0, 0))))
        stacked = np.stack(triangles)
        self._root, self._roots = _in_blocks(stacked, 1), _in_blocks(stacked, _TRIANGLE_BLOCKS)

    def _place_knots(self) -> dict[tuple[int, float], int]:
        """Find the distinct knots over all learners, in the columns' order."""
        found = {
            (column, knot)
            for deviation in self._deviations
            for learner in (deviation.ridge, deviation.elastic_net)
            for column, places in enumerate(learner.basis.knots)
            for knot in places
        }
        place = {knot: at for at, knot in enumerate(sorted(found))}
        self._knot_columns = np.array([column for column, _ in place], dtype=int)
        self._knots = np.array([[knot] for _, knot in place])
        self._curve_columns, self._curve_starts = np.unique(self._knot_columns, return_index=True)
        return place

    def _fold_updates(self) -> None:
        updates = [head.update for head in self._heads]
        self._alpha = np.array([update.alpha for update in updates])
        self._rate_weight = np.array([update.rate_weight for update in updates])
        self._deviation_weight = np.array([update.deviation_weight for update in updates])
        covariance = np.array([update.covariance for update in updates])
        self._update_covariance = covariance if covariance.any() else None

    def _fold_priors(self) -> None:
        heads = self._heads
        self._a = np.array([head.a for head in heads])
        self._is_published = np.array([head.prior.kind == "published" for head in heads])
        self._base_rate = np.array([head.prior.base_rate or 0.0 for head in heads])
        self._prior_mean = np.array([head.prior.mean for head in heads])
        width = len(self._imputer.centre)
        effects = np.array([head.therapy_effects or [0.0] * width for head in heads]).T
        self._effect_columns = np.flatnonzero(effects.any(axis=1))
        self._effects = effects[self._effect_columns]
        factors = np.array([head.modality_effects or [0.0] * width for head in heads]).T
        self._modality_columns = np.flatnonzero(factors.any(axis=1))
        self._modality_effects = factors[self._modality_columns]
        self._base = self._alpha + self._rate_weight * (self._prior_mean + self._a)

    def _fold_sources(self, of_column: list[int]) -> None:
        S = len(self.sources)
        self._source_of_column = np.eye(S)[of_column]
        self._centres = self._centre_parts @ self._source_of_column
        self._source_of_effect = self._source_of_column[self._effect_columns]
        self._effect_weights = self._effects.T * self._rate_weight[:, None]


def _known(Z: np.ndarray) -> np.ndarray:
    # A fourth of the time of numpy's nan_to_num, which also looks for infinities.
    return np.where(np.isnan(Z), 0.0, Z)


def _folded(
    learner: LinearLearner, place: dict[tuple[int, float], int], width: int
) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
    """Weights on raw terms and cubes, the constant, and the centre's part by column.

    A curved term is a sum of cubes, as ``splines.curved_parts`` writes it.
    """
    weights = learner.coefficients / learner.basis.scale
    centred = weights * learner.basis.centre
    straight, cubes, centre = np.zeros(width), np.zeros(len(place)), np.zeros(width)
    term = 0
    for column, t in enumerate(learner.basis.knots):
        straight[column] = weights[term]
        centre[column] = centred[term]
        term += 1
        for which in range(len(t) - 2):
            weight, gap = weights[term] / (t[-1] - t[0]) ** 2, t[-1] - t[-2]
            cubes[place[column, t[which]]] += weight
            cubes[place[column, t[-2]]] -= weight * (t[-1] - t[which]) / gap
            cubes[place[column, t[-1]]] += weight * (t[-2] - t[which]) / gap
            centre[column] += centred[term]
            term += 1
    return straight, cubes, -float(centred.sum()), centre


def _in_blocks(
    triangles: np.ndarray, count: int
) -> list[tuple[int, np.ndarray, np.ndarray | None]]:
    """Cut upper triangles into bands of rows, without the columns that are empty in a band.

    Parameters
    ----------
    triangles : ndarray, shape (heads, columns + 1, columns + 1)
        The first column is the intercept's.

    Returns
    -------
    list of tuple
        First column of the model matrix that enters, weights of shape (columns that enter,
        heads times the band's rows), and the constants; None where there are none.
    """
    blocks = []
    for rows in np.array_split(np.arange(triangles.shape[1]), count):
        band, first = triangles[:, rows], max(int(rows[0]), 1)
        weights = np.ascontiguousarray(band[:, :, first:].reshape(-1, band.shape[2] - first).T)
        blocks.append((first - 1, weights, band[:, :, 0].ravel() if rows[0] == 0 else None))
    return blocks


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
        beyond = np.where(absent, 0.0, Z - self.centre)
        precision = (~absent).astype(float) @ self._outer
        precision = precision.reshape(-1, self._k, self._k) + self._ridge
        factors = np.linalg.solve(precision, (beyond @ self._weighted)[:, :, None])[:, :, 0]
        expected = factors @ self._back
        expected += self.centre
        filled = np.where(absent, expected, Z)
        unseen = np.flatnonzero(self._complete & absent.any(axis=0))
        known = Z
        if len(unseen):
            known = Z.copy()
            known[:, unseen] = filled[:, unseen]
        return filled, known


def _lowest_first(capped_by: tuple[int | None, ...]) -> list[tuple[int, int | None]]:
    def depth(k: int) -> int:
        lower = capped_by[k]
        return 0 if lower is None else 1 + depth(lower)

    return [(k, capped_by[k]) for k in sorted(range(len(capped_by)), key=depth)]
