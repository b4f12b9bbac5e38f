"""Every figure of the evaluation, from the table of out-of-fold risks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import joblib
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipeline.config import Evaluation
from pipeline.evaluation.bootstrap import summary, weight_blocks
from pipeline.evaluation.classification import (
    classification_figures,
    count_alerts,
    smallest_cell,
)
from pipeline.evaluation.definition import definition
from pipeline.evaluation.oof import OutOfFold, read_outcome
from pipeline.evaluation.overall import clipped as clipped_risk
from pipeline.evaluation.performance import (
    FIGURES,
    RANKING,
    RANKING_WITHIN,
    UNDEFINED,
    performance,
)
from pipeline.evaluation.tables import (
    band,
    curve_table,
    group_table,
    threshold_table,
    unless_small,
)
from pipeline.evaluation.truth import (
    calibration_to_truth,
    distance_to_truth,
    interval_coverage,
    oracle,
)
from pipeline.evaluation.utility import net_benefit, net_benefit_of_all

COMPARED = ("log_loss", "brier", "auroc", "auroc_within_therapy")
CURVE_POINTS = 50
NET_BENEFIT_STEP = 0.01

Replicates = dict[str, np.ndarray]


def evaluate(
    oof: pd.DataFrame,
    therapy: pd.Series | None,
    cluster: pd.Series | None,
    settings: Evaluation,
    seed: int,
    truth: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Judge out-of-fold risks: the content of ``evaluation.json``.

    Parameters
    ----------
    oof : DataFrame
        As `oof_frame` lays it out: a risk column ``model`` and one per comparator, and
        optionally ``low`` and ``high``, the interval of the model's risk.
    therapy : Series of str, indexed by patient, optional
        Stratum of the discrimination within therapy; missing values leave a patient out.
    cluster : Series, indexed by patient, optional
        Site, or patient where a patient has several infusions: resampled as a whole.
    settings : Evaluation
    seed : int
        Of the bootstrap.
    truth : DataFrame, optional
        ``patient_id`` and ``risk_<outcome>``, the true risk given the baseline.

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
    outcomes = list(dict.fromkeys(oof["outcome"]))
    tasks = []
    for outcome in outcomes:
        data = read_outcome(oof, outcome)
        tasks.append(
            joblib.delayed(_evaluate_outcome)(
                data,
                _codes(therapy, data.patient_id),
                # Rows without a site are one site of their own.
                _codes(cluster, data.patient_id),
                settings,
                settings.thresholds.get(outcome, []),
                seed,
                _true_risk(truth, outcome, data.patient_id),
            )
        )
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        results = joblib.Parallel(n_jobs=min(settings.processes, len(outcomes)))(tasks)
    return {
        "definition": definition(oof, cluster, settings),
        "outcomes": dict(zip(outcomes, results, strict=True)),
    }


def _evaluate_outcome(
    data: OutOfFold,
    strata: np.ndarray | None,
    clusters: np.ndarray | None,
    settings: Evaluation,
    thresholds: list[float],
    seed: int,
    truth: np.ndarray | None,
) -> dict[str, Any]:
    n, events = len(data.observed), int(data.observed.sum())
    if n == 0:
        return {"n": 0, "reason": "the model gives no patient a risk"}
    minimum = settings.minimum_cell
    if min(events, n - events) < minimum:
        return _hidden(data, minimum)
    level = settings.interval_level
    grid = _threshold_grid(settings.net_benefit)
    steps = np.array(thresholds)
    curve_at = np.unique(np.quantile(data.risks["model"], np.linspace(0.01, 0.99, CURVE_POINTS)))
    measures = _measures(data, strata, steps, grid, curve_at, truth)
    # One thread, so that sums are taken in the same order whatever the processes.
    with threadpool_limits(1):
        drawn = _replicates(measures, n, settings.bootstrap, seed, clusters)
    models = {name: drawn[f"models.{name}"] for name in data.risks}
    benefit = drawn["net_benefit"]
    curve = models["model"].pop("curve")
    ranks_nobody = {name: _ranks_nobody(data, name, strata) for name in models}
    for name, figures in ranks_nobody.items():
        models[name] |= {figure: np.full(1 + settings.bootstrap, np.nan) for figure in figures}
    return {
        "n": n,
        "events": events,
        "prevalence": events / n,
        "abstained": unless_small(data.abstained, minimum),
        "clipped": unless_small(_clipped(data), minimum),
        "models": {
            name: _summaries(values, level, UNDEFINED | ranks_nobody[name])
            for name, values in models.items()
        },
        "differences": {
            name: _summaries(
                {k: models["model"][k] - values[k] for k in COMPARED},
                level,
                UNDEFINED | ranks_nobody[name] | ranks_nobody["model"],
            )
            for name, values in models.items()
            if name != "model"
        },
        "calibration_curve": curve_table(curve_at, curve, level),
        "calibration_groups": group_table(data.observed, data.risks["model"][0], minimum),
        "thresholds": threshold_table(
            steps,
            drawn["alerts"],
            smallest_cell(data.observed, data.risks["model"], steps),
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
        },
        "truth": None if truth is None else _truth(drawn, data.risks, level),
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
        "truth": None,
    }


def _ranks_nobody(data: OutOfFold, model: str, strata: np.ndarray | None) -> dict[str, str]:
    """Figures of ranking that a model's risks do not have, each with the reason."""
    if data.constant_within_folds(model):
        return dict.fromkeys(RANKING, "risks are constant within folds")
    if strata is not None and data.constant_within_folds(model, strata):
        return dict.fromkeys(RANKING_WITHIN, "risks are constant within therapy and fold")
    return {}


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
        "net_benefit": benefits,
    }
    for name, risk in risks.items():
        at = curve_at if name == "model" else None
        measures[f"models.{name}"] = partial(performance, y, risk, strata, curve_at=at)
    if truth is not None:
        measures["oracle"] = partial(oracle, y, truth, strata)
        measures["calibration_to_truth"] = partial(calibration_to_truth, truth, risks["model"])
        for name, risk in risks.items():
            measures[f"truth.{name}"] = partial(distance_to_truth, truth, risk)
        if data.interval is not None:
            measures["coverage"] = partial(interval_coverage, truth, *data.interval)
    return measures


