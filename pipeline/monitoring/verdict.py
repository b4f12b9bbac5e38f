"""One verdict on a model in use: fine, recalibrate, or retrain, by the rules of the config.

Retrain where risks of many patients rest on nothing learned (a therapy that training did not
see, predictors no longer recorded), or where findings or therapies have changed their meaning:
no shift of intercept and slope mends that. Recalibrate where risks are off in level or spread,
beyond doubt and beyond what matters. A fault of the data feed is mended first, and is no fault
of the model.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.config import Monitoring
from pipeline.model.artifact import Artifact
from pipeline.model.head import SMALLEST_SHOWN
from pipeline.monitoring.calibration import Scarcity, miscalibration, scarcity, trend
from pipeline.monitoring.changes import changed_meaning
from pipeline.monitoring.closed_test import Site
from pipeline.monitoring.multiplicity import rejected
from pipeline.monitoring.observations import Observations

FINE, RECALIBRATE, RETRAIN = "fine", "recalibrate", "retrain"

# A p-value that a reader would notice in the intervals, though not beyond doubt among all tests.
_HINT = 0.05

_FAR = ", as far as the number of events tells"

Reason = dict[str, Any]


def judge(
    observations: Observations,
    artifact: Artifact,
    abstains: np.ndarray,
    faults: list[dict[str, Any]],
    settings: Monitoring,
) -> dict[str, Any]:
    """Give the verdict, with each rule's finding.

    Parameters
    ----------
    observations : Observations
        With values at fault already mended.
    abstains : ndarray of bool, shape (n,)
    faults : list of dict
        As `unit_faults` returns them.

    Returns
    -------
    dict
        ``verdict``, ``sentence``, ``calibration_judged`` and ``reasons``: per rule ``rule``,
        ``outcome``, ``calls_for`` (fine, recalibrate, retrain) and ``sentence``; with ``watch``,
        the outcome's label, where a test alone would be called significant.
    """
    reasons = [*_unseen(observations, artifact, settings), _abstained(abstains, settings)]
    sites = observations.sites(artifact, ~abstains)
    trained_on = {h.outcome: h.update.patients or h.patients for h in artifact.model.heads}
    told = {name: site for name, site in sites.items() if site.rarer >= SMALLEST_SHOWN}
    scarce = {
        name: found
        for name, site in sites.items()
        if name not in told and (found := scarcity(site, trained_on[name]))
    }
    reasons += _calibration(told, scarce, trained_on, artifact, observations.period, settings)
    reasons += _changes(told, artifact, observations, settings)
    judged = bool(told or scarce)
    called = {reason["calls_for"] for reason in reasons}
    verdict = next((v for v in (RETRAIN, RECALIBRATE) if v in called), FINE)
    return {
        "verdict": verdict,
        "calibration_judged": judged,
        "sentence": _sentence(verdict, reasons, faults, judged),
        "reasons": reasons,
    }


def _sentence(verdict: str, reasons: list[Reason], faults: list[Reason], judged: bool) -> str:
    text = {FINE: "Fine", RECALIBRATE: "Recalibrate", RETRAIN: "Retrain"}[verdict]
    called = [r["sentence"].rstrip(".") for r in reasons if r["calls_for"] == verdict]
    if verdict != FINE:
        text += ": " + "; ".join(called)
    elif judged:
        text += f": risks agree with what was observed{_FAR}"
        watched = [r["watch"] for r in reasons if "watch" in r]
        text += f"; watch {' and '.join(watched)}" if watched else ""
    else:
        text += (
            " as far as the inputs tell; calibration was not judged: too few patients with or "
            "without an outcome are known, or were expected"
        )
    if faults:
        mend = "; ".join(fault["sentence"] for fault in faults)
        text += f", but {mend}" if verdict == FINE else f". But first {mend}"
    return text + "."


def _unseen(observations: Observations, artifact: Artifact, settings: Monitoring) -> list[Reason]:
    plan = artifact.plan
    if plan.facts is None or plan.therapy is None:
        return []
    names = plan.facts.names(observations.values[plan.therapy])
    known = names[[name is not None for name in names]]
    strange = known[~np.isin(known.astype(str), artifact.model.therapies_seen)]
    share = len(strange) / max(len(known), 1)
    many = len(strange) >= SMALLEST_SHOWN and share >= settings.unseen_therapy_share
    if len(strange) < SMALLEST_SHOWN:
        told = f"fewer than {SMALLEST_SHOWN} patients have a therapy that training did not see"
    else:
        counts = {name: int((strange == name).sum()) for name in sorted(set(strange))}
        shown = [name for name, count in counts.items() if count >= SMALLEST_SHOWN]
        told = (
            f"{share:.0%} of the patients have a therapy that training did not see"
            + (f" ({', '.join(shown)})" if shown else "")
            + ("; their risks rest on the table of therapies alone" if many else "")
        )
    return [_reason("unseen_therapy", None, RETRAIN if many else FINE, told)]


def _abstained(abstains: np.ndarray, settings: Monitoring) -> Reason:
    count, n = int(abstains.sum()), len(abstains)
    if 0 < count < SMALLEST_SHOWN:
        told, many = f"fewer than {SMALLEST_SHOWN} patients get no risk", False
    else:
        many = count / n >= settings.abstain_share
        told = f"{count / n:.0%} of the patients get no risk"
    told += ": too little of what the model reads is recorded, or is plausible" if many else ""
    return _reason("abstained", None, RETRAIN if many else FINE, told)


def _calibration(
    sites: dict[str, Site],
    scarce: dict[str, Scarcity],
    trained_on: dict[str, int],
    artifact: Artifact,
    period: np.ndarray | None,
    settings: Monitoring,
) -> list[Reason]:
    """Level, spread and drift of each outcome's risks: beyond doubt, and beyond a trifle."""
    labels = artifact.facts["labels"]
    found = {name: miscalibration(site, trained_on[name]) for name, site in sites.items()}
    drifts = {
        name: trend(site, None if period is None else period[site.rows])
        for name, site in sites.items()
    }
    # Holm's procedure over all tests.
    p = {(name, "level"): f[0] for name, f in found.items()}
    p |= {(name, "trend"): d[0] for name, d in drifts.items() if d is not None}
    p |= {(name, "level"): s.p for name, s in scarce.items()}
    certain = rejected(p, settings.recalibrate_alpha)
    low, high = settings.slope
    reasons = []
    for name, (_, shift, slope) in found.items():
        told, off = f"risks of {labels[name]} agree with what was observed", False
        watch = (name, "level") not in certain and p[name, "level"] <= _HINT
        if watch:
            told = (
                f"risks of {labels[name]} differ from what was observed (p = "
                f"{p[name, 'level']:.3f} alone), but among {len(p)} tests that may be chance: "
                "look again once more outcomes are known"
            )
        elif (name, "level") not in certain:
            told += _FAR
        elif abs(shift) < settings.intercept and low <= slope <= high:
            told += ", but for a trifle"
        else:
            off = True
            told = (
                f"risks of {labels[name]} are too {'low' if shift > 0 else 'high'} by "
                f"{abs(shift):.2f} in log-odds at the average patient, with slope {slope:.2f}"
            )
        found_here = _reason("calibration", name, RECALIBRATE if off else FINE, told)
        reasons.append(found_here | ({"watch": labels[name]} if watch else {}))
        last = drifts[name][1] if drifts[name] is not None else 0.0  # type: ignore[index]
        if (name, "trend") in certain and abs(last) >= settings.intercept:
            told = (
                f"risks of {labels[name]} drift over time: in the last period they are too "
                f"{'low' if last > 0 else 'high'} by {abs(last):.2f} in log-odds more than on "
                "average"
            )
            reasons.append(_reason("trend", name, RECALIBRATE, told))
    return reasons + [
        _scarce(labels[name], name, few, (name, "level") in certain, settings)
        for name, few in scarce.items()
    ]


