"""Predictors that the audit finds at fault in the patients a model is fitted on."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pipeline.cohort.audit import audit_columns
from pipeline.cohort.audit.auditing import CHECKS
from pipeline.cohort.dictionary import Dictionary
from pipeline.config import Audit, Outcome
from pipeline.features.plan import FeaturePlan

# Checks that know no error: a copy or a constant harms no figure, and adds nothing either.
REDUNDANT = ("near_identical", "constant")


def faulty_predictors(
    cohort: pd.DataFrame,
    dictionary: Dictionary,
    plan: FeaturePlan,
    outcomes: dict[str, Outcome],
    checks: Sequence[str],
    settings: Audit,
    seed: int,
) -> dict[str, str]:
    """Find the predictors to drop before fitting.

    Parameters
    ----------
    cohort : DataFrame
        The patients that the model will be fitted on, and no others.
    dictionary : Dictionary
        Restricted to the cohort.
    plan : FeaturePlan
        Only variables that it reads are audited. The therapy stays: its published rate is
        where the model starts.
    outcomes : dict of Outcome
    checks : sequence of str
        Names of checks of single columns; none finds nothing.
    settings : Audit
    seed : int

    Returns
    -------
    dict of str to str
        Variable to the reason, without a count: it leaves with the model.
    """
    if not checks:
        return {}
    read = {variable.name for variable in plan.variables} - {plan.therapy}
    audited = Dictionary(
        v for v in dictionary if v.name in read | {plan.therapy} or not v.is_baseline_predictor
        or v.name in settings.strata
    )  # fmt: skip
    chosen = [check for check in CHECKS if check.__name__ in checks]
    found = audit_columns(cohort, audited, outcomes, settings, seed, chosen)
    reasons = {}
    for name, findings in found.items():
        grave = [f for f in findings if f.severity == "error" or f.check in REDUNDANT]
        if grave and name in read:
            reasons[name] = f"the audit found a fault ({grave[0].check.replace('_', ' ')})"
    return reasons
