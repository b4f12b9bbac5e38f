"""What each plot of the card shows, in words: its title and its finding."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.card.figures import is_unknown, model_names, number, percent, with_interval

# Strategies that look at the patient or the therapy, rather than treating all alike.
_OWN = ("model", "therapy_only", "easix", "m_easix", "car_hematotox")


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
                            _models_finding(performance, primary)))  # fmt: skip
    for name in order:
        own = outcomes[name]
        label = own["label"]
        if own["calibration_curve"]:
            found.append(_entry(f"calibration_{name}", name, "calibration",
                                f"Calibration: {label}", _calibration_finding(own)))  # fmt: skip
        if "curves" in own["net_benefit"]:
            found.append(_entry(f"decision_{name}", name, "decision",
                                f"Net benefit: {label}", _decision_finding(own)))  # fmt: skip
    found += _forests(performance, primary)
    if not is_unknown(performance["learning"]):
        found += [
            _entry(f"learning_{name}", name, "learning", f"Learning curve: {own['label']}",
                   own["sentence"])
            for name in order
            if (own := performance["learning"]["outcomes"].get(name)) is not None
            and "points" in own and not any(is_unknown(p["log_loss"]) for p in own["points"])
        ]  # fmt: skip
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


# Figures drawn for subgroups and for units left out of training, the first known of the pair
# first: discrimination, then the two sides of calibration.
_DRAWN = (("auroc_within_therapy", "auroc"), ("calibration_slope",), ("observed_expected",))
_TITLES = {
    "auroc_within_therapy": "AUROC within therapy",
    "auroc": "AUROC",
    "calibration_slope": "Calibration slope",
    "observed_expected": "Observed / expected",
}
_UNITS = {"sites": "centres", "therapies": "therapies"}


def _forests(performance: Mapping[str, Any], primary: str) -> list[dict[str, str]]:
    """Plots of subgroups, and of centres and therapies left out of training."""
    own, transport, found = performance["outcomes"][primary], performance["transport"], []
    groups = [group for table in own["subgroups"] for group in table["groups"]]
    for keys in _DRAWN:
        key = _first_known(groups, keys)
        if key:
            found.append(
                _entry(f"subgroups_{key}", primary, "subgroups", f"{_TITLES[key]} by subgroup",
                       _range_finding(groups, key, "group"))
                | {"figure": key}
            )  # fmt: skip
    for kind, name in _UNITS.items():
        if is_unknown(transport) or is_unknown(transport[kind]):
            continue
        part = transport[kind]["outcomes"].get(primary, {"units": []})
        for keys in _DRAWN:
            key = _first_known(part["units"], keys)
            if key:
                found.append(
                    _entry(f"{kind}_{key}", primary, kind, f"{_TITLES[key]}: {name} left out",
                           _range_finding(part["units"], key, "unit")
                           + _next_one(part["summary"][key]))
                    | {"figure": key}
                )  # fmt: skip
    return found


def _first_known(rows: Sequence[Mapping[str, Any]], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        known = [r for r in rows if "because" not in r and not is_unknown(r["figures"][key])]
        if known:
            return key
    return None


def _range_finding(rows: Sequence[Mapping[str, Any]], key: str, name: str) -> str:
    known = [r for r in rows if "because" not in r and not is_unknown(r["figures"][key])]
    lowest = min(known, key=lambda r: r["figures"][key]["estimate"])
    highest = max(known, key=lambda r: r["figures"][key]["estimate"])
    return (
        f"From {with_interval(lowest['figures'][key], 2)} ({lowest[name]}) to "
        f"{with_interval(highest['figures'][key], 2)} ({highest[name]})."
    )


def _next_one(summary: Mapping[str, Any]) -> str:
    if is_unknown(summary):
        return ""
    ends = (number(summary[f"prediction_{end}"], 2) for end in ("low", "high"))
    return (
        f" On average {with_interval(summary, 2)}; the next one is expected between "
        f"{' and '.join(ends)}."
    )


def _entry(name: str, outcome: str, kind: str, title: str, alt: str) -> dict[str, str]:
    return {"name": name, "outcome": outcome, "kind": kind, "title": title, "alt": alt}


def _comparable(outcomes: Mapping[str, Any]) -> bool:
    return any(ranks_within_therapy(own) for own in outcomes.values())


def _models_finding(performance: Mapping[str, Any], primary: str) -> str:
    outcomes, called = performance["outcomes"], model_names(performance["yardstick"])
    order = [primary, *(name for name in outcomes if name != primary)]
    own = next(outcomes[name] for name in order if ranks_within_therapy(outcomes[name]))
    parts = [
        f"{called.get(name, name)} {with_interval(figures['auroc_within_therapy'], 2)}"
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