def _replicates(
    measures: dict[str, Callable[[np.ndarray], Replicates]],
    n: int,
    bootstrap: int,
    seed: int,
    clusters: np.ndarray | None,
) -> dict[str, Replicates]:
    """Run every measure over all blocks of weights; the first row is the data themselves."""
    parts: dict[str, dict[str, list[np.ndarray]]] = {name: defaultdict(list) for name in measures}
    for weights in weight_blocks(n, bootstrap, seed, clusters):
        for name, measure in measures.items():
            for figure, values in measure(weights).items():
                parts[name][figure].append(values)
    return {
        name: {figure: np.concatenate(values) for figure, values in found.items()}
        for name, found in parts.items()
    }


def _summaries(
    values: Replicates, level: float, reasons: dict[str, str] = UNDEFINED
) -> dict[str, Any]:
    return {k: summary(v, level, reasons.get(k, "undefined here")) for k, v in values.items()}


def _truth(
    drawn: dict[str, Replicates], risks: dict[str, np.ndarray], level: float
) -> dict[str, Any]:
    below = {
        name: {
            k: drawn["oracle"][k] - drawn[f"models.{name}"][k]
            for k in ("auroc", "auroc_within_therapy")
        }
        for name in risks
    }
    return {
        "oracle": _summaries(drawn["oracle"], level),
        "models": {
            name: {
                **_summaries(drawn[f"truth.{name}"], level),
                **{
                    f"{figure}_below_oracle": summary(gap, level, "the model or oracle has none")
                    for figure, gap in below[name].items()
                },
            }
            for name in risks
        },
        "calibration": _summaries(drawn["calibration_to_truth"], level),
        "interval": _summaries(drawn["coverage"], level) if "coverage" in drawn else None,
    }


def _threshold_grid(ends: tuple[float, float]) -> np.ndarray:
    # Rounded, so that a risk of 0.30 is an alert at 0.30.
    count = int((ends[1] - ends[0]) / NET_BENEFIT_STEP + 1e-9) + 1
    return np.round(ends[0] + NET_BENEFIT_STEP * np.arange(count), 10)


def _codes(therapy: pd.Series | None, patients: np.ndarray) -> np.ndarray | None:
    aligned = _aligned(therapy, patients)
    return None if aligned is None else pd.factorize(aligned, sort=True)[0]


def _aligned(values: pd.Series | None, patients: np.ndarray) -> np.ndarray | None:
    if values is None:
        return None
    by_patient = values.set_axis(values.index.astype(str))
    if not by_patient.index.is_unique or not pd.Index(patients).isin(by_patient.index).all():
        raise ValueError(f"'{values.name}' needs one value per patient of the out-of-fold risks")
    return by_patient.loc[patients].to_numpy()


def _true_risk(truth: pd.DataFrame | None, outcome: str, patients: np.ndarray) -> np.ndarray | None:
    column = f"risk_{outcome}"
    if truth is None or column not in truth:
        return None
    return _aligned(truth.set_index("patient_id")[column], patients)
