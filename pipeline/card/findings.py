"""What each plot of the card shows, in words: its title and its finding."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pipeline.card.figures import MODELS, is_unknown, percent, with_interval

# Strategies that look at the patient or the therapy, rather than treating all alike.
_OWN = ("model", "therapy_only", "easix", "m_easix")


def describe_plots(performance: Mapping[str, Any], primary: str) -> list[dict[str, str]]:
    """Return name, outcome, kind, title and finding of every plot that can be drawn.

    Parameters
    ----------
    performance : mapping
        The card's ``performance``.
    primary : str
        The outcome that stands first.
    """
    found = []
    outcomes = performance["outcomes"]
    order = [primary, *(name for name in outcomes if name != primary)]
    if _comparable(outcomes):
        found.append(_entry("models", primary, "models", "Telling patients on one therapy apart",
                            _models_finding(outcomes, primary)))  # fmt: skip
    for name in order:
        own = outcomes[name]
        label = own["label"]
        if own["calibration_curve"]:
            found.append(_entry(f"calibration_{name}", name, "calibration",
                                f"Calibration: {label}", _calibration_finding(own)))  # fmt: skip
        if "curves" in own["net_benefit"]:
            found.append(_entry(f"decision_{name}", name, "decision",
                                f"Net benefit: {label}", _decision_finding(own)))  # fmt: skip
    return found


def shown_thresholds(benefit: Mapping[str, Any]) -> int:
    """Count the thresholds worth drawing: up to the next tenth after all curves are flat at 0."""
    at, curves = benefit["thresholds"], benefit["curves"]
    top = max(curves["model"]["estimate"])
    last = max(
        k
        for k in range(len(at))
        if k == 0 or any(abs(c["estimate"][k]) > 0.05 * top for n, c in curves.items() if n in _OWN)
    )
    limit = math.ceil(at[last] * 10 - 1e-9) / 10
    return sum(threshold <= limit + 1e-9 for threshold in at)


def ranks_within_therapy(own: Mapping[str, Any]) -> bool:
    """Whether any model of an outcome has an AUROC within therapy to draw."""
    return any(
        not is_unknown(figures["auroc_within_therapy"]) for figures in own["models"].values()
    )


def _entry(name: str, outcome: str, kind: str, title: str, alt: str) -> dict[str, str]:
    return {"name": name, "outcome": outcome, "kind": kind, "title": title, "alt": alt}


def _comparable(outcomes: Mapping[str, Any]) -> bool:
    return any(ranks_within_therapy(own) for own in outcomes.values())


def _models_finding(outcomes: Mapping[str, Any], primary: str) -> str:
    order = [primary, *(name for name in outcomes if name != primary)]
    own = next(outcomes[name] for name in order if ranks_within_therapy(outcomes[name]))
    parts = [
        f"{MODELS.get(name, name)} {with_interval(figures['auroc_within_therapy'], 2)}"
        for name, figures in own["models"].items()
    ]
    return f"AUROC within therapy for {own['label']}: " + "; ".join(parts) + "."


def _calibration_finding(own: Mapping[str, Any]) -> str:
    curve = own["calibration_curve"]
    first, last = curve[0], curve[-1]
    return (
        f"Where the model says {percent(first['risk'])}, {percent(first['observed'])} had the "
        f"event; where it says {percent(last['risk'])}, {percent(last['observed'])} had it. "
        f"Calibration slope {with_interval(own['models']['model']['calibration_slope'], 2)}; "
        f"ideal is 1."
    )


def _decision_finding(own: Mapping[str, Any]) -> str:
    benefit = own["net_benefit"]
    at = benefit["thresholds"][: shown_thresholds(benefit)]
    curves = {name: curve["estimate"] for name, curve in benefit["curves"].items()}
    others = [values for name, values in curves.items() if name != "model"]
    best = [t for k, t in enumerate(at) if curves["model"][k] > max(values[k] for values in others)]
    if not best:
        return "At no threshold is the model's net benefit above that of every alternative."
    share = percent(len(best) / len(at), 0)
    return (
        f"The model's net benefit is above that of every alternative at {share} of the "
        f"thresholds shown, the lowest {percent(best[0], 0)} and the highest "
        f"{percent(best[-1], 0)}; how far this is beyond chance the bands show."
    )
