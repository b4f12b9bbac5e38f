"""A made-up patient, for forms, signatures and documentation: never one of the cohort."""

from __future__ import annotations

import pandas as pd

from pipeline.cohort.dictionary import Variable
from pipeline.model.artifact import Artifact


def example_record(artifact: Artifact) -> pd.DataFrame:
    """One row in the model's units: the middle of what each variable usually is.

    The therapy is the first that training saw.
    """
    row: dict[str, object] = {}
    for variable in artifact.dictionary:
        if variable.name == artifact.plan.therapy and artifact.model.therapies_seen:
            row[variable.name] = artifact.model.therapies_seen[0]
        else:
            row[variable.name] = _middle(variable)
    return pd.DataFrame([row])


def _middle(variable: Variable) -> object:
    if variable.kind == "binary":
        return 0.0
    if variable.kind == "categorical":
        return variable.levels[0] if variable.levels else None
    low, high = variable.usual or variable.range or (0.0, 1.0)
    if variable.scale == "log":
        return float(f"{(max(low, variable.log_floor) * high) ** 0.5:.3g}")
    return float(f"{(low + high) / 2:.3g}")
