"""A made-up patient, for forms, signatures and documentation: never one of the cohort."""

from __future__ import annotations

import pandas as pd

from pipeline.cohort.dictionary import Variable
from pipeline.model.artifact import Artifact


def example_record(artifact: Artifact) -> pd.DataFrame:
    """One row in the model's units: the middle of what each variable usually is.

    Therapy and disease are those that training tells most of: a patient of whom the model
    warns would be a poor example.
    """
    plan, seen = artifact.plan, artifact.facts["scoring"]["seen"]
    row = {v.name: _middle(v, seen.get(v.name)) for v in artifact.dictionary}
    if plan.therapy is not None:
        therapy, disease = _arm_told_most(artifact)
        if therapy is not None:
            row[plan.therapy] = therapy
        if plan.disease is not None and disease is not None:
            row[plan.disease] = disease
    return pd.DataFrame([row])


def _arm_told_most(artifact: Artifact) -> tuple[str | None, str | None]:
    told: dict[str, float] = {}
    for head in artifact.model.heads:
        for arm, information in head.information.items():
            told[arm] = told.get(arm, 0.0) + information
    if not told:
        return next(iter(artifact.model.therapies_seen), None), None
    therapy, _, disease = max(told, key=lambda arm: told[arm]).partition(" in ")
    return therapy, disease or None


def _middle(variable: Variable, seen: tuple[float, float] | None) -> object:
    if variable.kind == "binary":
        return 0.0
    if variable.kind == "categorical":
        return variable.levels[0] if variable.levels else None
    if variable.usual is None and seen is not None:
        # A range holds what is possible, such as 25 lines of therapy; training saw fewer. It is
        # scores and counts that have no usual limits: whole numbers.
        return float(round(sum(seen) / 2))
    low, high = variable.usual or variable.range or (0.0, 1.0)
    if variable.scale == "log":
        return float(f"{(max(low, variable.log_floor) * high) ** 0.5:.3g}")
    return float(f"{(low + high) / 2:.3g}")
