"""When a model gives no risk, and what it must say beside one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.features.matrix import Values
from pipeline.model.artifact import Artifact
from pipeline.model.risk_model import Risks


def judge_rows(
    artifact: Artifact, values: Values, risks: Risks
) -> tuple[np.ndarray, list[list[str]]]:
    """Decide for each patient whether to abstain, and what to note.

    Returns
    -------
    abstains : ndarray of bool, shape (n,)
    notes : list of list of str
        Sentences for each patient; they name variables, never values.
    """
    n = len(risks.risk)
    rows = _Rows(n)
    _nothing_known(rows, values)
    _unknown_prior(rows, artifact, values, risks)
    _implausible_values(rows, artifact, values)
    _too_little_known(rows, artifact, values)
    _never_seen(rows, artifact, values)
    _nothing_fitted(rows, artifact)
    _capped(rows, artifact, risks)
    return rows.abstains, rows.notes


class _Rows:
    """Verdict and notes, collected over the rules."""

    def __init__(self, n: int) -> None:
        self.abstains = np.zeros(n, dtype=bool)
        self.notes: list[list[str]] = [[] for _ in range(n)]

    def note(self, which: np.ndarray, sentence: str, abstain: bool = False) -> None:
        for row in np.flatnonzero(which):
            self.notes[row].append(sentence)
        if abstain:
            self.abstains |= which


def _nothing_known(rows: _Rows, values: Values) -> None:
    # Without predictors and prior the model would still give its base rate to an empty record.
    known = np.zeros(len(rows.abstains), dtype=bool)
    for given in values.values():
        known |= ~pd.isna(given)
    rows.note(~known, "no risk: nothing is known of the patient", abstain=True)


def _unknown_prior(rows: _Rows, artifact: Artifact, values: Values, risks: Risks) -> None:
    plan = artifact.plan
    if plan.facts is None or plan.therapy is None:
        return
    names = plan.facts.names(values[plan.therapy])
    missing = pd.isna(values[plan.therapy])
    unknown = pd.isna(names) & ~missing
    rows.note(missing, f"no risk: '{plan.therapy}' is missing", abstain=True)
    rows.note(unknown, f"no risk: '{plan.therapy}' is a therapy the model does not know", True)
    no_rate = np.isnan(risks.prior).any(axis=1) & ~missing & ~unknown
    rows.note(no_rate, "no risk: no published rate bears on this therapy", abstain=True)
    known = ~missing & ~unknown & ~no_rate
    seen = np.isin(names.astype(str), artifact.model.therapies_seen)
    rows.note(
        known & ~seen,
        "training saw no patient with this therapy: its published rate is the starting point",
    )
    for outcome, grade in zip(artifact.model.outcomes, plan.grades, strict=True):
        if grade is None:
            continue
        for name in sorted(set(names[known])):
            rate = plan.facts.rate(name, None, grade)
            if rate is not None and rate.basis.startswith("pooled"):
                sentence = f"{outcome}: no published rate of the therapy itself; {rate.basis}"
                rows.note(known & (names == name), sentence)


def _implausible_values(rows: _Rows, artifact: Artifact, values: Values) -> None:
    for variable in artifact.dictionary:
        given = values.get(variable.name)
        if given is None or given.dtype == object:
            continue
        endless = np.isinf(given)
        rows.note(endless, f"no risk: '{variable.name}' is infinite", abstain=True)
        if variable.kind == "binary":
            wrong = ~np.isnan(given) & (given != 0) & (given != 1)
            rows.note(wrong, f"no risk: '{variable.name}' must be 0 or 1", abstain=True)
        elif variable.range is not None:
            low, high = variable.range
            wrong = ((given < low) | (given > high)) & ~endless
            unit = f" {variable.unit}" if variable.unit else ""
            limits = f"{low:g} to {high:g}{unit}"
            sentence = f"no risk: '{variable.name}' is outside {limits}; is its unit right?"
            rows.note(wrong, sentence, abstain=True)
    for variable in artifact.dictionary:
        given = values.get(variable.name)
        if variable.kind == "categorical" and variable.levels and given is not None:
            if variable.name == artifact.plan.therapy:
                continue
            strange = ~pd.isna(given) & ~np.isin(given.astype(str), variable.levels)
            rows.note(strange, f"'{variable.name}' holds a level that training did not see")


def _too_little_known(rows: _Rows, artifact: Artifact, values: Values) -> None:
    rule = artifact.facts["scoring"]
    leading = rule["leading"]
    if not leading:
        return
    # Variables, not scores: a value that enters three scores is still one thing known.
    present = np.sum([~pd.isna(values[name]) for name in leading], axis=0)
    labels = ", ".join(artifact.dictionary[name].label for name in leading)
    needed = min(rule["minimum_present"], len(leading))
    sentence = f"no risk: fewer than {needed} of the leading predictors are known ({labels})"
    rows.note(present < needed, sentence, abstain=True)


def _never_seen(rows: _Rows, artifact: Artifact, values: Values) -> None:
    for name, (low, high) in artifact.facts["scoring"]["seen"].items():
        given = values.get(name)
        if given is not None:
            beyond = (given < low) | (given > high)
            rows.note(beyond, f"'{name}' lies beyond what training saw")


def _nothing_fitted(rows: _Rows, artifact: Artifact) -> None:
    everyone = np.ones(len(rows.abstains), dtype=bool)
    for head in artifact.model.heads:
        if head.why_not_fitted:
            rows.note(everyone, f"{head.outcome}: {head.why_not_fitted}")


def _capped(rows: _Rows, artifact: Artifact, risks: Risks) -> None:
    outcomes = artifact.model.outcomes
    for k, outcome in enumerate(outcomes):
        for lower in np.unique(risks.bound_by[:, k]):
            if lower != k:
                sentence = (
                    f"{outcome}: capped by the risk of {outcomes[lower]}, whose reasons apply"
                )
                rows.note(risks.bound_by[:, k] == lower, sentence)
