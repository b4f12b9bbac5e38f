"""Faults of the data feed other than units: columns gone, values impossible, outcomes selected.

None of them says anything of the model, and no update mends them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipeline.config import Monitoring
from pipeline.model.artifact import Artifact
from pipeline.model.head import SMALLEST_SHOWN
from pipeline.monitoring.observations import Observations
from pipeline.monitoring.reasons import share_of

# Error rate of the tests whether outcomes are known of other patients than not, and whether a
# variable is missing throughout by chance.
_BEYOND_DOUBT = 0.001

# What training did not know of more patients than this may be recorded in one disease alone,
# which a site need not treat.
_MAY_BE_MISSING = 0.25

Fault = dict[str, Any]


def feed_faults(
    observations: Observations, artifact: Artifact, risks: np.ndarray, settings: Monitoring
) -> list[Fault]:
    """Find what the feed lacks, what no patient can have, and outcomes known of some alone.

    Parameters
    ----------
    observations : Observations
        With values in another unit already converted.
    artifact : Artifact
    risks : ndarray, shape (n, outcomes)
        NaN where there is none.
    settings : Monitoring

    Returns
    -------
    list of dict
        ``kind`` (``absent``, ``implausible``, ``therapy`` or ``outcomes``), ``variable``,
        ``label``, ``place`` and ``sentence``.
    """
    return [
        *_absent(observations, artifact),
        *_without_therapy(observations, artifact, settings),
        *_implausible(observations, artifact),
        *_selected(observations, artifact, risks),
    ]


def sentences(faults: list[Fault]) -> list[str]:
    """What is to be mended, absent variables together."""
    absent = [fault for fault in faults if fault["kind"] == "absent"]
    others = [fault["sentence"] for fault in faults if fault["kind"] != "absent"]
    if not absent:
        return others
    names = [f"'{fault['variable']}'" for fault in absent]
    if len(names) == 1:
        return [absent[0]["sentence"], *others]
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    return [f"{listed} are recorded in nobody: are the columns named so?", *others]


def implausible(observations: Observations, artifact: Artifact) -> dict[str, np.ndarray]:
    """Per variable, whose value is outside its range, infinite, or neither 0 nor 1, shape (n,)."""
    found = {}
    for variable in artifact.dictionary:
        values = observations.values.get(variable.name)
        if values is None or values.dtype == object:
            continue
        low, high = variable.range or (-np.inf, np.inf)
        wrong = (values < low) | (values > high) | np.isinf(values)
        if variable.kind == "binary":
            wrong = ~np.isnan(values) & ~np.isin(values, (0.0, 1.0))
        if wrong.any():
            found[variable.name] = wrong
    return found


def _absent(observations: Observations, artifact: Artifact) -> list[Fault]:
    """Variables that training usually knew and that are now known of nobody, beyond chance.

    A site that measures a variable in few is none of these.
    """
    usual = artifact.facts["scoring"].get("usually_known", [])
    trained = artifact.facts["reference"]["variables"]
    return [
        _fault("absent", artifact, name, f"'{name}' is recorded in nobody: is the column named so?")
        for name in usual
        if name in trained
        and trained[name]["missing"] <= _MAY_BE_MISSING
        and pd.isna(observations.values[name]).all()
        and trained[name]["missing"] ** len(observations) <= _BEYOND_DOUBT / len(usual)
    ]


def _without_therapy(
    observations: Observations, artifact: Artifact, settings: Monitoring
) -> list[Fault]:
    therapy = artifact.plan.therapy
    if artifact.plan.facts is None or therapy is None:
        return []
    if therapy in observations.absent:
        return [_fault("therapy", artifact, therapy, f"there is no column '{therapy}': name it so")]
    count, n = int(pd.isna(observations.values[therapy]).sum()), len(observations)
    if count < SMALLEST_SHOWN or count / n < settings.abstain_share:
        return []
    told = f"'{therapy}' is missing in {share_of(count, n)}: without it there is no risk"
    return [_fault("therapy", artifact, therapy, told)]


def _implausible(observations: Observations, artifact: Artifact) -> list[Fault]:
    faults = []
    for name, rows in implausible(observations, artifact).items():
        if rows.sum() < SMALLEST_SHOWN:
            continue
        variable = artifact.dictionary[name]
        unit = f" {variable.unit}" if variable.unit else ""
        limits = (
            "is neither 0 nor 1"
            if variable.kind == "binary"
            else f"is outside {variable.range[0]:g} to {variable.range[1]:g}{unit}"
            if variable.range
            else "is infinite"
        )
        told = (
            f"'{name}' {limits} in {share_of(int(rows.sum()), len(rows))}, who get no risk: "
            "mend it at its source"
        )
        faults.append(_fault("implausible", artifact, name, told))
    return faults


def _selected(observations: Observations, artifact: Artifact, risks: np.ndarray) -> list[Fault]:
    """Whether outcomes are known of patients chosen by their outcome, or by what foretells it."""
    primary = artifact.facts["primary_outcome"]
    told = _class_gone(observations, artifact, risks) or _other_patients(
        risks[:, artifact.model.outcomes.index(primary)],
        ~np.isnan(observations.observed[:, artifact.model.outcomes.index(primary)]),
    )
    if told is None:
        return []
    column = artifact.facts["outcomes"][primary]["column"]
    return [_fault("outcomes", artifact, column, f"check how outcomes are recorded: {told}")]


def _class_gone(observations: Observations, artifact: Artifact, risks: np.ndarray) -> str | None:
    """Nobody with, or nobody without, an outcome where many were expected."""
    gone = []
    for k, outcome in enumerate(artifact.model.outcomes):
        rows = ~np.isnan(observations.observed[:, k]) & ~np.isnan(risks[:, k])
        y, risk = observations.observed[rows, k], risks[rows, k]
        for word, count, expected in (
            ("with", y.sum(), risk.sum()),
            ("without", len(y) - y.sum(), len(y) - risk.sum()),
        ):
            if count == 0 and expected >= SMALLEST_SHOWN:
                gone.append((float(expected), word, artifact.facts["labels"][outcome]))
    if not gone:
        return None
    expected, word, label = max(gone)
    return (
        f"of the patients with a known outcome none is {word} {label}, where about "
        f"{expected:.0f} were expected"
    )


def _other_patients(risk: np.ndarray, known: np.ndarray) -> str | None:
    """Risks of patients with and without a known outcome differ."""
    from scipy.stats import mannwhitneyu

    told, untold = risk[known & ~np.isnan(risk)], risk[~known & ~np.isnan(risk)]
    if min(len(told), len(untold)) < SMALLEST_SHOWN:
        return None
    test = mannwhitneyu(told, untold)
    if test.pvalue > _BEYOND_DOUBT:
        return None
    higher = test.statistic > len(told) * len(untold) / 2
    return f"patients {'with' if higher else 'without'} a known outcome have the higher risks"


def _fault(kind: str, artifact: Artifact, name: str, sentence: str) -> Fault:
    label = artifact.dictionary[name].label if name in artifact.dictionary else f"'{name}'"
    return {
        "kind": kind,
        "variable": name,
        "label": label,
        "place": "everywhere",
        "sentence": sentence,
    }
