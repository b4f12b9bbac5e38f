"""When a model gives no risk, and what it must say beside one."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from pipeline.features.encoder import REMEMBERED, Arm, Arms, Encoder, Inputs
from pipeline.model.artifact import Artifact
from pipeline.model.risk_model import Risks
from pipeline.serving.verdict import Verdict


class Rules:
    """The rules of one model, its limits laid out as arrays.

    Parameters
    ----------
    artifact : Artifact
    encoder : Encoder
    """

    def __init__(self, artifact: Artifact, encoder: Encoder) -> None:
        self._artifact, self._encoder = artifact, encoder
        self._scoring = artifact.facts["scoring"]
        variables = [artifact.dictionary[name] for name in encoder.numbers]
        plausible = [v.range or (-np.inf, np.inf) for v in variables]
        seen = [self._scoring["seen"].get(v.name, (-np.inf, np.inf)) for v in variables]
        # Binary variables have a rule of their own, which says more.
        binary = np.array([v.kind == "binary" for v in variables], dtype=bool)
        # What is infinite is outside where nothing else is.
        finite = np.finfo(float).max
        self._low = np.where(binary, 0.0, np.array([max(low, -finite) for low, _ in plausible]))
        self._high = np.where(binary, 1.0, np.array([min(high, finite) for _, high in plausible]))
        self._seen_low = np.array([low for low, _ in seen])
        self._seen_high = np.array([high for _, high in seen])
        # One look for nearly every value: nothing is odd within both limits.
        self._calm_low = np.maximum(self._low, self._seen_low)[:, None]
        self._calm_high = np.minimum(self._high, self._seen_high)[:, None]
        self._binary, self._variables = np.flatnonzero(binary), variables
        self._levels_seen = [
            (at, frozenset(levels))
            for at, name in enumerate(encoder.texts)
            if (levels := artifact.dictionary[name].levels) and name != artifact.plan.therapy
        ]
        listed = artifact.plan.listed_levels
        self._missing_if_strange = {at for at, name in enumerate(encoder.texts) if name in listed}
        heads = artifact.model.heads
        self._unfitted = [f"{h.outcome}: {h.why_not_fitted}" for h in heads if h.why_not_fitted]
        self._own = np.arange(len(heads))
        self._set_counts()
        self._said_of = lru_cache(REMEMBERED)(self._of_arm)
        self._arms_seen = {arm for head in heads for arm in head.information}

    def judge(self, inputs: Inputs, arms: Arms, risks: Risks, verdict: Verdict) -> None:
        """Say of each patient why there is no risk, or what to beware of."""
        V = inputs.numbers.T
        strange = self._strange(inputs)
        texts = inputs.codes.T >= 0
        for at, which in strange:
            if at in self._missing_if_strange:
                texts[at] &= ~which
        count = self._counted @ np.concatenate([V == V, texts])
        short = count < self._least
        too_little = short.any()
        # Without predictors and prior the model would still give its base rate to an empty record.
        if too_little:
            verdict.abstain_where(short[0], "nothing is known of the patient")
        self._prior(arms, verdict)
        self._values(V, verdict)
        if too_little:
            self._too_little_known(short, count, verdict)
        self._levels(strange, verdict)
        self._model(risks, verdict)

    def _prior(self, arms: Arms, verdict: Verdict) -> None:
        for at, arm in enumerate(arms.each):
            if said := self._said_of(arm):
                which = arms.of == at
                for abstains, sentence in said:
                    (verdict.abstain_where if abstains else verdict.warn_where)(which, sentence)

    def _of_arm(self, arm: Arm) -> list[tuple[bool, str]]:
        """Sentences on an arm, each with whether it leaves its patients without a risk."""
        if not arm.given:
            return [(True, f"'{self._artifact.plan.therapy}' is missing")]
        if arm.therapy is None:
            name = self._artifact.plan.therapy
            return [(True, f"'{name}' is a therapy the model does not know")]
        if any(
            head.prior.kind == "published" and np.isnan(rate)
            for head, rate in zip(self._artifact.model.heads, arm.published, strict=True)
        ):
            return [(True, "no rate in the table of therapies bears on this therapy")]
        return [(False, sentence) for sentence in self._of_known(arm, arm.therapy)]

    def _of_known(self, arm: Arm, therapy: str) -> list[str]:
        plan, model = self._artifact.plan, self._artifact.model
        assert plan.facts is not None
        said = []
        if therapy not in model.therapies_seen:
            said.append(
                "training saw no patient with this therapy: its rate in the table of therapies "
                "is the starting point"
            )
        elif self._arms_seen and arm.name not in self._arms_seen:
            said.append(
                "training saw no patient with this therapy in this disease"
                if arm.in_disease or plan.disease is None
                else f"'{plan.disease}' is missing: the starting point is the therapy's rate in any"
            )
        for outcome, grade in zip(model.outcomes, plan.grades, strict=True):
            rate = plan.facts.rate(therapy, None, grade) if grade is not None else None
            if rate is not None and rate.basis.startswith("pooled"):
                said.append(
                    f"{outcome}: the table of therapies has no rate of this one; {rate.basis}"
                )
        return said

    def _values(self, V: np.ndarray, verdict: Verdict) -> None:
        flags = V.take(self._binary, axis=0)
        odd = (flags > 0) & (flags < 1)
        if odd.any():
            for at in np.flatnonzero(odd.any(axis=1)).tolist():
                self._not_binary(int(self._binary[at]), odd[at], verdict)
        odd = (self._calm_low > V) | (self._calm_high < V)
        if odd.any():
            for at in np.flatnonzero(odd.any(axis=1)).tolist():
                self._outside(at, V[at], verdict)

    def _outside(self, at: int, values: np.ndarray, verdict: Verdict) -> None:
        variable = self._variables[at]
        wrong = (values < self._low[at]) | (values > self._high[at])
        if wrong.any():
            endless = np.isinf(values)
            verdict.abstain_where(endless, f"'{variable.name}' is infinite")
            if variable.kind == "binary":
                self._not_binary(at, wrong, verdict)
            else:
                limits = f"{self._low[at]:g} to {self._high[at]:g}"
                # Of a grade or a ratio there is no unit to doubt.
                if variable.unit not in (None, "1"):
                    limits += f" {variable.unit}; is its unit right?"
                sentence = f"'{variable.name}' is outside {limits}"
                verdict.abstain_where(wrong & ~endless, sentence)
        beyond = (values < self._seen_low[at]) | (values > self._seen_high[at])
        verdict.warn_where(
            beyond, f"'{variable.name}' lies beyond what nearly all training patients had"
        )

    def _not_binary(self, at: int, which: np.ndarray, verdict: Verdict) -> None:
        verdict.abstain_where(which, f"'{self._variables[at].name}' must be 0 or 1")

    def _too_little_known(self, short: np.ndarray, count: np.ndarray, verdict: Verdict) -> None:
        _, few, much = short
        leading, usual = self._scoring["leading"], len(self._scoring.get("usually_known", []))
        if few.any():
            labels = ", ".join(self._artifact.dictionary[name].label for name in leading)
            needed = f"{self._least[1, 0]:.0f}"
            sentence = f"fewer than {needed} of the leading predictors are known ({labels})"
            verdict.abstain_where(few, sentence)
        missing = usual - count[2]
        for absent in np.unique(missing[much]):
            verdict.warn_where(
                missing == absent,
                f"{absent:.0f} of the {usual} values that training usually knew are missing: "
                "the model puts expected values in their place",
            )

    def _strange(self, inputs: Inputs) -> list[tuple[int, np.ndarray]]:
        """Text variables with levels that training did not see, and in which patients."""
        found = []
        for at, expected in self._levels_seen:
            codes = [code for code, level in enumerate(inputs.levels[at]) if level not in expected]
            if codes:
                found.append((at, np.isin(inputs.codes[:, at], codes)))
        return found

    def _levels(self, strange: list[tuple[int, np.ndarray]], verdict: Verdict) -> None:
        for at, which in strange:
            sentence = f"'{self._encoder.texts[at]}' holds a level that training did not see"
            if at in self._missing_if_strange:
                sentence += ": it is taken as missing"
            verdict.warn_where(which, sentence)

    def _model(self, risks: Risks, verdict: Verdict) -> None:
        for sentence in self._unfitted:
            verdict.warn_where(np.ones(len(risks.risk), dtype=bool), sentence)
        bound = risks.bound_by != self._own
        if not bound.any():
            return
        outcomes = self._artifact.model.outcomes
        for k in np.flatnonzero(bound.any(axis=0)):
            for lower in np.unique(risks.bound_by[bound[:, k], k]):
                verdict.warn_where(
                    risks.bound_by[:, k] == lower,
                    f"{outcomes[k]}: capped by the risk of {outcomes[lower]}, whose reasons apply",
                )

    def _set_counts(self) -> None:
        """What is counted, as rows of 0/1, and of how much there must be how many.

        Anything at all, leading predictors, values that training usually knew. Variables, not
        scores: a value that enters three scores is still one thing known.
        """
        leading, usual = self._scoring["leading"], self._scoring.get("usually_known", [])
        names = [*self._encoder.numbers, *self._encoder.texts]
        self._counted = np.array(
            [[True for _ in names], [n in leading for n in names], [n in usual for n in names]],
            dtype=float,
        )
        needed = min(self._scoring["minimum_present"], len(leading))
        may_miss = math.floor(self._scoring["warn_missing_share"] * len(usual))
        self._least = np.array([[1.0], [needed], [len(usual) - may_miss]])
