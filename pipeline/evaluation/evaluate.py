"""Every figure of the evaluation, from the table of out-of-fold risks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import joblib
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipeline.config import Evaluation
from pipeline.evaluation.bootstrap import Replicates, expanded_level, replicates, summaries
from pipeline.evaluation.classification import (
    classification_figures,
    count_alerts,
    smallest_cell,
    smallest_revealed,
)
from pipeline.evaluation.definition import definition
from pipeline.evaluation.grouping import Grouping
from pipeline.evaluation.oof import OutOfFold, aligned, read_outcome
from pipeline.evaluation.overall import clipped as clipped_risk
from pipeline.evaluation.performance import (
    FIGURES,
    performance,
    ranks_nobody,
    why_undefined,
)
from pipeline.evaluation.subgroups import hidden_cells, subgroup_tables
from pipeline.evaluation.suppression import in_whole_patients, unless_small
from pipeline.evaluation.tables import (
    band,
    classification_bands,
    curve_table,
    group_table,
    threshold_table,
)
from pipeline.evaluation.truth_table import truth_measures, truth_table
from pipeline.evaluation.utility import net_benefit, net_benefit_of_all

COMPARED = ("log_loss", "brier", "auroc", "auroc_within_therapy")
CURVE_POINTS = 50
NET_BENEFIT_STEP = 0.01


def evaluate(
    oof: pd.DataFrame,
    therapy: pd.Series | None,
    cluster: pd.Series | None,
    settings: Evaluation,
    seed: int,
    truth: pd.DataFrame | None = None,
    groupings: Sequence[Grouping] = (),
    persons: pd.Series | None = None,
) -> dict[str, Any]:
    """Judge out-of-fold risks: the content of ``evaluation.json``.

    Parameters
    ----------
    oof : DataFrame
        As `oof_frame` lays it out: a risk column ``model`` and one per comparator, and
        optionally ``low`` and ``high``, the interval of the model's risk.
    therapy : Series of str, indexed by patient, optional
        Stratum of the discrimination within therapy; missing values leave a patient out. None
        where no therapy is recorded, so that ``therapy_only`` is the base rate.
    cluster : Series, indexed by patient, optional
        Site, or patient where a patient has several infusions: resampled as a whole.
    settings : Evaluation
    seed : int
        Of the bootstrap.
    truth : DataFrame, optional
        ``patient_id`` and ``risk_<outcome>``, the true risk given the baseline.
    groupings : sequence of Grouping
        Divisions of the patients into subgroups that are judged by themselves.
    persons : Series, indexed by patient_id, optional
        Who each row is, where some have several: resampled as a whole within subgroups of too
        few clusters.

    Returns
    -------
    dict
        ``definition`` (what the figures are, in words) and ``outcomes``. It holds no NaN:
        an undefined or suppressed figure is None and a ``reason`` says why.

    Raises
    ------
    ValueError
        If the table is malformed (see `read_outcome`) or lacks a patient's therapy, cluster
        or truth.
    """
    read = {str(name): read_outcome(oof, name) for name in dict.fromkeys(oof["outcome"])}
    hidden = hidden_cells(read, groupings, settings.minimum_cell)
    tasks = []
    for outcome, data in read.items():
        tasks.append(
            joblib.delayed(_evaluate_outcome)(
                data,
                *_coded(therapy, data.patient_id),
                # Rows without a site are one site of their own.
                _coded(cluster, data.patient_id)[0],
                settings,
                settings.thresholds.get(outcome, []),
                seed,
                _true_risk(truth, outcome, data.patient_id),
                groupings,
                hidden[outcome],
                _coded(persons, data.patient_id)[0],
            )
        )
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        results = joblib.Parallel(n_jobs=min(settings.processes, len(read)))(tasks)
    return {
        "definition": definition(oof, therapy, cluster, settings, groupings),
        "outcomes": dict(zip(read, results, strict=True)),
    }


def _evaluate_outcome(
    data: OutOfFold,
    strata: np.ndarray | None,
    names: list[str],
    clusters: np.ndarray | None,
    settings: Evaluation,
    thresholds: list[float],
    seed: int,
    truth: np.ndarray | None,
    groupings: Sequence[Grouping],
    hidden: Sequence[np.ndarray],
    persons: np.ndarray | None,
) -> dict[str, Any]:
    n, events = len(data.observed), int(data.observed.sum())
    if n == 0:
        return {"n": 0, "reason": "the model gives no patient a risk"}
    minimum = settings.minimum_cell
    if min(events, n - events) < minimum:
        return _hidden(data, minimum)
    units = n if clusters is None else len(np.unique(clusters))
    level = expanded_level(settings.interval_level, units)
    grid = _threshold_grid(settings.net_benefit)
    steps = np.array(thresholds)
    curve_at = np.unique(np.quantile(data.risks["model"], np.linspace(0.01, 0.99, CURVE_POINTS)))
    measures = _measures(data, strata, steps, grid, curve_at, truth)
    # One thread, so that sums are taken in the same order whatever the processes.
    with threadpool_limits(1):
        drawn = replicates(measures, n, settings.bootstrap, seed, clusters)
        groups = subgroup_tables(data, strata, clusters, persons, groupings, hidden, settings, seed)
    models = {name: drawn[f"models.{name}"] for name in data.risks}
    benefit = {name: in_whole_patients(v, n) for name, v in drawn["net_benefit"].items()}
    curve = models["model"].pop("curve")
    undefined = why_undefined(data.observed, strata)
    flat = {name: ranks_nobody(data, name, strata) for name in models}
    for name, figures in flat.items():
        models[name] |= {figure: np.full(1 + settings.bootstrap, np.nan) for figure in figures}
    return {
        "n": n,
        "events": events,
        "prevalence": events / n,
        "abstained": unless_small(data.abstained, minimum),
        "clipped": unless_small(_clipped(data), minimum),
        "models": {
            name: summaries(values, level, undefined | flat[name])
            for name, values in models.items()
        },
        "differences": {
            name: summaries(
                {k: models["model"][k] - values[k] for k in COMPARED},
                level,
                undefined | flat[name] | flat["model"],
            )
            for name, values in models.items()
            if name != "model"
        },
        "calibration_curve": curve_table(curve_at, curve, level),
        "calibration_groups": group_table(data.observed, data.risks["model"][0], minimum),
        "thresholds": threshold_table(
            steps,
            drawn["alerts"],
            smallest_revealed(data.observed, data.risks["model"], steps, minimum),
            level,
            minimum,
        ),
        "net_benefit": {
            "thresholds": grid.tolist(),
            "curves": {name: band(values, level) for name, values in benefit.items()},
            "differences": {
                name: band(benefit["model"] - values, level)
                for name, values in benefit.items()
                if name != "model"
            },
            "classification": classification_bands(
                drawn["grid"],
                smallest_cell(data.observed, data.risks["model"], grid),
                level,
                minimum,
            ),
        },
        "subgroups": groups,
        "truth": None
        if truth is None
        else truth_table(drawn, list(data.risks), strata, names, level, undefined, minimum),
    }


def _hidden(data: OutOfFold, minimum: int) -> dict[str, Any]:
    """Return an outcome with a small class, without figures.

    Its number of events could be worked out from most of them (observed over expected, Brier
    score, net benefit of acting on all), and with so few none means anything.
    """
    reason = f"fewer than {minimum} events or non-events"

    def without(figures: Iterable[str]) -> dict[str, Any]:
        return {
            figure: {"estimate": None, "low": None, "high": None, "reason": reason}
            for figure in figures
        }

    return {
        "n": len(data.observed),
        "events": None,
        "prevalence": None,
        "reason": reason,
        "abstained": unless_small(data.abstained, minimum),
        "clipped": unless_small(_clipped(data), minimum),
        "models": {name: without(FIGURES) for name in data.risks},
        "differences": {name: without(COMPARED) for name in data.risks if name != "model"},
        "calibration_curve": [],
        "calibration_groups": [],
        "thresholds": [],
        "net_benefit": None,
        "subgroups": [],
        "truth": None,
    }


def _clipped(data: OutOfFold) -> int:
    return int(sum((r != clipped_risk(r)).any(axis=0).sum() for r in data.risks.values()))


def _measures(
    data: OutOfFold,
    strata: np.ndarray | None,
    thresholds: np.ndarray,
    grid: np.ndarray,
    curve_at: np.ndarray,
    truth: np.ndarray | None,
) -> dict[str, Callable[[np.ndarray], Replicates]]:
    """Name what is computed under each block of weights."""
    y, risks = data.observed, data.risks

    def benefits(w: np.ndarray) -> Replicates:
        alerts = {name: count_alerts(y, risk, grid, w) for name, risk in risks.items()}
        curves = {name: net_benefit(found, grid) for name, found in alerts.items()}
        return {
            **curves,
            "treat_all": net_benefit_of_all(alerts["model"], grid),
            "treat_none": np.zeros((len(w), len(grid))),
        }

    measures: dict[str, Callable[[np.ndarray], Replicates]] = {
        "alerts": lambda w: classification_figures(count_alerts(y, risks["model"], thresholds, w)),
        "grid": lambda w: classification_figures(count_alerts(y, risks["model"], grid, w)),
        "net_benefit": benefits,
    }
    for name, risk in risks.items():
        at = curve_at if name == "model" else None
        measures[f"models.{name}"] = partial(performance, y, risk, data.folds, strata, curve_at=at)
    if truth is not None:
        measures |= truth_measures(data, truth, strata)
    return measures


def _threshold_grid(ends: tuple[float, float]) -> np.ndarray:
    # Rounded, so that a risk of 0.30 is an alert at 0.30.
    count = int((ends[1] - ends[0]) / NET_BENEFIT_STEP + 1e-9) + 1
    return np.round(ends[0] + NET_BENEFIT_STEP * np.arange(count), 10)


def _coded(labels: pd.Series | None, patients: np.ndarray) -> tuple[np.ndarray | None, list[str]]:
    """Labels as numbers from 0, -1 where missing, and what they stand for."""
    if labels is None:
        return None, []
    codes, names = pd.factorize(aligned(labels, patients), sort=True)
    return codes, [str(name) for name in names]


def _true_risk(truth: pd.DataFrame | None, outcome: str, patients: np.ndarray) -> np.ndarray | None:
    column = f"risk_{outcome}"
    if truth is None or column not in truth:
        return None
    return aligned(truth.set_index("patient_id")[column], patients)
