"""How the procedure did where it was not trained: on other centres, therapies and years."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.card.figures import figure, is_unknown, number, percent, unknown, with_interval
from pipeline.card.suppression import Guard
from pipeline.config import Outcome

SHOWN = ("auroc_within_therapy", "auroc", "observed_expected", "calibration_intercept",
         "calibration_slope", "log_loss")  # fmt: skip
_KINDS = {"sites": "centre", "therapies": "therapy"}
SYNTHETIC = (
    "Synthetic patients make this the best case: one generator drew them all, with one set of "
    "effects for cell therapies and one for engagers, and centres that differ in case mix, grading "
    "habits and missing values alone. A therapy left out was drawn around the published rates "
    "that the prior gives it, so observed / expected says little about a therapy whose published "
    "rate does not hold."
)
_NAMES = {
    "auroc_within_therapy": "AUROC within therapy",
    "auroc": "AUROC",
    "observed_expected": "observed / expected",
    "calibration_slope": "calibration slope",
}
_SUMMARIES = ("summary", "summary_without_prior")


def transport_facts(
    found: Mapping[str, Any] | None,
    outcomes: Mapping[str, Outcome],
    primary: str,
    guard: Guard,
    *,
    synthetic: bool,
) -> Any:
    """Take over what the transport stage found.

    Parameters
    ----------
    found : mapping or None
        ``transport.json``; None where the stage did not run.
    outcomes : mapping of str to Outcome
    primary : str
    guard : Guard
    synthetic : bool
        Whether the patients were drawn, which makes it easy to do well.

    Returns
    -------
    dict
        ``definition``; ``sites`` and ``therapies`` with ``outcomes``: per outcome ``units`` and
        summaries; ``temporal``; ``findings``, sentences on the primary outcome. What was not
        done is what `unknown` returns.
    """
    if found is None:
        return unknown("no unseen centre, therapy or later year was set aside")
    facts: dict[str, Any] = {"definition": dict(found["definition"])}
    for kind in _KINDS:
        facts[kind] = _part(found[kind], outcomes, guard)
    facts["temporal"] = _temporal(found["temporal"], outcomes, guard)
    facts["findings"] = _findings(facts, primary) + [SYNTHETIC] * synthetic
    return facts


def _part(found: Mapping[str, Any], outcomes: Mapping[str, Outcome], guard: Guard) -> Any:
    if "reason" in found:
        return unknown(str(found["reason"]))
    return {
        "not_left_out": _not_left_out(found["not_left_out"]),
        "outcomes": {
            name: {"label": outcome.label, **_outcome(found["outcomes"][name], guard)}
            for name, outcome in outcomes.items()
            if name in found["outcomes"]
        },
    }


def _not_left_out(units: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say which units trained every model, by reason; a few patients' unit has no name here."""
    sentences = []
    for reason in dict.fromkeys(unit["reason"] for unit in units):
        own = [unit for unit in units if unit["reason"] == reason]
        named = [f"{u['unit']} ({number(u['n'], 0)} patients)" for u in own if u["n"] is not None]
        unnamed = sum(u.get("units", 1) for u in own if u["n"] is None)
        if unnamed:
            named.append(f"{unnamed} too small to be named")
        sentences.append(f"Not left out, {reason}: {', '.join(named)}.")
    return sentences


def _outcome(found: Mapping[str, Any], guard: Guard) -> dict[str, Any]:
    facts: dict[str, Any] = {"units": [_unit(unit, guard) for unit in found["units"]]}
    for key in _SUMMARIES:
        if key in found:
            facts[key] = {name: _summary(found[key].get(name)) for name in SHOWN}
    facts["summary_differences"] = {
        name: {"log_loss": _summary(part["log_loss"])}
        for name, part in found.get("summary_differences", {}).items()
    }
    return facts


def _unit(unit: Mapping[str, Any], guard: Guard) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "unit": unit["unit"],
        "n": guard.hidden() if unit["n"] is None else unit["n"],
        "events": guard.hidden() if unit["events"] is None else unit["events"],
    }
    if "figures" not in unit:
        return facts | {"because": str(unit["reason"])}
    return facts | _figures(unit)


