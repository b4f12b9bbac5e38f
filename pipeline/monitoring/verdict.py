"""One verdict on a model in use: fine, recalibrate, or retrain, by the rules of the config.

Retrain where risks of many patients rest on nothing learned (a therapy that training did not
see, predictors no longer recorded), or where findings or therapies have changed their meaning:
no shift of intercept and slope mends that. Recalibrate where risks are off in level or spread,
beyond doubt and beyond what matters. A fault of the data feed is mended first, and is no fault
of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.config import Monitoring
from pipeline.model.artifact import Artifact
from pipeline.model.head import SMALLEST_SHOWN
from pipeline.monitoring.adequacy import adequacy
from pipeline.monitoring.agreement import Agreement, agreement
from pipeline.monitoring.changes import changed_meaning
from pipeline.monitoring.closed_test import Site
from pipeline.monitoring.feed import Fault, sentences
from pipeline.monitoring.grounds import unseen_therapies, without_risk
from pipeline.monitoring.observations import Observations
from pipeline.monitoring.reasons import FINE, RECALIBRATE, RETRAIN, Reason, reason


def judge(
    observations: Observations,
    artifact: Artifact,
    abstains: np.ndarray,
    faults: list[Fault],
    periods: Mapping[str, list[dict[str, Any]]],
    level: float,
    settings: Monitoring,
) -> dict[str, Any]:
    """Give the verdict, with each rule's finding.

    Parameters
    ----------
    observations : Observations
        With values in another unit already converted.
    artifact : Artifact
    abstains : ndarray of bool, shape (n,)
    faults : list of dict
        As `unit_faults` and `feed_faults` return them.
    periods : mapping of str to list of dict
        Per outcome, as `calibration_by_period` returns them.
    level : float
        Of the intervals.
    settings : Monitoring

    Returns
    -------
    dict
        ``verdict``; ``title``, which says so where a cohort is too small for "fine" to mean
        anything; ``sentence``; ``calibration_judged``; ``adequate`` and ``half_width`` (see
        `adequacy`); ``not_judged``: labels of outcomes; and ``reasons``: per rule ``rule``,
        ``outcome``, ``calls_for`` (fine, recalibrate, retrain) and ``sentence``; with ``watch``,
        what is to be looked at again, where an interval alone would be called significant.
    """
    sites = observations.sites(artifact, ~abstains)
    trained_on = {h.outcome: h.update.patients or h.patients for h in artifact.model.heads}
    gone = [fault["variable"] for fault in faults if fault["kind"] == "absent"]
    found = agreement(
        sites, trained_on, artifact.facts["labels"], observations.period, periods, settings
    )
    told = {name: site for name, site in sites.items() if site.rarer >= SMALLEST_SHOWN}
    reasons = [
        *unseen_therapies(observations, artifact, settings),
        without_risk(observations, artifact, abstains, gone, settings),
        *found.reasons,
        *_changes(told, artifact, observations, settings),
    ]
    called = {each["calls_for"] for each in reasons}
    verdict = next((v for v in (RETRAIN, RECALIBRATE) if v in called), FINE)
    primary = artifact.facts["primary_outcome"]
    size = adequacy(
        sites[primary], len(observations), periods[primary][0], artifact, level, settings
    )
    title = _title(verdict, found, size["adequate"])
    return {
        "verdict": verdict,
        "title": title,
        "calibration_judged": bool(found.judged),
        "adequate": size["adequate"],
        "half_width": size["half_width"],
        "not_judged": found.unjudged,
        "sentence": _sentence(
            title,
            _called(reasons, verdict)
            if verdict != FINE
            else _of_fine(
                found, size["sentence"], _why_not_judged(observations, artifact, abstains)
            ),
            faults,
            called=verdict != FINE,
        ),
        "reasons": reasons,
    }


def _title(verdict: str, found: Agreement, adequate: bool | None) -> str:
    if verdict != FINE:
        return {RECALIBRATE: "Recalibrate", RETRAIN: "Retrain"}[verdict]
    if adequate is False:
        return "Too few to tell"
    return "Fine" if found.judged else "Calibration was not judged"


def _called(reasons: list[Reason], verdict: str) -> list[str]:
    """What calls for the verdict; the last period's own figure says more than a line over all."""
    called = [each for each in reasons if each["calls_for"] == verdict]
    late = {each["outcome"] for each in called if each["rule"] == "last_period"}
    return [
        each["sentence"].rstrip(".")
        for each in called
        if each["rule"] != "trend" or each["outcome"] not in late
    ]


def _of_fine(found: Agreement, too_few: str | None, not_judged: str) -> list[str]:
    """What stands behind a verdict that calls for nothing."""
    parts = [too_few] if too_few else []
    if not found.judged:
        return [*parts, f"calibration was not judged: {not_judged}"] if parts else [not_judged]
    if not too_few:
        parts.append("risks agree with what was observed, as far as the number of events tells")
    # Of an outcome, the more particular of two.
    watched = {each["outcome"]: each["watch"] for each in found.reasons if "watch" in each}
    if watched:
        parts.append(f"watch {' and '.join(watched.values())}")
    if found.unjudged:
        parts.append(f"not judged: {' and '.join(found.unjudged)}, too few with or without it")
    return parts


def _why_not_judged(observations: Observations, artifact: Artifact, abstains: np.ndarray) -> str:
    columns = {outcome["column"] for outcome in artifact.facts["outcomes"].values()}
    lacking = [f"'{name}'" for name in sorted(columns & observations.absent)]
    if lacking:
        return f"the table has no column {' and no column '.join(lacking)}"
    if abstains.all():
        return "no patient gets a risk"
    return "too few patients with or without an outcome are known, or were expected"


def _sentence(title: str, parts: list[str], faults: list[Fault], called: bool) -> str:
    text = f"{title}: {'; '.join(parts)}"
    if faults:
        mend = "; ".join(sentences(faults))
        text += f". But first {mend}" if called else f", but {mend}"
    return text if text.endswith("?") else f"{text}."


def _changes(
    sites: dict[str, Site], artifact: Artifact, observations: Observations, settings: Monitoring
) -> list[Reason]:
    changed = changed_meaning(sites, artifact, observations, settings)
    reasons = []
    for (outcome, family), effects in changed.items():
        told = ", ".join(f"{name} ({e:+.2f} in log-odds)" for name, e in effects.items())
        label = artifact.facts["labels"][outcome]
        sentence = f"for {label}, {family} mean something else than in training: {told}"
        reasons.append(reason(f"changed_{family}", outcome, RETRAIN, sentence))
    return reasons
