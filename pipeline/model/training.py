"""From cohort and feature plan to a trained model with the facts that scoring needs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipeline.cohort.dictionary import Dictionary
from pipeline.cohort.units import conversions
from pipeline.config import Config
from pipeline.errors import InputError
from pipeline.features.faults import faulty_predictors
from pipeline.features.plan import FeaturePlan
from pipeline.model.artifact import Artifact
from pipeline.model.deviation import LEARNERS
from pipeline.model.fitting import fit_risk_model
from pipeline.model.head import Head
from pipeline.model.patients import Patients
from pipeline.model.reference import reference_of
from pipeline.model.risk_model import RiskModel

_USUAL_SHARE = 0.5


def train_artifact(
    cohort: pd.DataFrame,
    dictionary: Dictionary,
    plan: FeaturePlan,
    config: Config,
    provenance: dict[str, Any],
) -> Artifact:
    """Fit the model on the whole cohort.

    Parameters
    ----------
    cohort : DataFrame
        Canonical values and outcomes.
    dictionary : Dictionary
        Restricted to the cohort.
    plan : FeaturePlan
    config : Config
        Its ``seed``, ``outcomes``, ``primary_outcome``, ``predictors``, ``audit``, ``model``,
        ``scoring``, ``window``, and of ``evaluation`` who each row is.
    provenance : dict
        Digests and names, kept with the model.

    Raises
    ------
    InputError
        If the audit leaves no predictor.
    """
    labels, before = plan.labels, plan.left_out
    chosen = config.predictors.drop_audited
    plan = plan.without(
        faulty_predictors(
            cohort, dictionary, plan, config.outcomes, chosen, config.audit, config.seed
        )
    )
    if not plan.columns:
        raise InputError(
            "the audit finds a fault in every predictor",
            column="predictors.drop_audited",
            mend="read the findings of 'audit' and correct the data",
        )
    patients = Patients.of(cohort, plan, config.outcomes, config.evaluation)
    model = fit_risk_model(patients, config.model, config.seed)
    read = {v.name for v in plan.variables} | {plan.therapy, plan.disease}
    facts = {
        "identifier": next(iter(dictionary.names("id")), None),
        "labels": {name: outcome.label for name, outcome in config.outcomes.items()},
        "outcomes": {
            name: {"column": outcome.column, "at_least": float(outcome.at_least)}
            for name, outcome in config.outcomes.items()
        },
        "primary_outcome": config.primary_outcome,
        "dropped": [
            {"name": name, "label": labels[name], "because": why}
            for name, why in plan.left_out.items()
            if name not in before
        ],
        "interval_level": config.model.interval_level,
        "scoring": {
            "leading": _leading(model, patients, plan, config.scoring.leading_variables),
            "minimum_present": config.scoring.minimum_leading_present,
            "seen": _seen(cohort, plan),
            "usually_known": _usually_known(cohort, plan),
            "warn_missing_share": config.scoring.warn_missing_share,
            "window": [config.window.first_day, config.window.last_day],
        },
        "reference": reference_of(cohort, plan, model, patients, config.model.interval_level),
        # Carried along, so that a service converts units without a library for it.
        "conversions": {v.name: conversions(v) for v in dictionary if v.name in read and v.accepts},
        "provenance": provenance,
    }
    needed = Dictionary(v for v in dictionary if v.name in read)
    return Artifact(model, plan, needed, facts)


def summarise(artifact: Artifact) -> dict[str, Any]:
    """What training chose, for people: per head the sizes, penalties and weights."""
    heads = []
    for head in artifact.model.heads:
        entry: dict[str, Any] = {
            "outcome": head.outcome,
            "label": artifact.facts["labels"][head.outcome],
            "patients": head.patients,
            "events": head.events,
            "fitted": head.deviation is not None,
            "why_not_fitted": head.why_not_fitted,
            "prior": head.prior.kind,
            # Fitted against a known prior, it tells how many events there were.
            "a": None if head.events is None else head.a,
            "b": dict(zip(LEARNERS, head.b, strict=True)),
            "follows": _follows(head, artifact.plan),
        }
        if head.deviation is not None:
            found = head.deviation
            entry |= {
                "leaves": found.trees.leaves,
                "trees": found.trees.trees,
                "ridge_penalty": found.ridge.penalty,
                "elastic_net_penalty": found.elastic_net.penalty,
                "elastic_net_terms": int(np.count_nonzero(found.elastic_net.coefficients)),
            }
        heads.append(entry)
    return {
        "heads": heads,
        "dropped": artifact.facts["dropped"],
        "scoring": artifact.facts["scoring"] | {"seen": None},
    }


def _follows(head: Head, plan: FeaturePlan) -> dict[str, float]:
    """How far each modality of therapy follows the deviation: 1 is as much as the others."""
    effects = zip(plan.columns, head.modality_effects, strict=False)
    return {str(c.level): 1 + effect for c, effect in effects if effect}


def _leading(model: RiskModel, patients: Patients, plan: FeaturePlan, count: int) -> list[str]:
    """Variables of the patient with the largest mean contribution over all heads.

    What a score contributes is shared out equally to the variables it is computed from: the
    same laboratory value must not be counted twice when a rule asks how much is known. The
    therapy is not among them, for without it there is no risk anyway.
    """
    if not any(head.deviation for head in model.heads):
        return []
    own = np.tile(np.arange(len(model.heads)), (len(patients), 1))
    _, parts = model.contributions(patients.Z, patients.published, own, plan)
    size = np.abs(parts).mean(axis=(0, 2))[:-1]
    inputs = {score.name: score.variables for score in plan.scores}
    shares: dict[str, float] = {}
    for source, amount in zip(plan.sources, size, strict=True):
        variables = inputs.get(source, [source])
        for variable in variables:
            shares[variable] = shares.get(variable, 0.0) + float(amount) / len(variables)
    patient = [v for v, share in shares.items() if share > 0 and not _from_therapy(plan, v)]
    return sorted(patient, key=lambda variable: -shares[variable])[:count]


def _from_therapy(plan: FeaturePlan, source: str) -> bool:
    return plan.facts is not None and (source == "therapy" or source.startswith("therapy_"))


def _seen(cohort: pd.DataFrame, plan: FeaturePlan) -> dict[str, list[float]]:
    """Limits within which training saw numeric variables.

    The 10th smallest and largest value, so that no single patient's value is published.
    """
    limits = {}
    for variable in plan.variables:
        values = (
            np.sort(cohort[variable.name].dropna().to_numpy())
            if (variable.kind == "numeric" and variable.name in cohort)
            else np.array([])
        )
        if len(values) >= 40:
            limits[variable.name] = [float(values[9]), float(values[-10])]
    return limits


def _usually_known(cohort: pd.DataFrame, plan: FeaturePlan) -> list[str]:
    """Variables that were known of at least half of the training patients."""
    return [
        v.name
        for v in plan.variables
        if v.name in cohort and cohort[v.name].notna().mean() >= _USUAL_SHARE
    ]
