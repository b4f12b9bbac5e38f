"""The monitor: a model and new patients in, what has changed and one verdict out."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.config import Monitoring
from pipeline.model.artifact import Artifact
from pipeline.model.head import SMALLEST_SHOWN
from pipeline.monitoring.calibration import calibration_by_period
from pipeline.monitoring.drift import measure_drift
from pipeline.monitoring.faults import unit_faults
from pipeline.monitoring.feed import feed_faults
from pipeline.monitoring.observations import Observations
from pipeline.monitoring.reasons import count_of
from pipeline.monitoring.verdict import judge

_LEVEL = 0.95


def monitor(observations: Observations, artifact: Artifact, settings: Monitoring) -> dict[str, Any]:
    """Compare new patients with training, and served risks with what happened.

    Returns
    -------
    dict
        Plain JSON values without any patient's: ``patients``, ``without_risk`` and
        ``outcomes_known`` (of the primary outcome; both None where few), ``verdict`` (see
        `judge`), ``faults``, ``drift`` (of the values as they were given) and ``calibration``
        per outcome, by period, after mending what is at fault.
    """
    faults, mended = unit_faults(observations, artifact, settings)
    risks, given_abstains = observations.score(artifact)
    drift = measure_drift(observations, artifact, risks, settings)
    sound = observations.with_values(mended) if mended else observations
    risks, abstains = sound.score(artifact) if mended else (risks, given_abstains)
    faults += feed_faults(sound, artifact, risks, settings)
    outcomes = artifact.model.outcomes
    periods = {
        outcome: _periods(sound, risks, abstains, k, settings) for k, outcome in enumerate(outcomes)
    }
    known = ~np.isnan(observations.observed[:, outcomes.index(artifact.facts["primary_outcome"])])
    return {
        "patients": len(observations),
        "without_risk": _shown(int(given_abstains.sum()), len(observations)),
        "without_risk_in_words": count_of(int(given_abstains.sum()), len(observations)),
        "outcomes_known": _shown(int(known.sum()), len(observations)),
        "outcomes_known_in_words": count_of(int(known.sum()), len(observations)),
        "verdict": judge(sound, artifact, abstains, faults, periods, _LEVEL, settings),
        "faults": faults,
        "drift": drift,
        "calibration": {
            outcome: {"label": artifact.facts["labels"][outcome], "periods": periods[outcome]}
            for outcome in outcomes
        },
    }


def _periods(
    observations: Observations,
    risk: np.ndarray,
    abstains: np.ndarray,
    k: int,
    settings: Monitoring,
) -> list[dict[str, Any]]:
    rows = ~abstains & ~np.isnan(observations.observed[:, k])
    period = observations.period
    return calibration_by_period(
        observations.observed[rows, k],
        risk[rows, k],
        None if period is None else period[rows],
        settings.minimum_group,
        _LEVEL,
    )


def _shown(count: int, n: int) -> int | None:
    return None if 0 < count < SMALLEST_SHOWN or 0 < n - count < SMALLEST_SHOWN else count
