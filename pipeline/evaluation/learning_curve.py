"""Is the cohort large enough: Riley's minimum, and the procedure on fewer patients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.cohort.sample_size import riley_minimum
from pipeline.config import Audit, Evaluation, Learning
from pipeline.evaluation.bootstrap import summary, weight_blocks
from pipeline.evaluation.discrimination import concordance_within
from pipeline.evaluation.power_law import FEWEST_SIZES, fit_power_law
from pipeline.evaluation.procedure import Procedure
from pipeline.evaluation.resampling import Split, fit_splits
from pipeline.evaluation.unit_figures import patient_log_loss
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
        What the bootstrap resamples as a whole.
    parameters : int
        Candidate parameters, for Riley's criteria.
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
    drawn = _subsets(folds, sizes[:-1], settings.subsets, seed) if len(sizes) > 1 else {}
    fits = fit_splits(
        procedure,
        drawn,
        evaluation.processes,
        lambda done, total: progress("learning: fits", done, total),
        scratch,
    )
    outcomes = {}
    for k, name in enumerate(patients.outcomes):
        y = patients.Y[:, k]
        events = int(y.sum())
        if min(events, n - events) < minimum:
            reason = f"fewer than {minimum} events or non-events"
            outcomes[name] = {"n": n, "events": None, "riley": None, "reason": reason}
            continue
        found: dict[str, Any] = {"n": n, "events": events}
        found["riley"] = riley(n, events, parameters, audit)
        if len(sizes) < 2:
            found["reason"] = (
                f"half of a fold's {_full_size(folds):,} training patients are fewer than the "
                f"{procedure.model.minimum_patients} that a fit needs "
                "(model.minimum_patients)"
            )
        elif not np.isfinite(full_risks[:, :, k]).any():
            found["reason"] = "the model gives no patient a risk"
        else:
            risks = _by_size(fits, drawn, folds, sizes, k, settings.subsets)
            risks[sizes[-1]] = full_risks[None, :, :, k]
            shares = _fitted_shares(procedure, drawn, folds, sizes, k)
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


def training_sizes(folds: np.ndarray, fewest: int, most: int) -> list[int]:
    """Return training sizes, rising: a fold's, its half and so on, none below ``fewest``."""
    sizes = [_full_size(folds)]
    while len(sizes) < most and sizes[0] // 2 >= fewest:
        sizes.insert(0, sizes[0] // 2)
    return sizes


def riley(n: int, events: int, parameters: int, audit: Audit) -> dict[str, Any]:
    """Return Riley's minimum for the outcome beside what the cohort has."""
    needed = riley_minimum(parameters, events / n, audit.expected_auroc, audit.shrinkage)
    return {
        "patients_needed": needed["n"],
        "events_needed": needed["events"],
        "criteria": needed["criteria"],
        "met": n >= needed["n"],
        # Of the smaller class, as the rule of thumb has it.
        "events_per_parameter": min(events, n - events) / parameters,
        "expected_auroc": audit.expected_auroc,
        "shrinkage": audit.shrinkage,
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
            f"{evaluation.interval_level:.0%} bootstrap of patients and, crossed with it, of "
            f"fits; {evaluation.bootstrap} samples, the same for all sizes"
        ),
        "fitted_share": (
            "share of the parts in which the outcome had enough events to fit anything; in the "
            "others the risk is the prior alone"
        ),
        "law": (
            "log-loss = floor + b n^-alpha, by weighted least squares over the sizes at which "
            f"every part was fitted; at least {FEWEST_SIZES} of them"
        ),
        "parameters": (
            "one per numeric or binary predictor, levels minus one per categorical one, scores "
            "and therapy attributes included; splines and trees would ask for more"
        ),
        "riley": (
            "smallest cohort that meets Riley's three criteria for an unpenalised model of "
            f"AUROC {audit.expected_auroc:g} with shrinkage {audit.shrinkage:g}"
        ),
        "worthwhile": settings.worthwhile,
        "interval_level": evaluation.interval_level,
    }


def _full_size(folds: np.ndarray) -> int:
    return int(folds.shape[1] - max(np.bincount(row).max() for row in folds))


def _subsets(folds: np.ndarray, sizes: list[int], subsets: int, seed: int) -> dict[str, Split]:
    """Draw the training patients of every fit, the costly ones first."""
    found = {}
    for r, fold_of in enumerate(folds):
        for fold in np.unique(fold_of):
            train, test = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
            for s in range(subsets):
                rng = np.random.default_rng([seed, r, int(fold), s])
                order = rng.permutation(train)
                for size in sizes:
                    part = Split(np.sort(order[:size]), test, int(rng.integers(2**31)))
                    found[_fit_name(size, r, int(fold), s)] = part
    by_size = sorted(found, key=lambda name: -len(found[name].train))
    return {name: found[name] for name in by_size}


def _fit_name(size: int, repeat: int, fold: int, subset: int) -> str:
    return f"{size}_repeat_{repeat}_fold_{fold}_part_{subset}"


def _by_size(
    fits: dict[str, Any],
    drawn: dict[str, Split],
    folds: np.ndarray,
    sizes: list[int],
    k: int,
    subsets: int,
) -> dict[int, np.ndarray]:
    """Risks of one outcome by size, each of shape (subsets, repeats, n)."""
    risks = {}
    for size in sizes[:-1]:
        table = np.full((subsets, *folds.shape), np.nan)
        for r, fold_of in enumerate(folds):
            for fold in np.unique(fold_of):
                for s in range(subsets):
                    name = _fit_name(size, r, int(fold), s)
                    table[s, r, drawn[name].test] = fits[name]["model"][:, k]
        risks[size] = table
    return risks


