"""Whether risks agree with what was observed: beyond doubt, and beyond a trifle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.config import Monitoring
from pipeline.model.head import SMALLEST_SHOWN
from pipeline.monitoring.calibration import (
    Scarcity,
    last_period,
    miscalibration,
    scarcity,
    trend,
)
from pipeline.monitoring.closed_test import Site
from pipeline.monitoring.multiplicity import rejected
from pipeline.monitoring.reasons import FINE, RECALIBRATE, Reason, reason

# A p-value that a reader would notice in the intervals, though not beyond doubt among all tests.
_HINT = 0.05

_FAR = ", as far as the number of events tells"


@dataclass(frozen=True)
class Agreement:
    """What was found of each outcome.

    Attributes
    ----------
    reasons : list of dict
        With ``watch`` where an interval alone would be called significant.
    judged, unjudged : list of str
        Labels of outcomes with enough patients in either class, or expected there; and of the
        others.
    """

    reasons: list[Reason]
    judged: list[str]
    unjudged: list[str]


def agreement(
    sites: Mapping[str, Site],
    trained_on: Mapping[str, int],
    labels: Mapping[str, str],
    period: np.ndarray | None,
    periods: Mapping[str, list[dict[str, Any]]],
    settings: Monitoring,
) -> Agreement:
    """Test level and spread, a line over time and the last period of each outcome's risks.

    Parameters
    ----------
    sites : mapping of str to Site
        Per outcome, the patients with a risk and a known outcome.
    trained_on : mapping of str to int
        Patients that the model learned its level from.
    labels : mapping of str to str
    period : ndarray of str, shape (n,), or None
        Of all patients.
    periods : mapping of str to list of dict
        As `calibration_by_period` gives them: what is shown of the last period.
    settings : Monitoring
    """
    told = {name: site for name, site in sites.items() if site.rarer >= SMALLEST_SHOWN}
    scarce = {
        name: few
        for name, site in sites.items()
        if name not in told and (few := scarcity(site, trained_on[name]))
    }
    when = {name: None if period is None else period[site.rows] for name, site in told.items()}
    levels = {name: miscalibration(site, trained_on[name]) for name, site in told.items()}
    lines = {name: trend(site, when[name]) for name, site in told.items()}
    lasts = {
        name: last_period(site, when[name], settings.minimum_group) for name, site in told.items()
    }
    # Holm's procedure over all tests.
    p = {(name, "level"): f[0] for name, f in levels.items()}
    p |= {(name, "level"): few.p for name, few in scarce.items()}
    p |= {(name, "trend"): line[0] for name, line in lines.items() if line is not None}
    p |= {(name, "last period"): last for name, last in lasts.items() if last is not None}
    certain = rejected(p, settings.recalibrate_alpha)
    reasons = []
    for name, (alone, shift, slope) in levels.items():
        label = labels[name]
        is_certain = (name, "level") in certain
        reasons.append(_level(name, label, alone, shift, slope, is_certain, len(p), settings))
        shown = periods[name][-1]
        line = lines[name]
        other = (name, "last period") in certain
        if line is not None and (name, "trend") in certain and abs(line[1]) >= settings.intercept:
            told_of = (
                f"risks of {label} drift over time: a straight line through the periods ends "
                f"{abs(line[1]):.2f} in log-odds {'above' if line[1] > 0 else 'below'} its mean"
            )
            if lasts[name] is not None and not other:
                told_of += f"; {_of_last(shown)}"
            reasons.append(reason("trend", name, RECALIBRATE, told_of))
        if lasts[name] is not None:
            # Where all periods are off, that the last one is says nothing new.
            reasons += _last(name, label, shown, other, is_certain, settings)
    for name, few in scarce.items():
        reasons.append(_scarce(labels[name], name, few, (name, "level") in certain, settings))
    unjudged = [name for name in sites if name not in told and name not in scarce]
    for name in unjudged:
        sentence = (
            f"risks of {labels[name]} were not judged: too few patients with or without it are "
            "known, or were expected"
        )
        reasons.append(reason("calibration", name, FINE, sentence))
    return Agreement(
        reasons, [labels[name] for name in (*told, *scarce)], [labels[name] for name in unjudged]
    )


def _level(
    name: str,
    label: str,
    alone: float,
    shift: float,
    slope: float,
    certain: bool,
    tests: int,
    settings: Monitoring,
) -> Reason:
    low, high = settings.slope
    agrees = f"risks of {label} agree with what was observed"
    if not certain and alone <= _HINT:
        told = (
            f"risks of {label} differ from what was observed (p = {alone:.3f} alone), but among "
            f"{tests} tests that may be chance: look again once more outcomes are known"
        )
        return reason("calibration", name, FINE, told) | {"watch": label}
    if not certain:
        return reason("calibration", name, FINE, agrees + _FAR)
    if abs(shift) < settings.intercept and low <= slope <= high:
        return reason("calibration", name, FINE, f"{agrees}, but for a trifle")
    told = (
        f"risks of {label} are too {'low' if shift > 0 else 'high'} by {abs(shift):.2f} in "
        f"log-odds at the average patient, with slope {slope:.2f}"
    )
    return reason("calibration", name, RECALIBRATE, told)


def _last(
    name: str,
    label: str,
    shown: dict[str, Any],
    certain: bool,
    level_certain: bool,
    settings: Monitoring,
) -> list[Reason]:
    """Say of the last period what its own figures say: an average over all would hide it."""
    ratio, shift = shown["oe"], shown["intercept"]["estimate"]
    if certain and abs(shift) >= settings.intercept:
        told = (
            f"risks of {label} have become too {'low' if shift > 0 else 'high'}: {_of_last(shown)}"
            ", beyond doubt other than before"
        )
        return [reason("last_period", name, RECALIBRATE, told)]
    if level_certain or ratio["low"] <= 1 <= ratio["high"]:
        return []
    told = (
        f"risks of {label}: {_of_last(shown)}; that it differs from the periods before may be "
        "chance: look again once more outcomes are known"
    )
    return [reason("last_period", name, FINE, told) | {"watch": f"{label} ({_of_last(shown)})"}]


def _of_last(shown: dict[str, Any]) -> str:
    ratio = shown["oe"]
    return (
        f"in the last period ({shown['period']}) {ratio['estimate']:.2f} times as many were "
        f"observed as expected ({ratio['low']:.2f} to {ratio['high']:.2f})"
    )


def _scarce(label: str, outcome: str, few: Scarcity, certain: bool, settings: Monitoring) -> Reason:
    # No p-value: with the number expected it would tell the count.
    if not certain or abs(few.shift) < settings.intercept:
        told = f"risks of {label} agree with what was observed{_FAR}"
        return reason("calibration", outcome, FINE, told)
    told = (
        f"risks of {label} are too {'high' if few.shift < 0 else 'low'}: fewer than "
        f"{SMALLEST_SHOWN} patients are {'with' if few.shift < 0 else 'without'} it, where "
        f"about {few.expected:.0f} were expected"
    )
    return reason("calibration", outcome, RECALIBRATE, told)
