"""What the card's figures are called, and how a number becomes text: once, for both renderings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

NOT_ASSESSED = "not assessed"
SUPPRESSED = "suppressed"


@dataclass(frozen=True)
class Measure:
    """A figure of ``evaluation.json`` in words.

    Attributes
    ----------
    label : str
    digits : int
        Decimals shown.
    reading : str
        What is good, and what the figure means, in a few words.
    """

    label: str
    digits: int
    reading: str


MEASURES = {
    "auroc_within_therapy": Measure(
        "AUROC within therapy", 3, "tells patients on one therapy apart; 0.5 is chance"
    ),
    "auroc": Measure("AUROC, all therapies together", 3, "flattered by the mix of therapies"),
    "auprc": Measure("AUPRC", 3, "its value by chance is the prevalence"),
    "brier": Measure("Brier score", 4, "lower is better"),
    "scaled_brier": Measure("Scaled Brier score", 3, "0 is the prevalence alone, 1 is perfect"),
    "log_loss": Measure("Log-loss", 4, "lower is better"),
    "calibration_intercept": Measure("Calibration intercept", 3, "ideal 0; above: risks too low"),
    "calibration_slope": Measure("Calibration slope", 3, "ideal 1; below: risks too extreme"),
    "calibration_slope_within_therapy": Measure(
        "Calibration slope within therapy", 3, "the same among patients on one therapy; ideal 1"
    ),
    "observed_expected": Measure("Observed / expected", 3, "ideal 1"),
    "ici": Measure(
        "Integrated calibration index",
        4,
        "mean distance from the curve; chance raises it: good where the interval starts at 0",
    ),
    "e50": Measure("E50", 4, "median distance from the curve"),
    "e90": Measure("E90", 4, "90th percentile of that distance"),
    "sensitivity": Measure("Sensitivity", 2, "events that raise an alert"),
    "specificity": Measure("Specificity", 2, "patients without the event who raise none"),
    "ppv": Measure("PPV", 2, "alerts that are events"),
    "npv": Measure("NPV", 2, "patients without an alert who stay free of the event"),
    "alerts_per_100": Measure("Alerts per 100", 0, "patients above the threshold"),
    "net_benefit_over_therapy_only": Measure(
        "Net benefit over therapy alone", 4, "true alerts per patient, false alerts paid for"
    ),
    "net_benefit": Measure("Net benefit", 4, "TP/n − FP/n × threshold / (1 − threshold)"),
    "coverage": Measure("Coverage of the interval", 3, "share that holds the true risk"),
    "mean_width": Measure("Mean width of the interval", 3, "on the scale of risk"),
    "regret": Measure("Regret", 4, "log-loss above that of the true risk"),
    "mean_absolute_error": Measure("Mean absolute error", 4, "distance to the true risk"),
    "auroc_below_oracle": Measure(
        "AUROC below the oracle's, outcomes as drawn", 3, "what is left to find"
    ),
    "auroc_within_therapy_below_oracle": Measure(
        "AUROC within therapy below the oracle's, outcomes as drawn", 3, "what is left to find"
    ),
    "expected_auroc": Measure("AUROC, mean over outcomes", 3, "free of the outcomes' chance"),
    "expected_auroc_within_therapy": Measure(
        "AUROC within therapy, mean over outcomes", 3, "free of the outcomes' chance"
    ),
    "expected_auroc_below_oracle": Measure(
        "AUROC below the oracle's, mean over outcomes", 3, "what is left to find, without chance"
    ),
    "expected_auroc_within_therapy_below_oracle": Measure(
        "AUROC within therapy below the oracle's, mean over outcomes",
        3,
        "what is left to find, without chance",
    ),
}

MODELS = {
    "model": "This model",
    "therapy_only": "Therapy alone",
    "easix": "EASIX",
    "m_easix": "Modified EASIX",
    "car_hematotox": "CAR-HEMATOTOX",
    "treat_all": "Act on all",
    "treat_none": "Act on none",
}


def model_names(yardstick: str) -> dict[str, str]:
    """Return what models are called, ``therapy_only`` by what it is in this cohort.

    Parameters
    ----------
    yardstick : str
        ``performance.yardstick`` of the facts: ``therapy alone`` or ``base rate``.
    """
    return MODELS | {"therapy_only": yardstick.capitalize()}


def measures(yardstick: str, *, by_therapy: bool) -> dict[str, Measure]:
    """Return `MEASURES` in the words that hold in this cohort: it may record no therapy."""
    benefit = MEASURES["net_benefit_over_therapy_only"]
    found = MEASURES | {
        "net_benefit_over_therapy_only": replace(benefit, label=f"Net benefit over {yardstick}")
    }
    if not by_therapy:
        found["auroc"] = Measure("AUROC", 3, "tells patients apart; 0.5 is chance")
    return found


def unknown(because: str) -> dict[str, str]:
    """Return the fact that something is not known, and why."""
    return {"status": NOT_ASSESSED, "because": because}


def is_unknown(fact: Any) -> bool:
    """Whether a fact says that something is not known."""
    return isinstance(fact, Mapping) and fact.get("status") == NOT_ASSESSED


def is_suppressed(fact: Any) -> bool:
    """Whether a fact says that a count is too small to show."""
    return isinstance(fact, Mapping) and fact.get("status") == SUPPRESSED


def figure(found: Mapping[str, Any] | None, because: str = "not in evaluation.json") -> Any:
    """Take a figure of the evaluation over, or say why there is none.

    Returns
    -------
    dict
        ``estimate``, ``low``, ``high`` as recorded (``because`` where the interval is
        missing), or what `unknown` returns.
    """
    if found is None or found.get("estimate") is None:
        return unknown(str((found or {}).get("reason", because)))
    taken = {key: found[key] for key in ("estimate", "low", "high")}
    if taken["low"] is None:
        taken["because"] = str(found.get("reason", "no interval was computed"))
    return taken


def number(value: float, digits: int) -> str:
    """Write a number with a fixed number of decimals, thousands set apart."""
    text = f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.removeprefix("-")
    return text.replace("-", "−")


def with_interval(fact: Mapping[str, Any], digits: int) -> str:
    """Write a figure with its interval: ``0.69 (0.66 to 0.72)``."""
    if is_unknown(fact):
        return f"{NOT_ASSESSED}, because {fact['because']}"
    estimate = number(fact["estimate"], digits)
    if fact["low"] is None:
        return f"{estimate} (interval {NOT_ASSESSED}: {fact['because']})"
    return f"{estimate} {interval(fact, digits)}"


def interval(fact: Mapping[str, Any], digits: int) -> str:
    """Write a figure's interval alone: ``(0.66 to 0.72)``."""
    return f"({number(fact['low'], digits)} to {number(fact['high'], digits)})"


def percent(share: float, digits: int = 1) -> str:
    """Write a share in per cent."""
    return f"{number(100 * share, digits)}%"


def words(fact: Any) -> str:
    """Write any fact that is a text, a count, unknown or suppressed."""
    if is_unknown(fact):
        return f"{NOT_ASSESSED}, because {fact['because']}"
    if is_suppressed(fact):
        return f"not shown: {fact['because']}"
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    if isinstance(fact, int):
        return number(fact, 0)
    return str(fact)


def cell_words(fact: Any) -> str:
    """Write a fact into a table's cell: its reason stands in the caption."""
    if is_unknown(fact):
        return NOT_ASSESSED
    return "not shown" if is_suppressed(fact) else words(fact)
