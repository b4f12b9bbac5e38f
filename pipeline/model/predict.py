"""Canonical values in, coherent risks with intervals and reasons out: one path for all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.features.matrix import Values, arm_names, build_matrix, prior_log_odds
from pipeline.model.artifact import Artifact
from pipeline.model.risk_model import Risks


@dataclass(frozen=True)
class Prediction:
    """Risks, and what explains them exactly.

    Attributes
    ----------
    risks : Risks
    base : ndarray, shape (n, outcomes)
    contributions : ndarray, shape (n, sources + 1, outcomes)
        Per source of the plan, the therapy prior last, on the calibrated log-odds.
    """

    risks: Risks
    base: np.ndarray
    contributions: np.ndarray


def predict(artifact: Artifact, values: Values) -> Risks:
    """Predict risks for canonical values."""
    return _risks(artifact, values)[2]


def predict_with_reasons(artifact: Artifact, values: Values) -> Prediction:
    """Predict risks and their exact contributions.

    Notes
    -----
    ``base + contributions.sum(axis=1)`` equals the log-odds of the risk to 1e-9.
    """
    Z, published, risks = _risks(artifact, values)
    base, parts = artifact.model.contributions(Z, published, risks.bound_by, artifact.plan)
    return Prediction(risks, base, parts)


def _risks(artifact: Artifact, values: Values) -> tuple[np.ndarray, np.ndarray, Risks]:
    plan = artifact.plan
    Z = build_matrix(values, plan)
    published, published_sd = prior_log_odds(values, plan)
    arms, level = arm_names(values, plan), artifact.facts["interval_level"]
    return Z, published, artifact.model.predict(Z, published, published_sd, arms, level)
