"""Recalibrates a trained model on a site's patients: the kind of update by a closed test.

Outcomes that nest (any, grade 2, grade 3) get one kind of update together, for a site that
grades more severely does so at every grade. Each has its own coefficients, with normal beliefs:
of the best-informed outcome around no change, of the others around the best-informed one. So
nine patients with grade 3 borrow from fifty with grade 2.

The largest update gives therapy and findings new weights; it is no refit. A model's text holds no
patient of its training, and what a site's few hundred patients tell of single findings does not
outweigh the parent's (tests/monitoring/README.md): that takes a run on the site's own table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.config import Updating
from pipeline.model.artifact import Artifact
from pipeline.model.head import SMALLEST_SHOWN
from pipeline.model.update import Update, UpdateKind
from pipeline.monitoring.closed_test import ORDER, Site, closed_test, fit

# An update may weaken what was learned, never remove or reverse it.
_LEAST_WEIGHT = 0.05


@dataclass(frozen=True)
class Recalibrated:
    """A recalibrated model, and how the update was chosen.

    Attributes
    ----------
    artifact : Artifact
    changed : bool
        Whether any head has a new update.
    steps : list of dict
        Per group of nested outcomes ``outcomes``, ``kind``, ``tested`` (those with enough events
        for the closed test) and ``tests`` (see `closed_test`).
    """

    artifact: Artifact
    changed: bool
    steps: list[dict[str, Any]]


def recalibrate(artifact: Artifact, sites: dict[str, Site], settings: Updating) -> Recalibrated:
    """Choose and fit the update of every head.

    Parameters
    ----------
    artifact : Artifact
        A model, recalibrated before or not: a new update goes on top of an old one.
    sites : dict of str to Site
        Per outcome, the site's patients with a risk and a known outcome.
    settings : Updating
    """
    updates: dict[str, Update] = {}
    steps = []
    for group in _nested(artifact):
        own = {name: sites[name] for name in group}
        tested = {n: s for n, s in own.items() if s.rarer >= settings.minimum_events}
        kind: UpdateKind = "none"
        tests: list[dict[str, Any]] = []
        if tested:
            kind, tests = closed_test(tested, settings.alpha)
        steps.append(
            {"outcomes": group, "kind": kind, "tested": [*tested], "tests": _shown(tests, own)}
        )
        if kind != "none":
            updates |= _fitted(own, tested, kind, settings)
    heads = tuple(
        replace(h, update=_on_top(h.update, updates[h.outcome])) if h.outcome in updates else h
        for h in artifact.model.heads
    )
    model = replace(artifact.model, heads=heads)
    return Recalibrated(replace(artifact, model=model), bool(updates), steps)


def _nested(artifact: Artifact) -> list[list[str]]:
    """Outcomes that are thresholds of one column, together."""
    groups: dict[str, list[str]] = {}
    for name, outcome in artifact.facts["outcomes"].items():
        groups.setdefault(outcome["column"], []).append(name)
    return list(groups.values())


def _shown(tests: list[dict[str, Any]], sites: dict[str, Site]) -> list[dict[str, Any]]:
    """The tests of outcomes whose events may be counted: a statistic would tell a small count."""
    return [test for test in tests if sites[test["outcome"]].rarer >= SMALLEST_SHOWN]


def _fitted(
    sites: dict[str, Site], tested: dict[str, Site], kind: UpdateKind, settings: Updating
) -> dict[str, Update]:
    best = max(tested, key=lambda name: tested[name].rarer)
    centre = np.zeros(3)
    spread = np.array([settings.intercept_sd, settings.slope_sd, settings.slope_sd])
    updates = {best: _update(sites[best], kind, centre, spread)}
    found, own = updates[best]
    # What the best-informed outcome is not sure of, the others are not either.
    nested = np.sqrt(settings.nested_sd**2 + np.diag(own))
    for name, site in sites.items():
        if name != best:
            updates[name] = _update(site, kind, found, nested)
    return {name: _as_update(site, kind, *updates[name]) for name, site in sites.items()}


def _update(
    site: Site, kind: UpdateKind, centre: np.ndarray, spread: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and covariance: shift at the average patient, changes of the two weights."""
    parts = np.column_stack([site.rate, site.deviation])
    parts = parts - parts.mean(axis=0)
    one = np.ones((len(parts), 1))
    # Both weights are one coefficient where there is one slope.
    spreading = {
        "intercept": np.empty((3, 0)),
        "intercept and slope": np.array([[0.0], [1.0], [1.0]]),
        "reweighted": np.eye(3)[:, 1:],
    }[kind]
    basis = np.hstack([np.eye(3)[:, :1], spreading])
    design = np.hstack([one, parts]) @ basis
    picked = [0, *([1, 2] if kind == "reweighted" else [1] if kind != "intercept" else [])]
    if len(parts):
        found = fit(design, site.y, site.offset, centre[picked], spread[picked] ** -2.0)
        coefficients, covariance = found.coefficients, found.covariance
    else:
        coefficients, covariance = centre[picked], np.diag(spread[picked] ** 2)
    whole = basis @ coefficients
    whole[1:] = np.maximum(whole[1:], _LEAST_WEIGHT - 1)
    return whole, basis @ covariance @ basis.T


def _as_update(site: Site, kind: UpdateKind, change: np.ndarray, covariance: np.ndarray) -> Update:
    """From the shift at the average patient to an intercept."""
    means = np.array([site.rate.mean(), site.deviation.mean()]) if len(site.y) else np.zeros(2)
    to_plain = np.eye(3)
    to_plain[0, 1:] = -means
    alpha, rate, deviation = to_plain @ change
    plain = to_plain @ covariance @ to_plain.T
    return Update(
        kind,
        float(alpha),
        1 + float(rate),
        1 + float(deviation),
        tuple(tuple(float(c) for c in row) for row in plain),
        len(site.y),
    )


def _on_top(before: Update, after: Update) -> Update:
    """The update that does what both do, one after the other."""
    if before.kind == "none":
        return after
    carry = np.diag([1.0, before.rate_weight, before.deviation_weight])
    carry[0, 1] = before.alpha
    covariance = carry @ np.array(after.covariance) @ carry.T
    kind = max(before.kind, after.kind, key=ORDER.index)
    return Update(
        kind,
        after.alpha + after.rate_weight * before.alpha,
        after.rate_weight * before.rate_weight,
        after.deviation_weight * before.deviation_weight,
        tuple(tuple(float(c) for c in row) for row in covariance),
        after.patients,
    )