def _fitted_shares(
    procedure: Procedure, drawn: dict[str, Split], folds: np.ndarray, sizes: list[int], k: int
) -> list[float]:
    """Share of the fits of each size for which the outcome had enough patients and events."""
    minimum = (procedure.model.minimum_patients, procedure.model.minimum_events)
    y = procedure.patients.Y[:, k]
    rows: dict[int, list[np.ndarray]] = {size: [] for size in sizes}
    for split in drawn.values():
        rows[len(split.train)].append(split.train)
    rows[sizes[-1]] = [np.flatnonzero(row != f) for row in folds for f in np.unique(row)]
    return [float(np.mean([too_few(y[r], minimum) is None for r in rows[s]])) for s in sizes]


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
    sizes, level = sorted(risks), evaluation.interval_level
    kept = np.all([np.isfinite(risk).all(axis=(0, 1)) for risk in risks.values()], axis=0)
    drawn = _replicates(
        y[kept],
        [risks[size][:, :, kept] for size in sizes],
        folds[:, kept],
        None if therapies is None else pd.factorize(therapies[kept])[0],
        None if groups is None else groups[kept],
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
    law = _law(np.array(sizes, dtype=float), drawn["log_loss"], usable, settings, level)
    found = {
        "points": points,
        "last_doubling": {"from": sizes[-2], "to": sizes[-1], **last},
        "law": law,
    }
    return {**found, "sentence": sentence(found, settings.worthwhile)}


def sentence(curve: dict[str, Any], worthwhile: float) -> str:
    """Say soberly where the curve flattens, or that it does not within the data."""
    last, law = curve["last_doubling"], curve["law"]
    saved = last["log_loss"]
    said = (
        f"Going from {last['from']:,} to {last['to']:,} training patients saved "
        f"{saved['estimate']:.4f} in log-loss ({saved['low']:.4f} to {saved['high']:.4f})."
    )
    if "reason" in law:
        return f"{said} Where the curve flattens is not estimated: {law['reason']}."
    ahead = law["next_doubling"]
    more = f"{ahead['estimate']:.4f} ({ahead['low']:.4f} to {ahead['high']:.4f})"
    flat = law["flat_from"]
    if flat["high"] <= last["to"]:
        about = max(flat["estimate"], law["smallest"])
        return (
            f"{said} By the fitted curve a doubling saves less than {worthwhile:g} from about "
            f"{about:,.0f} patients on (at most {max(flat['high'], law['smallest']):,.0f}); "
            f"another one would save {more}."
        )
    if flat["low"] > last["to"]:
        return (
            f"{said} The curve has not flattened within the data: another doubling would save "
            f"{more}, more than {worthwhile:g}."
        )
    return (
        f"{said} Whether the curve has flattened is uncertain: another doubling would save "
        f"{more}, where {worthwhile:g} counts as worthwhile."
    )


def _law(
    sizes: np.ndarray, losses: np.ndarray, usable: list[int], settings: Learning, level: float
) -> dict[str, Any]:
    if len(usable) < FEWEST_SIZES:
        return {
            "reason": f"{FEWEST_SIZES} training sizes with enough events throughout are needed, "
            f"found {len(usable)}"
        }
    at, values = sizes[usable], losses[:, usable]
    values = values[np.isfinite(values).all(axis=1)]
    law = fit_power_law(at, values, 1 / values[1:].var(axis=0))
    return {
        "floor": summary(law.floor, level),
        "exponent": summary(law.exponent, level),
        "next_doubling": summary(law.doubling(float(sizes[-1])), level),
        "flat_from": summary(law.flat_from(settings.worthwhile), level),
        "smallest": int(at[0]),
    }


def _replicates(
    y: np.ndarray,
    risks: list[np.ndarray],
    folds: np.ndarray,
    strata: np.ndarray | None,
    groups: np.ndarray | None,
    evaluation: Evaluation,
    seed: int,
) -> dict[str, np.ndarray]:
    """Each figure in the data and in each bootstrap sample, of shape (1 + samples, sizes).

    A patient's weight in the judgement of a fit is its own weight times the fit's: patients
    and fits are resampled crosswise, as both are drawn from many (Owen AB, Ann Appl Stat
    2007;1:386).
    """
    repeats, n = folds.shape
    rng = np.random.default_rng([seed, 1])
    fits = int(folds.max()) + 1
    # Rows of all repeats one after the other; pairs are sought within one fit.
    of_fit = (folds + fits * np.arange(repeats)[:, None]).ravel()
    observed = np.tile(y, repeats)
    if strata is None:
        within = None
    else:
        both = of_fit * (strata.max() + 1) + np.tile(strata, repeats)
        within = np.where(np.tile(strata, repeats) < 0, -1, both)
    losses = [np.mean([patient_log_loss(observed, r.ravel()) for r in risk], 0) for risk in risks]
    found: dict[str, list[np.ndarray]] = {"log_loss": [], "auroc": [], "auroc_within_therapy": []}
    first = True
    for weights in weight_blocks(n, evaluation.bootstrap, seed, groups):
        of_fits = rng.multinomial(fits, np.full(fits, 1 / fits), size=(len(weights), repeats))
        if first:
            of_fits[0], first = 1, False
        crossed = np.tile(weights, repeats) * of_fits.reshape(len(weights), -1)[:, of_fit]
        total = crossed.sum(axis=1)
        found["log_loss"].append(np.stack([crossed @ loss / total for loss in losses], axis=1))
        for name, codes in (("auroc", of_fit), ("auroc_within_therapy", within)):
            if codes is not None:
                ranked = [
                    np.mean([concordance_within(observed, r.ravel(), codes, crossed) for r in s], 0)
                    for s in risks
                ]
                found[name].append(np.stack(ranked, axis=1))
    return {name: np.concatenate(parts) for name, parts in found.items() if parts}
