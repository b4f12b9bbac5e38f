"""How far new patients differ from the training cohort: values, missing values, therapies, risks.

Every comparison gives a size and a test. Only what is both certain (false discovery rate over
all of them) and large (PSI, difference of shares) is marked: many patients make trifles certain,
and few make noise large.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from pipeline.config import Monitoring
from pipeline.model.artifact import Artifact
from pipeline.model.head import SMALLEST_SHOWN
from pipeline.model.reference import OTHER, level_name, shares_between
from pipeline.monitoring.multiplicity import adjusted
from pipeline.monitoring.observations import Observations

_NONE, _NOTABLE, _LARGE = "none", "notable", "large"


def measure_drift(
    observations: Observations, artifact: Artifact, risk: np.ndarray, settings: Monitoring
) -> list[dict[str, Any]]:
    """Compare new patients with the reference in the model's text.

    Parameters
    ----------
    observations : Observations
    artifact : Artifact
    risk : ndarray, shape (n, outcomes)
        NaN for patients without one.
    settings : Monitoring

    Returns
    -------
    list of dict
        ``kind`` (``values``, ``missing``, ``therapies`` or ``risks``), ``name``, ``label``,
        ``size`` (PSI above chance; for missing values the change of the share), ``p``,
        ``adjusted_p``, ``verdict`` (none, notable, large, not compared), and ``reference`` and
        ``found`` shares by ``bins``. Sizes and tests are of the true counts; where they would
        tell of fewer than ten patients they are None, beside the ``verdict`` and a ``reason``.
    """
    reference = artifact.facts["reference"]
    found = []
    for name, summary in reference["variables"].items():
        values, label = observations.values[name], artifact.dictionary[name].label
        found.append(
            _missing(name, label, values, summary["missing"], reference["patients"], settings)
        )
        trained_on = reference["patients"] * (1 - summary["missing"])
        known = values[~pd.isna(values)]
        bins, trained, new = _counts(known, summary, trained_on)
        found.append(_shares("values", name, label, bins, trained, new, settings))
    if reference["therapies"]:
        therapy = artifact.dictionary[artifact.plan.therapy]  # type: ignore[index]
        given = observations.values[therapy.name]
        # No patient is trained on without a known therapy.
        found.append(
            _missing(therapy.name, therapy.label, given, 0.0, reference["patients"], settings)
        )
        names = artifact.plan.facts.names(given)  # type: ignore[union-attr]
        summary = {"levels": reference["therapies"]}
        bins, trained, new = _counts(names[~pd.isna(names)], summary, reference["patients"])
        found.append(
            _shares("therapies", "therapies", "Mix of therapies", bins, trained, new, settings)
        )
    for k, (outcome, summary) in enumerate(reference["risks"].items()):
        known = risk[:, k][~np.isnan(risk[:, k])]
        # Of a recalibrated model they are the site's, not those of the training cohort.
        patients = summary.get("patients", reference["patients"])
        bins, trained, new = _counts(known, summary, patients)
        label = artifact.facts["labels"][outcome]
        found.append(_shares("risks", outcome, f"Risk of {label}", bins, trained, new, settings))
    return _judged(found, settings)


def population_stability(trained: np.ndarray, new: np.ndarray) -> float:
    r"""Population stability index of two sets of counts, less what chance alone gives.

    Notes
    -----
    :math:`\sum (q - p) \ln(q / p)` over bins, half a patient added to each; with equal
    populations its expectation is about :math:`(k - 1)(1/n + 1/m)` for k bins (Yurdakul and
    Naranjo, J Risk Model Validation 2020;14:89), which is subtracted.
    """
    p = (trained + 0.5) / (trained + 0.5).sum()
    q = (new + 0.5) / (new + 0.5).sum()
    chance = (len(p) - 1) * (1 / max(trained.sum(), 1) + 1 / max(new.sum(), 1))
    return max(0.0, float(np.sum((q - p) * np.log(q / p)) - chance))


def homogeneity(trained: np.ndarray, new: np.ndarray) -> float:
    """Pearson's p-value of two sets of counts having one distribution over the bins."""
    from scipy.stats import chi2

    used = trained + new > 0
    table = np.vstack([trained[used], new[used]])
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return float(chi2.sf(statistic, max(int(used.sum()) - 1, 1)))


