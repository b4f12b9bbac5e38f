"""Whether therapies and leading findings still mean what training learned of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.config import Monitoring
from pipeline.features.matrix import build_matrix, prior_log_odds
from pipeline.model.artifact import Artifact
from pipeline.monitoring.closed_test import Site, fit
from pipeline.monitoring.multiplicity import rejected
from pipeline.monitoring.observations import Observations

_LEAST_INFORMATION = 5.0

_Terms = tuple[np.ndarray, list[str], np.ndarray]


def changed_meaning(
    sites: dict[str, Site], artifact: Artifact, observations: Observations, settings: Monitoring
) -> dict[tuple[str, str], dict[str, float]]:
    """Find therapies and leading findings that mean something else than in training.

    Parameters
    ----------
    sites : dict of str to Site
        The outcomes with enough events to be tested.

    Returns
    -------
    dict
        By outcome and family (``therapies`` or ``findings``), beyond doubt over all of them:
        what each large change adds to the log-odds.
    """
    families = {
        "therapies": _therapy_terms(artifact, observations, settings),
        "findings": _finding_terms(artifact, observations),
    }
    p: dict[Any, float] = {}
    large: dict[Any, dict[str, float]] = {}
    for name, site in sites.items():
        k = artifact.model.outcomes.index(name)
        for family, (terms, names, variance) in families.items():
            if names:
                key = name, family
                p[key], effects = changed_effects(
                    site, terms[site.rows], names, variance[:, k], settings.effect_sd
                )
                large[key] = {n: e for n, e in effects.items() if abs(e) >= settings.changed_effect}
    return {key: large[key] for key in sorted(rejected(p, settings.retrain_alpha)) if large[key]}


def changed_effects(
    site: Site, terms: np.ndarray, names: list[str], trained_variance: np.ndarray, belief_sd: float
) -> tuple[float, dict[str, float]]:
    """Whether terms tell of the outcome what the model does not, even recalibrated.

    The model is recalibrated first as far as it can be (`reweighted`), so that a shift or a
    loss of strength is not taken for a change of single effects; what is left is tested by its
    score, which stays honest where a term has few events. The model's own effects are estimates
    of a limited cohort: their variance adds to that of the new patients.

    Parameters
    ----------
    site : Site
    terms : ndarray, shape (n, k)
        0/1 or standardised.
    names : list of str, length k
    trained_variance : ndarray, shape (k,)
        Of each term's effect as training left it.
    belief_sd : float
        Of the normal belief that keeps the effects of rare terms sober.

    Returns
    -------
    p : float
        Score test of all terms at once.
    effects : dict of str to float
        What each term adds to the log-odds.
    """
    from scipy.stats import chi2

    base = site.design("reweighted")
    offset = site.offset + base @ fit(base, site.y, site.offset).coefficients
    risk = np.exp(-np.logaddexp(0.0, -offset))
    weight = risk * (1 - risk)
    # Enough information on each term: about five events' worth.
    spread = (terms**2 * weight[:, None]).sum(axis=0)
    kept = (spread >= _LEAST_INFORMATION) & (terms.std(axis=0) > 1e-9)
    if not kept.any():
        return 1.0, {}
    X = terms[:, kept]
    nuisance = np.linalg.solve((base.T * weight) @ base, (base.T * weight) @ X)
    free = X - base @ nuisance
    score = free.T @ (site.y - risk)
    information = (free.T * weight) @ free
    information += (information * trained_variance[kept]) @ information
    rank = int(np.linalg.matrix_rank(information, tol=1e-8 * np.trace(information)))
    statistic = float(score @ np.linalg.pinv(information, rcond=1e-8) @ score)
    found = fit(X, site.y, offset, precision=np.full(X.shape[1], belief_sd**-2.0))
    told = [name for name, k in zip(names, kept, strict=True) if k]
    effects = {name: float(e) for name, e in zip(told, found.coefficients, strict=True)}
    return float(chi2.sf(statistic, max(rank, 1))), effects


def _therapy_terms(artifact: Artifact, observations: Observations, settings: Monitoring) -> _Terms:
    """0/1 per therapy with enough patients; names; the variance that training left, by outcome.

    The variance is that of the published rate as far as training did not tell of the arm, as in
    the interval of a risk.
    """
    plan, heads = artifact.plan, artifact.model.heads
    nothing = np.empty((len(observations), 0))
    if plan.facts is None or plan.therapy is None:
        return nothing, [], nothing
    names = plan.facts.names(observations.values[plan.therapy]).astype(str)
    unique, counts = np.unique(names, return_counts=True)
    kept = [str(u) for u, c in zip(unique, counts, strict=True) if c >= settings.minimum_group]
    if not kept:
        return nothing, [], nothing
    sd = np.nan_to_num(prior_log_odds(observations.values, plan)[1])
    variance = np.zeros((len(kept), len(heads)))
    for i, name in enumerate(kept):
        for k, head in enumerate(heads):
            told = sum(v for arm, v in head.information.items() if arm.split(" in ")[0] == name)
            own = settings.therapy_sd**2 + float(np.mean(sd[names == name, k] ** 2))
            variance[i, k] = own / (1 + told * own)
    return np.column_stack([names == k for k in kept]).astype(float), kept, variance


def _finding_terms(artifact: Artifact, observations: Observations) -> _Terms:
    """The leading variables' columns, standardised; missing values at the mean."""
    leading = artifact.facts["scoring"]["leading"]
    places = [
        (j, column.source)
        for j, column in enumerate(artifact.plan.columns)
        if column.source in leading and column.level is None
    ]
    if not places:
        return np.empty((len(observations), 0)), [], np.empty((0, 0))
    columns = [j for j, _ in places]
    Z = build_matrix(observations.values, artifact.plan)[:, columns]
    known = ~np.isnan(Z)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, Z, 0).sum(axis=0) / count
    sd = np.sqrt(np.where(known, (Z - mean) ** 2, 0).sum(axis=0) / count)
    scaled = np.where(known, (Z - mean) / np.where(sd > 0, sd, 1), 0.0)
    variance = np.column_stack(
        [
            # Row 0 of the root is the intercept's.
            (head.uncertainty.root[1:][columns] ** 2).sum(axis=1)
            * (sd / head.uncertainty.basis.scale[columns]) ** 2
            for head in artifact.model.heads
        ]
    )
    return scaled, [source for _, source in places], variance
