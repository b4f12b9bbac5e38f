"""What new patients' risks rest on: therapies that training saw, and values that are recorded.

Where many rest on neither, no shift of intercept and slope mends the model. What is lacking
because of the data feed (see `feed`) is no reason to retrain.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from pipeline.config import Monitoring
from pipeline.model.artifact import Artifact
from pipeline.model.head import SMALLEST_SHOWN
from pipeline.monitoring.feed import implausible
from pipeline.monitoring.observations import Observations
from pipeline.monitoring.reasons import FINE, RETRAIN, Reason, reason, share_of


def unseen_therapies(
    observations: Observations, artifact: Artifact, settings: Monitoring
) -> list[Reason]:
    """Patients on therapies that training did not see, or that no table of therapies knows."""
    plan = artifact.plan
    if plan.facts is None or plan.therapy is None:
        return []
    given = observations.values[plan.therapy]
    stated = ~pd.isna(given)
    names = plan.facts.names(given)[stated]
    unlisted = pd.isna(names)
    strange = unlisted | ~np.isin(names.astype(str), artifact.model.therapies_seen)
    count, n = int(strange.sum()), max(int(stated.sum()), 1)
    many = count >= SMALLEST_SHOWN and count / n >= settings.unseen_therapy_share
    told = f"{share_of(count, n)} {_have(count)} a therapy that training did not see"
    listed = names[strange & ~unlisted]
    counts = {name: int((listed == name).sum()) for name in sorted(set(listed))}
    shown = [name for name, of_name in counts.items() if of_name >= SMALLEST_SHOWN]
    told += f" ({', '.join(shown)})" if shown else ""
    if many and len(listed) >= SMALLEST_SHOWN:
        told += "; their risks rest on the table of therapies alone"
    if unlisted.sum() >= SMALLEST_SHOWN:
        who = f"for {share_of(int(unlisted.sum()), n)} it is one that"
        told += (
            f"; {who} the model's table of therapies does not hold, so they get no risk: spell "
            "it as there, or add it and retrain"
        )
    return [reason("unseen_therapy", None, RETRAIN if many else FINE, told)]


def without_risk(
    observations: Observations,
    artifact: Artifact,
    abstains: np.ndarray,
    faulty: Collection[str],
    settings: Monitoring,
) -> Reason:
    """Patients who get no risk, by what is lacking.

    Parameters
    ----------
    abstains : ndarray of bool, shape (n,)
    faulty : collection of str
        Variables that the feed lacks. What they alone withhold calls for no retraining.
    """
    n, count = len(abstains), int(abstains.sum())
    left = abstains.copy()
    parts = []
    for what, rows in _lacking(observations, artifact):
        parts.append((int((rows & left).sum()), what))
        left &= ~rows
    parts.append((int(left.sum()), "too little of what the model reads is recorded"))
    told = f"{share_of(count, n)} get no risk" if count else "every patient gets a risk"
    if count >= SMALLEST_SHOWN:
        why = [(of_it, what) for of_it, what in parts if of_it]
        told += ": " + (
            why[0][1]
            if len(why) == 1
            else ", ".join(f"{what} ({share_of(of_it, n)})" for of_it, what in why)
        )
    own = int((left & ~_known_but_for(faulty, observations, artifact)).sum())
    many = own >= SMALLEST_SHOWN and own / n >= settings.abstain_share
    return reason("abstained", None, RETRAIN if many else FINE, told)


def _lacking(observations: Observations, artifact: Artifact) -> list[tuple[str, np.ndarray]]:
    """Faults of a patient's own values that leave no risk, each with the patients it concerns."""
    found = []
    plan = artifact.plan
    if plan.facts is not None and plan.therapy is not None:
        given = observations.values[plan.therapy]
        missing = pd.isna(given)
        unlisted = pd.isna(plan.facts.names(given)) & ~missing
        found += [
            (f"'{plan.therapy}' is missing", missing),
            (f"'{plan.therapy}' is not in the model's table of therapies", unlisted),
        ]
    for name, rows in implausible(observations, artifact).items():
        found.append((f"'{name}' is not plausible", rows))
    return found


def _known_but_for(
    faulty: Collection[str], observations: Observations, artifact: Artifact
) -> np.ndarray:
    """Who would have enough leading predictors if the feed lacked none, shape (n,)."""
    scoring = artifact.facts["scoring"]
    leading = scoring["leading"]
    lacking = sum(name in faulty for name in leading)
    if not lacking:
        return np.zeros(len(observations), dtype=bool)
    known = np.sum([~pd.isna(observations.values[name]) for name in leading], axis=0)
    return known + lacking >= min(scoring["minimum_present"], len(leading))


def _have(count: int) -> str:
    return "have" if count else "has"