def _figures(found: Mapping[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        part: {name: figure(found[part].get(name)) for name in SHOWN}
        for part in ("figures", "without_prior")
        if part in found
    }
    facts["differences"] = {
        name: {"log_loss": figure(part["log_loss"])}
        for name, part in found.get("differences", {}).items()
    }
    return facts


def _summary(found: Mapping[str, Any] | None) -> Any:
    taken = figure(found)
    if is_unknown(taken) or found is None:
        return taken
    further = ("prediction_low", "prediction_high", "tau", "units")
    return taken | {key: found[key] for key in further}


def _temporal(found: Mapping[str, Any], outcomes: Mapping[str, Outcome], guard: Guard) -> Any:
    if "reason" in found:
        return unknown(str(found["reason"]))
    facts: dict[str, Any] = {
        "train_years": found["train_years"],
        "test_years": found["test_years"],
        "train_n": guard.hidden() if found["train_n"] is None else found["train_n"],
        "n": guard.hidden() if found["n"] is None else found["n"],
        "outcomes": {},
    }
    for name, outcome in outcomes.items():
        part = found["outcomes"].get(name)
        if part is None:
            continue
        events = guard.hidden() if part["events"] is None else part["events"]
        own: dict[str, Any] = {"label": outcome.label, "events": events}
        own |= _figures(part) if "figures" in part else {"because": str(part["reason"])}
        facts["outcomes"][name] = own
    compared = [own.get("differences", {}) for own in facts["outcomes"].values()]
    facts["comparators"] = list(dict.fromkeys(name for part in compared for name in part))
    return facts


def _findings(facts: Mapping[str, Any], primary: str) -> list[str]:
    level = percent(facts["definition"]["interval_level"], 0)
    found = []
    for kind, one in _KINDS.items():
        if is_unknown(facts[kind]) or primary not in facts[kind]["outcomes"]:
            continue
        summary = facts[kind]["outcomes"][primary]["summary"]
        keys = [_ranking(summary), "observed_expected"]
        parts = [
            f"{_NAMES[key]} {with_interval(summary[key], 2)}, next one "
            f"{number(summary[key]['prediction_low'], 2)} to "
            f"{number(summary[key]['prediction_high'], 2)}"
            for key in keys
            if not is_unknown(summary[key])
        ]
        if parts:
            units = max(summary[key]["units"] for key in keys if not is_unknown(summary[key]))
            found.append(
                f"On a {one} left out of training, on average over {units} and where the next "
                f"one is expected ({level} prediction interval): {'; '.join(parts)}."
            )
    temporal = facts["temporal"]
    if not is_unknown(temporal) and "figures" in temporal["outcomes"].get(primary, {}):
        figures = temporal["outcomes"][primary]["figures"]
        keys = [_ranking(figures), "observed_expected", "calibration_slope"]
        parts = [
            f"{_NAMES[key]} {with_interval(figures[key], 2)}"
            for key in keys
            if not is_unknown(figures[key])
        ]
        years = "–".join(str(year) for year in dict.fromkeys(temporal["test_years"]))
        if parts:
            found.append(
                f"On the last years ({years}), trained on earlier ones: {'; '.join(parts)}."
                + _off(figures)
            )
    return found


def _ranking(figures: Mapping[str, Any]) -> str:
    """Within therapy where that could be had, as it cannot of one therapy in all its patients."""
    return "auroc" if is_unknown(figures["auroc_within_therapy"]) else "auroc_within_therapy"


def _off(figures: Mapping[str, Any]) -> str:
    """Say which way the risks were off, where an interval leaves no doubt."""
    for key, ideal in (("calibration_intercept", 0), ("observed_expected", 1)):
        found = figures[key]
        if is_unknown(found) or found["low"] is None or found["low"] <= ideal <= found["high"]:
            continue
        return f" Its risks were {'too high' if found['high'] < ideal else 'too low'} there."
    return ""
