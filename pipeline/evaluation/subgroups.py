"""Discrimination and calibration within groups of patients, small groups hidden."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from pipeline.config import Evaluation
from pipeline.evaluation.bootstrap import (
    Replicates,
    expanded_level,
    replicates,
    summaries,
    summary,
)
from pipeline.evaluation.grouping import Grouping
from pipeline.evaluation.oof import OutOfFold, aligned
from pipeline.evaluation.overall import weighted_mean
from pipeline.evaluation.performance import performance, ranks_nobody, why_undefined
from pipeline.evaluation.suppression import hidden_groups, hidden_sizes, suppressed
from pipeline.evaluation.unit_figures import patient_log_loss

FIGURES = (
    "auroc",
    "auroc_within_therapy",
    "calibration_intercept",
    "calibration_slope",
    "observed_expected",
    "log_loss",
    "brier",
)


def subgroup_tables(
    data: OutOfFold,
    strata: np.ndarray | None,
    clusters: np.ndarray | None,
    persons: np.ndarray | None,
    groupings: Sequence[Grouping],
    hidden: Sequence[np.ndarray],
    settings: Evaluation,
    seed: int,
) -> list[dict[str, Any]]:
    """Judge the model's risks of one outcome in each group of each grouping.

    Parameters
    ----------
    data : OutOfFold
    strata : ndarray of int, shape (n,), or None
        Therapy of each patient.
    clusters : ndarray of int, shape (n,), or None
        What the bootstrap of all patients draws as a whole, such as sites: drawn so in groups
        that hold ``settings.minimum_sites`` of them, for the variation between sites is no
        smaller in a group than in all.
    persons : ndarray of int, shape (n,), or None
        Who each row is, where some have several: drawn as a whole in the other groups.
    groupings : sequence of Grouping
    hidden : sequence of ndarray of bool, shape (groups,)
        Groups of each grouping that may not be shown, as `hidden_cells` finds them.
    settings : Evaluation
    seed : int

    Returns
    -------
    list of dict
        ``variable``, ``label`` and ``groups``: each with ``group``, ``n``, ``events``,
        ``figures`` and, where these are not given, ``reason``; else also ``differences``, of
        log-loss from ``therapy_only``, with its standard error ``error`` and the number of
        ``units`` (patients or sites) that it rests on.
    """
    return [
        {
            "variable": grouping.variable,
            "label": grouping.label,
            "groups": _groups(data, strata, clusters, persons, grouping, hides, settings, seed),
        }
        for grouping, hides in zip(groupings, hidden, strict=True)
    ]


def hidden_cells(
    data: Mapping[str, OutOfFold], groupings: Sequence[Grouping], minimum: int
) -> dict[str, list[np.ndarray]]:
    """Find the groups that may not be shown, outcomes looked at together.

    Parameters
    ----------
    data : mapping of outcome to OutOfFold
    groupings : sequence of Grouping
    minimum : int

    Returns
    -------
    dict of list of ndarray of bool
        By outcome and grouping, shape (groups,).
    """
    found: dict[str, list[np.ndarray]] = {outcome: [] for outcome in data}
    for grouping in groupings:
        counts = {outcome: _counts(part, grouping) for outcome, part in data.items()}
        for family in _families(data):
            n = counts[family[0]][0]
            events = np.stack([counts[outcome][1] for outcome in family])
            for outcome, hide in zip(family, hidden_groups(n, events, minimum), strict=True):
                found[outcome].append(hide)
    return found


def _counts(data: OutOfFold, grouping: Grouping) -> tuple[np.ndarray, np.ndarray]:
    members = aligned(grouping.members, data.patient_id)
    inside = members[None, :] == np.array(grouping.names, dtype=object)[:, None]
    return inside.sum(axis=1), (inside @ data.observed).astype(int)


def _families(data: Mapping[str, OutOfFold]) -> list[list[str]]:
    """Outcomes by what they are nested with, such as grades of one toxicity."""
    families: list[list[str]] = []
    for outcome, part in data.items():
        for family in families:
            if all(_nested(part, data[other]) for other in family):
                family.append(outcome)
                break
        else:
            families.append([outcome])
    return families


def _nested(one: OutOfFold, other: OutOfFold) -> bool:
    if not np.array_equal(one.patient_id, other.patient_id):
        return False
    difference = one.observed - other.observed
    return bool((difference >= 0).all() or (difference <= 0).all())


def _groups(
    data: OutOfFold,
    strata: np.ndarray | None,
    clusters: np.ndarray | None,
    persons: np.ndarray | None,
    grouping: Grouping,
    hides: np.ndarray,
    settings: Evaluation,
    seed: int,
) -> list[dict[str, Any]]:
    members = aligned(grouping.members, data.patient_id)
    rows = [members == name for name in grouping.names]
    unsized = hidden_sizes(np.array([r.sum() for r in rows]), settings.minimum_cell)
    found = []
    for name, own, hide, unsize in zip(grouping.names, rows, hides, unsized, strict=True):
        therapy = None if strata is None else strata[own]
        units = drawn_together(clusters, persons, own, settings)
        n = None if unsize else int(own.sum())
        found.append(
            {"group": name, "n": n, **_group(data.part(own), therapy, units, hide, settings, seed)}
        )
    return found


def drawn_together(
    clusters: np.ndarray | None,
    persons: np.ndarray | None,
    own: np.ndarray,
    settings: Evaluation,
) -> np.ndarray | None:
    """Return what the bootstrap draws as a whole in a group: sites, where it spans enough.

    Of fewer sites too few different samples can be drawn, as among all patients.

    Parameters
    ----------
    clusters, persons : ndarray of int, shape (n,), or None
        Of all patients.
    own : ndarray of bool, shape (n,)
        Who is in the group.
    settings : Evaluation
    """
    if clusters is not None and len(np.unique(clusters[own])) >= settings.minimum_sites:
        return clusters[own]
    return None if persons is None else persons[own]


def _group(
    data: OutOfFold,
    strata: np.ndarray | None,
    drawn_together: np.ndarray | None,
    hide: bool,
    settings: Evaluation,
    seed: int,
) -> dict[str, Any]:
    n, events = len(data.observed), int(data.observed.sum())
    reason = None
    if hide:
        reason = suppressed(settings.minimum_cell)
    elif n < settings.subgroups.minimum_patients:
        reason = f"fewer than {settings.subgroups.minimum_patients} patients"
    elif min(events, n - events) < settings.subgroups.minimum_events:
        reason = f"fewer than {settings.subgroups.minimum_events} events or non-events"
    shown = None if hide else events
    if reason is not None:
        nothing = {"estimate": None, "low": None, "high": None, "reason": reason}
        figures = {name: dict(nothing) for name in FIGURES}
        return {"events": shown, "figures": figures, "reason": reason}
    measures: dict[str, Callable[[np.ndarray], Replicates]] = {
        "model": partial(
            performance, data.observed, data.risks["model"], data.folds, strata, figures=FIGURES
        )
    }
    if "therapy_only" in data.risks:
        loss, other = (
            patient_log_loss(data.observed, data.risks[name]).mean(axis=0)
            for name in ("model", "therapy_only")
        )
        measures["compared"] = lambda w: {"log_loss": weighted_mean(loss - other, w)}
    sampled = replicates(measures, n, settings.bootstrap, seed, drawn_together)
    drawn, compared = sampled["model"], sampled.get("compared", {}).get("log_loss")
    flat = ranks_nobody(data, "model", strata)
    drawn |= {name: np.full(1 + settings.bootstrap, np.nan) for name in FIGURES if name in flat}
    units = n if drawn_together is None else len(np.unique(drawn_together))
    level = expanded_level(settings.interval_level, units)
    figures = summaries(drawn, level, why_undefined(data.observed, strata) | flat)
    found: dict[str, Any] = {"events": shown, "figures": figures}
    if compared is not None:
        found["differences"] = {"therapy_only": {"log_loss": _with_error(compared, level, units)}}
    return found


def _with_error(drawn: np.ndarray, level: float, units: int) -> dict[str, Any]:
    # Samples of few units spread too little, as a variance that divides by n does.
    error = np.std(drawn[1:], ddof=1) * np.sqrt(units / (units - 1))
    return {**summary(drawn, level), "error": float(error), "units": units}
