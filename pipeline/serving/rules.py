"""When a model gives no risk, and what it must say beside one."""

from __future__ import annotations

import numpy as np

from pipeline.features.encoder import REMEMBERED, Arm, Encoded, Encoder, Inputs
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
        self._low = np.where(binary, 0.0, np.array([low for low, _ in plausible]))
        self._high = np.where(binary, 1.0, np.array([high for _, high in plausible]))
        self._seen_low = np.array([low for low, _ in seen])
        self._seen_high = np.array([high for _, high in seen])
        # One look for nearly every patient: nothing is odd within both limits.
        finite = np.finfo(float).max
        self._calm_low = np.maximum(np.maximum(self._low, self._seen_low), -finite)
        self._calm_high = np.minimum(np.minimum(self._high, self._seen_high), finite)
        self._binary, self._variables = np.flatnonzero(binary), variables
        self._leading = self._places(self._scoring["leading"])
        self._usual = self._places(self._scoring.get("usually_known", []))
        self._needed = min(self._scoring["minimum_present"], len(self._scoring["leading"]))
        self._said_of: dict[str, list[tuple[bool, str]]] = {}
        self._arms_seen = {arm for head in artifact.model.heads for arm in head.information}

    def judge(self, inputs: Inputs, encoded: Encoded, risks: Risks, verdict: Verdict) -> None:
        """Say of each patient why there is no risk, or what to beware of."""
        known = ~np.isnan(inputs.numbers)
        told = {name: codes >= 0 for name, codes in inputs.codes.items()}
        anything = known.any(axis=1)
        for given in told.values():
            anything = anything | given
        # Without predictors and prior the model would still give its base rate to an empty record.
        if not anything.all():
            verdict.abstain_where(~anything, "nothing is known of the patient")
        self._prior(encoded, verdict)
        self._values(inputs, verdict)
        self._too_little_known(known, told, verdict)
        self._levels(inputs, verdict)
        self._model(risks, verdict)

    def _prior(self, encoded: Encoded, verdict: Verdict) -> None:
        for at, arm in enumerate(encoded.arms):
            said = self._said_of.get(arm.name) if arm.given else None
            if said is None:
                said = self._of_arm(arm)
                if arm.given:
                    if len(self._said_of) >= REMEMBERED:
                        self._said_of.clear()
                    self._said_of[arm.name] = said
            if said:
                which = encoded.arm == at
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
            return [(True, "no published rate bears on this therapy")]
        return [(False, sentence) for sentence in self._of_known(arm.therapy, arm.name)]

    def _of_known(self, therapy: str, arm: str) -> list[str]:
        plan, model = self._artifact.plan, self._artifact.model
        assert plan.facts is not None
        said = []
        if therapy not in model.therapies_seen:
            said.append(
                "training saw no patient with this therapy: its published rate is the "
                "starting point"
            )
        elif self._arms_seen and arm not in self._arms_seen:
            said.append("training saw no patient with this therapy in this disease")
        for outcome, grade in zip(model.outcomes, plan.grades, strict=True):
            rate = plan.facts.rate(therapy, None, grade) if grade is not None else None
            if rate is not None and rate.basis.startswith("pooled"):
                said.append(f"{outcome}: no published rate of the therapy itself; {rate.basis}")
        return said

    def _values(self, inputs: Inputs, verdict: Verdict) -> None:
        V = inputs.numbers
        flags = V[:, self._binary]
        odd = np.abs(flags * (flags - 1)) > 0  # false where missing
        for at in np.flatnonzero(odd.any(axis=0)):
            name = self._variables[self._binary[at]].name
            verdict.abstain_where(odd[:, at], f"'{name}' must be 0 or 1")
        if not ((self._calm_low > V) | (self._calm_high < V)).any():
            return
        wrong = (self._low > V) | (self._high < V) | np.isinf(V)
        for at in np.flatnonzero(wrong.any(axis=0)):
            variable, endless = self._variables[at], np.isinf(V[:, at])
            verdict.abstain_where(endless, f"'{variable.name}' is infinite")
            if variable.kind != "binary":
                unit = f" {variable.unit}" if variable.unit else ""
                limits = f"{self._low[at]:g} to {self._high[at]:g}{unit}"
                sentence = f"'{variable.name}' is outside {limits}; is its unit right?"
                verdict.abstain_where(wrong[:, at] & ~endless, sentence)
        beyond = (self._seen_low > V) | (self._seen_high < V)
        for at in np.flatnonzero(beyond.any(axis=0)):
            sentence = f"'{self._variables[at].name}' lies beyond what training saw"
            verdict.warn_where(beyond[:, at], sentence)

    def _too_little_known(
        self, known: np.ndarray, told: dict[str, np.ndarray], verdict: Verdict
    ) -> None:
        scoring = self._scoring
        # Variables, not scores: a value that enters three scores is still one thing known.
        few = _count(known, told, self._leading) < self._needed
        if few.any():
            labels = ", ".join(self._artifact.dictionary[name].label for name in scoring["leading"])
            sentence = f"fewer than {self._needed} of the leading predictors are known ({labels})"
            verdict.abstain_where(few, sentence)
        usual = len(self._usual[0]) + len(self._usual[1])
        if not usual:
            return
        missing = usual - _count(known, told, self._usual)
        much = missing > scoring["warn_missing_share"] * usual
        for count in np.unique(missing[much]) if much.any() else ():
            verdict.warn_where(
                missing == count,
                f"{count} of the {usual} values that training usually knew are missing: the "
                "model puts expected values in their place",
            )

    def _levels(self, inputs: Inputs, verdict: Verdict) -> None:
        for name, levels in inputs.levels.items():
            expected = self._artifact.dictionary[name].levels
            if not expected or name == self._artifact.plan.therapy:
                continue
            strange = [at for at, level in enumerate(levels) if level not in expected]
            if strange:
                which = np.isin(inputs.codes[name], strange)
                verdict.warn_where(which, f"'{name}' holds a level that training did not see")

    def _model(self, risks: Risks, verdict: Verdict) -> None:
        model = self._artifact.model
        for head in model.heads:
            if head.why_not_fitted:
                everyone = np.ones(len(risks.risk), dtype=bool)
                verdict.warn_where(everyone, f"{head.outcome}: {head.why_not_fitted}")
        outcomes = model.outcomes
        bound = risks.bound_by != np.arange(len(outcomes))
        if not bound.any():
            return
        for k in np.flatnonzero(bound.any(axis=0)):
            for lower in np.unique(risks.bound_by[bound[:, k], k]):
                verdict.warn_where(
                    risks.bound_by[:, k] == lower,
                    f"{outcomes[k]}: capped by the risk of {outcomes[lower]}, whose reasons apply",
                )

    def _places(self, names: list[str]) -> tuple[np.ndarray, list[str]]:
        place = {name: at for at, name in enumerate(self._encoder.numbers)}
        numbers = np.array([place[n] for n in names if n in place], dtype=int)
        return numbers, [n for n in names if n not in place]


def _count(
    known: np.ndarray, told: dict[str, np.ndarray], places: tuple[np.ndarray, list[str]]
) -> np.ndarray:
    """How many of some variables are known, shape (n,)."""
    numbers, texts = places
    count = known[:, numbers].sum(axis=1)
    for name in texts:
        count = count + told[name]
    return np.asarray(count)
