"""Is the cohort large enough: Riley's minimum, and the procedure on fewer patients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.cohort.sample_size import COUNTED, against_riley
from pipeline.config import Audit, Evaluation, Learning
from pipeline.evaluation.bootstrap import expanded_level, summary
from pipeline.evaluation.learning_figures import figures_by_size
from pipeline.evaluation.learning_law import law_of_learning, sentence
from pipeline.evaluation.learning_subsets import (
    full_size,
    nested_subsets,
    risks_by_size,
    training_rows,
    training_sizes,
)
from pipeline.evaluation.power_law import FEWEST_SIZES
from pipeline.evaluation.procedure import Procedure
from pipeline.evaluation.resampling import Split, fit_splits
from pipeline.model.head import too_few

Progress = Callable[[str, int, int], None]


def judge_learning(
    procedure: Procedure,
    folds: np.ndarray,
    full_risks: np.ndarray,
    groups: np.ndarray | None,
    parameters: int,
    settings: Learning,
    evaluation: Evaluation,
    audit: Audit,
    seed: int,
    progress: Progress,
    scratch: Path | None = None,
) -> dict[str, Any]:
    """Judge the procedure on fewer and fewer patients: the content of ``learning_curve.json``.

    Parameters
    ----------
    procedure : Procedure
    folds : ndarray of int, shape (repeats, n)
        Of the cross-validation; each fold's patients judge what its others, or some of
        them, taught.
    full_risks : ndarray, shape (repeats, n, outcomes)
        The cross-validation's risks: the curve's last point.
    groups : ndarray, shape (n,), or None
        What the bootstrap resamples as a whole, as `bootstrap_clusters` finds it.
    parameters : int
        As `candidate_parameters` counts them, for Riley's criteria.
    settings, evaluation, audit
        ``audit`` for what Riley's criteria assume and ask.
    seed, progress, scratch
        As in `fit_splits`.

    Returns
    -------
    dict
        ``definition``, ``parameters``, ``sizes`` and ``outcomes``; each outcome has ``n``,
        ``events``, ``riley`` and either a ``reason`` why there is no curve, or ``points``
        (``n``, ``fitted_share``, ``log_loss``, ``auroc`` and ``auroc_within_therapy``),
        ``last_doubling`` (``from``, ``to``, ``log_loss`` saved, AUROC gained), ``law``
        (``next_doubling``, ``flat_from``, or a ``reason``) and ``sentence``.
    """
    folds, full_risks = folds[: settings.repeats], full_risks[: settings.repeats]
    # As somebody with so few patients would have decided.
    procedure = replace(procedure, decide_by_cohort=False)
    patients, minimum = procedure.patients, evaluation.minimum_cell
    n = len(patients)
    sizes = training_sizes(folds, procedure.model.minimum_patients, settings.sizes)
    drawn: dict[str, Split] = {}
    if len(sizes) > 1:
        drawn = nested_subsets(folds, sizes[:-1], settings.subsets, seed, patients.persons)
    fits = fit_splits(
        procedure,
        drawn,
        evaluation.processes,
        lambda done, total: progress("learning: fits", done, total),
        scratch,
    )
    needed = (procedure.model.minimum_patients, procedure.model.minimum_events)
    outcomes = {}
    for k, name in enumerate(patients.outcomes):
        y = patients.Y[:, k]
        events = int(y.sum())
        if min(events, n - events) < minimum:
            reason = f"fewer than {minimum} events or non-events"
            outcomes[name] = {"n": n, "events": None, "riley": None, "reason": reason}
            continue
        found: dict[str, Any] = {"n": n, "events": events}
        found["riley"] = against_riley(n, events, parameters, audit)
        if len(sizes) < 2:
            found["reason"] = (
                f"half of a fold's {full_size(folds):,} training patients are fewer than the "
                f"{procedure.model.minimum_patients} that a fit needs "
                "(model.minimum_patients)"
            )
        elif not np.isfinite(full_risks[:, :, k]).any():
            found["reason"] = "the model gives no patient a risk"
        else:
            risks = risks_by_size(fits, drawn, folds, sizes, k, settings.subsets)
            risks[sizes[-1]] = full_risks[None, :, :, k]
            shares = [
                float(np.mean([too_few(y[part], needed) is None for part in parts]))
                for parts in training_rows(drawn, folds, sizes)
            ]
            found |= _curve(
                y, risks, shares, folds, patients.therapies, groups, settings, evaluation, seed
            )
        outcomes[name] = found
    return {
        "definition": definition(settings, evaluation, audit, folds),
        "parameters": parameters,
        "sizes": sizes,
        "outcomes": outcomes,
    }


def definition(
    settings: Learning, evaluation: Evaluation, audit: Audit, folds: np.ndarray
) -> dict[str, Any]:
    """Return what the figures are, in words."""
    return {
        "curve": (
            "the entire procedure fitted on random parts of each fold's training patients, each "
            "twice the size of the one before and holding it, and judged on the fold's others; "
            f"{len(folds)} x {folds.max() + 1} folds, {settings.subsets} part(s) of each size"
        ),
        "auroc": "over pairs of patients judged by the same fit; within therapy: of one therapy",
        "intervals": (
            f"{evaluation.interval_level:.0%} bootstrap of what is resampled in the evaluation, "
            f"patients or whole sites, and, crossed with it, of fits; {evaluation.bootstrap} "
            "samples, the same for all sizes"
        ),
        "fitted_share": (
            "share of the parts in which the outcome had enough events to fit anything; in the "
            "others the risk is the prior alone"
        ),
        "law": (
            "log-loss = floor + b n^-alpha, by weighted least squares over the sizes at which "
            f"every part was fitted; at least {FEWEST_SIZES} of them"
        ),
        "parameters": COUNTED,
        "riley": (
            "smallest cohort that meets Riley's three criteria for an unpenalised model of "
            f"AUROC {audit.expected_auroc:g} with shrinkage {audit.shrinkage:g}"
        ),
        "worthwhile": settings.worthwhile,
        "interval_level": evaluation.interval_level,
    }


def _curve(
    y: np.ndarray,
    risks: dict[int, np.ndarray],
    fitted_shares: list[float],
    folds: np.ndarray,
    therapies: np.ndarray | None,
    groups: np.ndarray | None,
    settings: Learning,
    evaluation: Evaluation,
    seed: int,
) -> dict[str, Any]:
    """Points of the curve, what the last doubling brought, and where the curve flattens."""
    sizes = sorted(risks)
    kept = np.all([np.isfinite(risk).all(axis=(0, 1)) for risk in risks.values()], axis=0)
    whole = None if groups is None else groups[kept]
    units = int(kept.sum()) if whole is None else len(np.unique(whole))
    level = expanded_level(evaluation.interval_level, units)
    drawn = figures_by_size(
        y[kept],
        [risks[size][:, :, kept] for size in sizes],
        folds[:, kept],
        None if therapies is None else therapies[kept],
        whole,
        evaluation,
        seed,
    )
    named = ["log_loss", "auroc"] + ([] if therapies is None else ["auroc_within_therapy"])
    points = [
        {"n": size, "fitted_share": share}
        | {name: summary(drawn[name][:, i], level) for name in named}
        for i, (size, share) in enumerate(zip(sizes, fitted_shares, strict=True))
    ]
    last = {
        name: summary((drawn[name][:, -1] - drawn[name][:, -2]) * (-1 if name == "log_loss" else 1),
                      level)
        for name in named
    }  # fmt: skip
    usable = [i for i, share in enumerate(fitted_shares) if share == 1]
    law = law_of_learning(np.array(sizes, dtype=float), drawn["log_loss"], usable, settings, level)
    found = {
        "points": points,
        "last_doubling": {"from": sizes[-2], "to": sizes[-1], **last},
        "law": law,
    }
    return {**found, "sentence": sentence(found, settings.worthwhile)}
