"""The evaluation's figures as the card prints them, and the three that stand first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.card.figures import MODELS, Measure, figure, number, percent, unknown
from pipeline.card.subgroups import subgroup_tables
from pipeline.card.suppression import Guard
from pipeline.config import Evaluation
from pipeline.evaluation.yardstick import Yardstick

SHOWN = (
    "auroc_within_therapy", "auroc", "auprc", "brier", "scaled_brier", "log_loss",
    "calibration_intercept", "calibration_slope", "calibration_slope_within_therapy",
    "observed_expected", "ici", "e50", "e90",
)  # fmt: skip
# Of the model and a published score, among patients for whom the score is known.
COMPARED = ("log_loss", "brier", "auroc", "auroc_within_therapy")
AT_THRESHOLD = ("sensitivity", "specificity", "ppv", "npv", "alerts_per_100")


def outcome_performance(found: Mapping[str, Any], label: str, guard: Guard) -> dict[str, Any]:
    """Take over what the evaluation found for one outcome.

    Parameters
    ----------
    found : mapping
        An entry of ``outcomes`` in ``evaluation.json``.
    label : str
    guard : Guard

    Returns
    -------
    dict
        Figures unchanged; what is undefined or hidden says why. Where the number of events is
        hidden no figure is given: observed over expected, net benefit of acting on all and
        others would reveal it, and with so few events none of them means anything.
    """
    if "models" not in found:
        return _without_figures(found, label, unknown(str(found["reason"])))
    if found["events"] is None:
        return _without_figures(found, label, guard.hidden())
    return {
        "label": label,
        "n": found["n"],
        "events": found["events"],
        "prevalence": found["prevalence"],
        "abstained": guard.hidden() if found["abstained"] is None else found["abstained"],
        "models": {
            name: {key: figure(figures[key]) for key in SHOWN if key in figures}
            for name, figures in _in_order(found["models"]).items()
        },
        "differences": {
            name: {key: figure(value) for key, value in figures.items()}
            for name, figures in _in_order(found["differences"]).items()
        },
        "calibration_curve": [p for p in found["calibration_curve"] if p["observed"] is not None],
        "calibration_groups": [
            {
                "n": guard.hidden() if group["n"] is None else group["n"],
                "events": guard.hidden() if group["events"] is None else group["events"],
                "predicted": group["predicted"],
                "observed": guard.hidden() if group["observed"] is None else group["observed"],
            }
            for group in found["calibration_groups"]
        ],
        "thresholds": [
            {"threshold": row["threshold"]} | {key: figure(row.get(key)) for key in AT_THRESHOLD}
            for row in found["thresholds"]
        ],
        "net_benefit": found["net_benefit"],
        "subgroups": subgroup_tables(found.get("subgroups", []), guard),
        "truth": _truth(found.get("truth")),
    }


def lacking_scores(
    comparators: Mapping[str, Any], outcome: str, guard: Guard
) -> list[dict[str, Any]]:
    """Take over how many patients lack a published score, and the comparison among the others.

    Parameters
    ----------
    comparators : mapping
        Of ``evaluation.json``: by score, with ``complete_cases`` where some lack it.
    outcome : str
    guard : Guard

    Returns
    -------
    list of dict
        ``score``, ``label``, ``without`` (share of patients), ``n`` of those who have it and
        ``differences``, the model minus the score among them.
    """
    found = []
    for name, score in comparators.items():
        among = score.get("complete_cases", {}).get(outcome)
        if among is None:
            continue
        why = str(among.get("reason", "not in evaluation.json"))
        found.append(
            {
                "score": name,
                "label": MODELS.get(name, score["label"]),
                "without": guard.hidden() if score["without"] is None else score["without"],
                "n": among.get("n", guard.hidden()),
                "differences": {
                    key: figure(among.get("differences", {}).get(key), why) for key in COMPARED
                },
            }
        )
    return found


def headline(
    primary: Mapping[str, Any],
    settings: Evaluation,
    name: str,
    words: Mapping[str, Measure],
    against: Yardstick,
    *,
    by_therapy: bool,
) -> list[dict[str, Any]]:
    """Return the three figures that matter: discrimination, calibration, usefulness.

    Parameters
    ----------
    primary : mapping
        As `outcome_performance` returns it.
    settings : Evaluation
        Its ``thresholds``: the middle one of the primary outcome is where benefit is shown.
    name : str
        Of the primary outcome.
    words : mapping of str to Measure
        As `measures` returns them.
    against : Yardstick
    by_therapy : bool
        Whether the cohort has therapies to look within.
    """
    own = primary["models"].get("model", {})
    first = "auroc_within_therapy" if by_therapy else "auroc"
    missing = unknown(primary["events"]["because"] if not own else "not in evaluation.json")
    figures = [
        {"key": key, "source": f"outcomes.{name}.models.model.{key}", "label": words[key].label,
         "digits": 2, "figure": own.get(key, missing), "reading": words[key].reading}
        for key in (first, "calibration_slope")
    ]  # fmt: skip
    figures.append(_benefit(primary, settings, name, words, against))
    return figures


def _without_figures(found: Mapping[str, Any], label: str, why: dict[str, str]) -> dict[str, Any]:
    return {
        "label": label,
        "n": found["n"],
        "events": why,
        "prevalence": why,
        "abstained": why,
        "models": {},
        "differences": {},
        "calibration_curve": [],
        "calibration_groups": [],
        "thresholds": [],
        "net_benefit": unknown(why["because"]),
        "subgroups": [],
        "truth": unknown(why["because"]),
    }


def _benefit(
    primary: Mapping[str, Any],
    settings: Evaluation,
    name: str,
    words: Mapping[str, Measure],
    against: Yardstick,
) -> dict[str, Any]:
    """Net benefit over the therapy-only comparator at the middle pre-set threshold."""
    key = "net_benefit_over_therapy_only"
    entry = {"key": key, "source": None, "label": words[key].label, "digits": 3}
    chosen = sorted(settings.thresholds.get(name, []))
    benefit = primary["net_benefit"]
    if not chosen:
        why = unknown("the config sets no threshold for this outcome (evaluation.thresholds)")
    elif "curves" not in benefit:
        why = benefit
    elif "therapy_only" not in benefit["curves"]:
        why = unknown("it was not evaluated against the therapy alone or the base rate")
    else:
        threshold = chosen[(len(chosen) - 1) // 2]
        at = int(np.argmin(np.abs(np.array(benefit["thresholds"]) - threshold)))
        threshold = benefit["thresholds"][at]
        found = benefit["differences"]["therapy_only"]
        gain = {key: found[key][at] for key in ("estimate", "low", "high")}
        reading = _gained(gain, threshold, against)
        return entry | {"figure": gain, "reading": reading, "threshold": threshold}
    return entry | {"figure": why, "reading": words[key].reading}


def _gained(gain: Mapping[str, float], threshold: float, against: Yardstick) -> str:
    at = f"at a threshold of {percent(threshold, 0)}: "
    if gain["low"] == gain["high"] == 0:
        return f"{at}the same alerts as by {against.alone}"
    direction = "fewer" if gain["estimate"] < 0 else "more"
    alerts = number(100 * abs(gain["estimate"]), 1)
    reading = f"{at}{alerts} {direction} true alerts in 100 patients, false ones paid for"
    if gain["low"] <= 0 <= gain["high"]:
        reading += "; a gain of none is not ruled out"
    return reading


def _truth(found: Mapping[str, Any] | None) -> Any:
    if found is None:
        return unknown("the true risk of a real patient cannot be known")
    return {
        "oracle": {key: figure(value) for key, value in found["oracle"].items()},
        "models": {
            name: {key: figure(value) for key, value in figures.items()}
            for name, figures in _in_order(found["models"]).items()
        },
        "calibration": {key: figure(value) for key, value in found["calibration"].items()},
        "interval": unknown("no interval was evaluated")
        if found.get("interval") is None
        else {key: figure(value) for key, value in found["interval"].items()},
        "coverage": [_coverage(row) for row in found.get("coverage", [])],
    }


def _coverage(row: Mapping[str, Any]) -> dict[str, Any]:
    lowest = row.get("lowest")
    return {
        "level": row["level"],
        "coverage": figure(row["coverage"]),
        "lowest": unknown("no therapy has enough patients")
        if lowest is None
        else {
            "therapy": lowest["therapy"],
            "n": lowest["n"],
            "coverage": figure(lowest["coverage"]),
        },
    }


def _in_order(models: Mapping[str, Any]) -> dict[str, Any]:
    """Sort models as they are listed everywhere: this one, its comparators, then others."""
    known = [name for name in MODELS if name in models]
    return {name: models[name] for name in [*known, *(n for n in models if n not in known)]}