def _counts(
    known: np.ndarray, summary: dict[str, Any], patients: float
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Bins, and how many patients of training and of the new cohort lie in each."""
    if "cuts" in summary:
        cuts = summary["cuts"]
        edges = [f"{cut:g}" for cut in cuts]
        bins = [f"below {edges[0]}"] if edges else []
        bins += [f"{a} to {b}" for a, b in pairwise(edges)]
        bins += [f"{edges[-1]} and above"] if edges else []
        new = shares_between(known.astype(float), cuts) if cuts else np.zeros(0)
        return bins, np.array(summary["shares"]) * patients, new.astype(float)
    levels = dict(summary["levels"])
    if not levels:
        return [], np.zeros(0), np.zeros(0)
    trained = {level: share * patients for level, share in levels.items()}
    codes = pd.Series(known, dtype=object).map(level_name)
    # A level that training did not see counts as one of its own, beside the small ones.
    counts = codes.where(codes.isin(list(levels)), OTHER).value_counts()
    bins = list(dict.fromkeys([*levels, OTHER])) if OTHER in counts else list(levels)
    return (
        bins,
        np.array([trained.get(b, 0.0) for b in bins]),
        np.array([float(counts.get(b, 0)) for b in bins]),
    )


def _shares(
    kind: str,
    name: str,
    label: str,
    bins: list[str],
    trained: np.ndarray,
    new: np.ndarray,
    settings: Monitoring,
) -> dict[str, Any]:
    entry: dict[str, Any] = {"kind": kind, "name": name, "label": label, "limits": settings.psi}
    if len(bins) < 2 or new.sum() < SMALLEST_SHOWN:
        return entry | {"size": None, "p": None, "reason": "too few values to compare"}
    return entry | {
        "size": population_stability(trained, new),
        "p": homogeneity(trained, new),
        "bins": bins,
        "reference": (trained / trained.sum()).tolist(),
        "found": shown_shares(new),
    }


def shown_shares(counts: np.ndarray) -> list[float | None]:
    """Shares of a total, those of few patients hidden, and a second one if only one were."""
    hidden = (counts > 0) & (counts < SMALLEST_SHOWN)
    if hidden.sum() == 1 and (counts >= SMALLEST_SHOWN).any():
        rest = np.where(counts >= SMALLEST_SHOWN, counts, np.inf)
        hidden[int(np.argmin(rest))] = True
    total = counts.sum()
    return [None if h else float(c / total) for c, h in zip(counts, hidden, strict=True)]


def _missing(
    name: str,
    label: str,
    values: np.ndarray,
    trained_share: float,
    patients: int,
    settings: Monitoring,
) -> dict[str, Any]:
    from scipy.stats import fisher_exact

    absent, n = int(pd.isna(values).sum()), len(values)
    trained = round(trained_share * patients)
    if trained in (0, patients):
        # A share told as none or all may be of up to nine others: the nearest that may be.
        others = min(SMALLEST_SHOWN - 1, round(abs(absent / n - trained_share) * patients))
        trained = abs(trained - others)
    test = fisher_exact([[absent, n - absent], [trained, patients - trained]])
    entry = {
        "kind": "missing",
        "name": name,
        "label": label,
        "limits": (settings.missing_change, 2 * settings.missing_change),
        "reference": trained_share,
        "found": absent / n,
        "size": abs(absent / n - trained / patients),
        "p": float(test.pvalue),
    }
    if 0 < min(absent, n - absent) < SMALLEST_SHOWN:
        # Its size or p-value would tell the count: the mark alone is told.
        what = "missing" if absent < SMALLEST_SHOWN else "known"
        entry["reason"] = f"{what} in fewer than {SMALLEST_SHOWN}"
        entry["found"] = None
    return entry


def _judged(found: list[dict[str, Any]], settings: Monitoring) -> list[dict[str, Any]]:
    tested = [entry for entry in found if entry["p"] is not None]
    p = adjusted(np.array([entry["p"] for entry in tested]))
    for entry, value in zip(tested, p, strict=True):
        notable, large = entry["limits"]
        certain = value <= settings.false_discovery_rate
        entry["adjusted_p"] = float(value)
        entry["verdict"] = (
            _LARGE
            if certain and entry["size"] >= large
            else _NOTABLE
            if certain and entry["size"] >= notable
            else _NONE
        )
    for entry in found:
        entry.setdefault("adjusted_p", None)
        entry.setdefault("verdict", "not compared")
        if "reason" in entry:
            entry |= {"size": None, "p": None, "adjusted_p": None}
    return found


def drifted(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those comparisons that are marked, the furthest from training first."""
    marked = [entry for entry in found if entry["verdict"] in (_NOTABLE, _LARGE)]
    return sorted(marked, key=_nearness)


def _nearness(entry: dict[str, Any]) -> tuple[bool, float]:
    return entry["verdict"] != _LARGE, -(entry["size"] or 0.0) / entry["limits"][0]