def _scarce(label: str, outcome: str, few: Scarcity, certain: bool, settings: Monitoring) -> Reason:
    # No p-value: with the number expected it would tell the count.
    told, off = f"risks of {label} agree with what was observed{_FAR}", False
    if certain and abs(few.shift) >= settings.intercept:
        off = True
        told = (
            f"risks of {label} are too {'high' if few.shift < 0 else 'low'}: fewer than "
            f"{SMALLEST_SHOWN} patients are {'with' if few.shift < 0 else 'without'} it, where "
            f"about {few.expected:.0f} were expected"
        )
    return _reason("calibration", outcome, RECALIBRATE if off else FINE, told)


def _changes(
    sites: dict[str, Site], artifact: Artifact, observations: Observations, settings: Monitoring
) -> list[Reason]:
    changed = changed_meaning(sites, artifact, observations, settings)
    reasons = []
    for (outcome, family), effects in changed.items():
        told = ", ".join(f"{name} ({e:+.2f} in log-odds)" for name, e in effects.items())
        label = artifact.facts["labels"][outcome]
        sentence = f"for {label}, {family} mean something else than in training: {told}"
        reasons.append(_reason(f"changed_{family}", outcome, RETRAIN, sentence))
    return reasons


def _reason(rule: str, outcome: str | None, calls_for: str, sentence: str) -> Reason:
    return {"rule": rule, "outcome": outcome, "calls_for": calls_for, "sentence": sentence + "."}
