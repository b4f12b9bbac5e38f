"""How the procedure did where it was not trained: on other centres, therapies and years."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.card.figures import figure, is_unknown, number, percent, unknown, with_interval
from pipeline.card.suppression import Guard
from pipeline.config import Outcome

SHOWN = ("auroc_within_therapy", "auroc", "observed_expected", "calibration_intercept",
         "calibration_slope", "log_loss")  # fmt: skip
_KINDS = {"sites": "centre", "therapies": "therapy"}
_SUMMARIES = ("summary", "summary_without_prior")


def transport_facts(
    found: Mapping[str, Any] | None, outcomes: Mapping[str, Outcome], primary: str, guard: Guard
) -> Any:
    """Take over what the transport stage found.

    Parameters
    ----------
    found : mapping or None
        ``transport.json``; None where the stage did not run.
    outcomes : mapping of str to Outcome
    primary : str
    guard : Guard

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
    facts["findings"] = _findings(facts, primary)
    return facts


def _part(found: Mapping[str, Any], outcomes: Mapping[str, Outcome], guard: Guard) -> Any:
    if "reason" in found:
        return unknown(str(found["reason"]))
    return {
        "not_left_out": found["units_not_left_out"],
        "outcomes": {
            name: {"label": outcome.label, **_outcome(found["outcomes"][name], guard)}
            for name, outcome in outcomes.items()
            if name in found["outcomes"]
        },
    }


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
    return facts


def _findings(facts: Mapping[str, Any], primary: str) -> list[str]:
    level = percent(facts["definition"]["interval_level"], 0)
    found = []
    for kind, one in _KINDS.items():
        if is_unknown(facts[kind]) or primary not in facts[kind]["outcomes"]:
            continue
        for key, name in (("auroc_within_therapy", "AUROC within therapy"), ("auroc", "AUROC")):
            summary = facts[kind]["outcomes"][primary]["summary"][key]
            if is_unknown(summary):
                continue
            ends = [number(summary[f"prediction_{end}"], 2) for end in ("low", "high")]
            found.append(
                f"On a {one} left out of training: {name} {with_interval(summary, 2)} on average "
                f"over {summary['units']}; for the next one {ends[0]} to {ends[1]} is expected "
                f"({level} prediction interval)."
            )
            break
    temporal = facts["temporal"]
    if not is_unknown(temporal) and "figures" in temporal["outcomes"].get(primary, {}):
        slope = temporal["outcomes"][primary]["figures"]["calibration_slope"]
        if not is_unknown(slope):
            years = "–".join(str(year) for year in dict.fromkeys(temporal["test_years"]))
            found.append(
                f"On the last years ({years}), trained on earlier ones: calibration slope "
                f"{with_interval(slope, 2)}."
            )
    return found
