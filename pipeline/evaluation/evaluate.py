"""Every figure of the evaluation, from the table of out-of-fold risks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import joblib
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipeline.config import Evaluation
from pipeline.evaluation.bootstrap import summary, weight_blocks
from pipeline.evaluation.calibration import risk_groups
from pipeline.evaluation.classification import (
    classification_figures,
    count_alerts,
    smallest_cell,
)
from pipeline.evaluation.oof import OutOfFold, read_outcome
from pipeline.evaluation.overall import SMALLEST_RISK
from pipeline.evaluation.performance import FIGURES, UNDEFINED, performance
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
                _aligned(cluster, data.patient_id),
                settings,
                settings.thresholds.get(outcome, []),
                seed,
                _true_risk(truth, outcome, data.patient_id),
            )
        )
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        results = joblib.Parallel(n_jobs=min(settings.processes, len(outcomes)))(tasks)
    return {
        "definition": _definition(oof, cluster, settings),
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
    level = settings.interval_level
    grid = _threshold_grid(settings.net_benefit)
    risks = np.quantile(data.risks["model"], np.linspace(0.01, 0.99, CURVE_POINTS))
    measures = _measures(data, strata, np.array(thresholds), grid, np.unique(risks), truth)
    # One thread, so that sums are taken in the same order whatever the processes.
    with threadpool_limits(1):
        drawn = _replicates(measures, n, settings.bootstrap, seed, clusters)
    models = {name: drawn[f"models.{name}"] for name in data.risks}
    curve = models["model"].pop("curve")
    small = min(events, n - events) < settings.minimum_cell
    return {
        "n": n,
        "events": None if small else events,
        "prevalence": None if small else events / n,
        **({"reason": f"fewer than {settings.minimum_cell} events or non-events"} if small else {}),
        "abstained": _unless_small(data.abstained, settings.minimum_cell),
        "clipped": int(
            sum(
                ((r < SMALLEST_RISK) | (r > 1 - SMALLEST_RISK)).any(axis=0).sum()
                for r in data.risks.values()
            )
        ),
        "models": {name: _summaries(values, level) for name, values in models.items()},
        "differences": {
            name: _summaries({k: models["model"][k] - values[k] for k in COMPARED}, level)
            for name, values in models.items()
            if name != "model"
        },
        "calibration_curve": _curve(np.unique(risks), curve, level),
        "calibration_groups": _groups(data, settings.minimum_cell),
        "thresholds": _threshold_table(data, np.array(thresholds), drawn["alerts"], settings),
        "net_benefit": {
            "thresholds": grid.tolist(),
            "curves": {k: _band(v, level) for k, v in drawn["net_benefit"].items()},
        },
        "truth": None if truth is None else _truth(drawn, data.risks, level),
    }


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


def _summaries(values: Replicates, level: float) -> dict[str, Any]:
    return {k: summary(v, level, UNDEFINED.get(k, "undefined here")) for k, v in values.items()}


def _curve(risks: np.ndarray, values: np.ndarray, level: float) -> list[dict[str, Any]]:
    points = []
    for k, risk in enumerate(risks):
        point = summary(values[:, k], level, UNDEFINED["ici"])
        points.append({"risk": float(risk), "observed": point.pop("estimate"), **point})
    return points


def _groups(data: OutOfFold, minimum: int) -> list[dict[str, Any]]:
    """Tenths by risk of the first repeat; other repeats would only repeat the patients."""
    found: list[dict[str, Any]] = []
    for group in risk_groups(data.observed, data.risks["model"][0]):
        if min(group["events"], group["n"] - group["events"]) < minimum:
            hidden = {"events": None, "observed": None, "reason": _suppressed(minimum)}
            count = _unless_small(int(group["n"]), minimum)
            found.append({**group, "n": count, **hidden})
        else:
            found.append(dict(group))
    return found


def _threshold_table(
    data: OutOfFold, thresholds: np.ndarray, drawn: Replicates, settings: Evaluation
) -> list[dict[str, Any]]:
    """One row per threshold. From one small cell and the totals the rest could be worked out."""
    cells = smallest_cell(data.observed, data.risks["model"], thresholds)
    hidden = {
        "estimate": None,
        "low": None,
        "high": None,
        "reason": _suppressed(settings.minimum_cell),
    }
    return [
        {
            "threshold": float(threshold),
            **{
                name: dict(hidden)
                if cells[k] < settings.minimum_cell
                else summary(values[:, k], settings.interval_level, "no patient to divide by")
                for name, values in drawn.items()
            },
        }
        for k, threshold in enumerate(thresholds)
    ]


def _band(values: np.ndarray, level: float) -> dict[str, list[float]]:
    low, high = np.quantile(values[1:], [(1 - level) / 2, (1 + level) / 2], axis=0)
    return {"estimate": values[0].tolist(), "low": low.tolist(), "high": high.tolist()}


def _truth(
    drawn: dict[str, Replicates], risks: dict[str, np.ndarray], level: float
) -> dict[str, Any]:
    within = {
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
                "auroc_below_oracle": summary(within[name]["auroc"], level),
                "auroc_within_therapy_below_oracle": summary(
                    within[name]["auroc_within_therapy"], level, UNDEFINED["auroc_within_therapy"]
                ),
            }
            for name in risks
        },
        "calibration": _summaries(drawn["calibration_to_truth"], level),
        "interval": _summaries(drawn["coverage"], level) if "coverage" in drawn else None,
    }


def _definition(
    oof: pd.DataFrame, cluster: pd.Series | None, settings: Evaluation
) -> dict[str, Any]:
    folds, repeats = oof["fold"].nunique(), oof["repeat"].nunique()
    unit = "patients" if cluster is None else f"{cluster.nunique()} clusters, whole"
    return {
        "resampling": (
            f"{folds}-fold cross-validation, {repeats} times, stratified by outcome; the entire "
            "procedure is fitted anew in each fold"
        ),
        "estimand": (
            "performance of the procedure on new patients like these, fitted on "
            f"{1 - 1 / folds:.0%} of them; each figure from all folds' risks of one repeat, "
            "averaged over repeats (risks are not averaged over repeats)"
        ),
        "intervals": (
            f"{settings.interval_level:.0%} percentile bootstrap of the out-of-fold risks, "
            f"{settings.bootstrap} samples of {unit}, the same in every repeat and for every "
            "model; refitting is not part of the interval"
        ),
        "differences": "model minus comparator on the same samples; below 0 is better for "
        "log_loss and brier, above 0 for auroc",
        "auroc_within_therapy": (
            "share of pairs of patients on the same therapy, one with and one without the event, "
            "in which the one with the event has the higher risk, pooled over therapies; risks "
            "constant within therapy lie a little under 0.5, as a fold's held-out events are "
            "missing from its training rate"
        ),
        "auprc": "average precision; its value for uninformative risks is the prevalence",
        "scaled_brier": "1 - Brier / Brier of the prevalence",
        "calibration_intercept": "intercept with the predicted log-odds as offset; ideal 0",
        "calibration_slope": "slope on the predicted log-odds with a free intercept; ideal 1",
        "ici": (
            "mean distance (e50, e90: quantiles) of the risks from the flexible calibration "
            "curve, a logistic regression on a restricted cubic spline of the predicted log-odds"
        ),
        "net_benefit": "TP/n - FP/n * threshold / (1 - threshold), pooled out-of-fold risks",
        "clipped": f"risks nearer to 0 or 1 than {SMALLEST_RISK:g}, moved there for log-loss and "
        "calibration only; counted as patients, over all models",
        "suppression": f"counts under {settings.minimum_cell}, and what would reveal them, "
        "are not given",
        "interval_level": settings.interval_level,
        "bootstrap": settings.bootstrap,
        "folds": int(folds),
        "repeats": int(repeats),
        "figures": list(FIGURES),
    }


def _threshold_grid(ends: tuple[float, float]) -> np.ndarray:
    # Rounded, so that a risk of 0.30 is an alert at 0.30.
    count = round((ends[1] - ends[0]) / NET_BENEFIT_STEP) + 1
    return np.round(ends[0] + NET_BENEFIT_STEP * np.arange(count), 10)


def _unless_small(count: int, minimum: int) -> int | None:
    return count if count == 0 or count >= minimum else None


def _suppressed(minimum: int) -> str:
    return f"fewer than {minimum} patients in a cell"


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
