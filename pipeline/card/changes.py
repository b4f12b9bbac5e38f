"""What changed since the version that was registered before: figure by figure, fact by fact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import hypot
from typing import Any

from pipeline.card.figures import (
    MEASURES,
    NOT_ASSESSED,
    figure,
    is_unknown,
    percent,
    unknown,
    with_interval,
)
from pipeline.card.performance import AT_THRESHOLD, SHOWN
from pipeline.card.suppression import Guard
from pipeline.config import Outcome
from pipeline.evaluation.yardstick import Yardstick, yardstick

_DIGESTS = {
    "cohort_sha256": "Data",
    "config_sha256": "Config",
    "source_sha256": "Source code",
    "model_sha256": "Model",
}
OWN = "This model"
_FIRST = "this is the first version of its name in the registry"
INTERVALS = (
    "An interval of a difference treats the two evaluations as independent (Zou and Donner, "
    "Stat Med 2008;27:1693, square-and-add); where they share patients it is too wide."
)


def change_facts(
    now: Mapping[str, Any] | None,
    before: Mapping[str, Any] | None,
    outcomes: Mapping[str, Outcome],
    guard: Guard,
) -> Any:
    """Compare a version with the one registered before it.

    Parameters
    ----------
    now, before : mapping or None
        As ``pipeline.registry.snapshot.latest_two`` returns them.
    outcomes : mapping of str to Outcome
        What the model predicts now.
    guard : Guard

    Returns
    -------
    dict
        ``version`` compared with, ``same_patients``, ``gate``, ``digests``, ``settings``,
        ``predictors`` and ``outcomes`` with the figures of both and their difference; or what
        `unknown` returns.
    """
    if now is None:
        return unknown("the model is not registered")
    if before is None:
        return unknown(_FIRST)
    digests = [
        {"what": label, "key": key, "before": before["tags"].get(key), "now": now["tags"].get(key)}
        for key, label in _DIGESTS.items()
    ]
    return {
        "version": before["version"],
        "same_patients": _same(before["tags"], now["tags"], "cohort_sha256"),
        "gate": {
            "before": before["tags"].get("gate") or unknown("the version does not say"),
            "now": now["tags"].get("gate") or unknown("the version does not say"),
            "reasons_before": before["tags"].get("gate_reasons", ""),
        },
        "digests": [d | {"changed": d["before"] != d["now"]} for d in digests],
        "settings": _settings(before["params"], now["params"]),
        "predictors": _predictors(before["features"], now["features"]),
        "outcomes": _outcomes(before["evaluation"], now["evaluation"], outcomes, guard),
        "intervals": INTERVALS,
    }


def _same(before: Mapping[str, str], now: Mapping[str, str], key: str) -> bool:
    return before.get(key) is not None and before.get(key) == now.get(key)


def _settings(before: Mapping[str, str], now: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {"key": key, "before": before.get(key), "now": now.get(key)}
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key)
    ]


def _predictors(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> Any:
    if before is None or now is None:
        return unknown("the registry no longer holds the list of an earlier version's predictors")
    old, new = ({column["source"] for column in plan["columns"]} for plan in (before, now))
    labels = before["labels"] | now["labels"]
    return {
        "added": [labels.get(name, name) for name in sorted(new - old)],
        "removed": [labels.get(name, name) for name in sorted(old - new)],
        "kept": len(new & old),
    }


def _outcomes(
    before: Mapping[str, Any] | None,
    now: Mapping[str, Any] | None,
    outcomes: Mapping[str, Outcome],
    guard: Guard,
) -> Any:
    if before is None or now is None:
        return unknown("the registry no longer holds the evaluation of the earlier version")
    found = []
    against = yardstick(now)
    comparable = yardstick(before) == against
    for name, outcome in outcomes.items():
        old, new = (part["outcomes"].get(name) for part in (before, now))
        entry: dict[str, Any] = {"name": name, "label": outcome.label}
        if old is None or new is None:
            missing = "the earlier version did not predict it" if old is None else "not evaluated"
            found.append(entry | {"figures": unknown(missing)})
            continue
        entry |= {key: _counts(old.get(key), new.get(key), guard) for key in ("n", "events")}
        pairs = list(_pairs(old, new, against, comparable=comparable))
        entry["figures"] = pairs or unknown(
            str(new.get("reason") or old.get("reason") or "neither version has figures")
        )
        found.append(entry)
    gone = [name for name in before["outcomes"] if name not in outcomes]
    return {"compared": found, "no_longer_predicted": gone}


def _counts(old: int | None, new: int | None, guard: Guard) -> dict[str, Any]:
    """Two counts; the earlier one is hidden where the step between them is a small cell."""
    hidden = old is None or (new is not None and 0 < abs(new - old) < guard.minimum)
    return {
        "before": guard.hidden() if hidden else old,
        "now": guard.hidden() if new is None else new,
    }


def _pairs(
    old: Mapping[str, Any], new: Mapping[str, Any], against: Yardstick, *, comparable: bool
) -> Iterator[dict[str, Any]]:
    for group, key, before, now in _matched(old, new, against, comparable=comparable):
        was, is_ = figure(before), figure(now)
        if is_unknown(was) and is_unknown(is_):
            continue
        yield {
            "group": group,
            "key": key,
            "label": MEASURES[key].label,
            "before": was,
            "now": is_,
            "difference": difference(was, is_),
        }


def _matched(
    old: Mapping[str, Any], new: Mapping[str, Any], against: Yardstick, *, comparable: bool
) -> Iterator[tuple[str, str, Mapping[str, Any] | None, Mapping[str, Any] | None]]:
    own = [part.get("models", {}).get("model", {}) for part in (old, new)]
    for key in SHOWN:
        if key in own[1]:
            yield OWN, key, own[0].get(key), own[1].get(key)
    minus = [part.get("differences", {}).get("therapy_only", {}) for part in (old, new)]
    # Less the therapy alone and less the base rate are two different things.
    was = minus[0] if comparable else {}
    for key in minus[1]:
        if key in MEASURES:
            group = f"Minus {against.short}"
            yield group, key, was.get(key), minus[1].get(key)
    rows = {row["threshold"]: row for row in old.get("thresholds", [])}
    for row in new.get("thresholds", []):
        at = row["threshold"]
        for key in AT_THRESHOLD:
            yield f"At {percent(at, 0)}", key, rows.get(at, {}).get(key), row.get(key)


def difference(before: Any, now: Any) -> Any:
    """Return ``now - before`` with its interval, from the intervals of both.

    The square-and-add method of Zou and Donner (2008) for independent estimates: for
    ``d = now - before`` the lower limit is ``d`` less the root of ``(now - low of now)**2 +
    (high of before - before)**2``, the upper one its mirror image.
    """
    for version, fact in (("earlier", before), ("present", now)):
        if is_unknown(fact):
            return unknown(f"the {version} version has no such figure: {fact['because']}")
    step = now["estimate"] - before["estimate"]
    if before["low"] is None or now["low"] is None:
        why = "only one of the versions has an interval"
        return {"estimate": step, "low": None, "high": None, "because": why}
    down = hypot(now["estimate"] - now["low"], before["high"] - before["estimate"])
    up = hypot(now["high"] - now["estimate"], before["estimate"] - before["low"])
    return {"estimate": step, "low": step - down, "high": step + up}


def change_sentence(changes: Any, primary: str) -> str:
    """Say in one sentence what a reviewer of the earlier version must know."""
    if is_unknown(changes):
        return f"Changes are {NOT_ASSESSED}: {changes['because']}."
    gate, predictors, compared = (changes[key] for key in ("gate", "predictors", "outcomes"))
    parts = ["the same patients" if changes["same_patients"] else "other patients"]
    if not is_unknown(gate["before"]) and not is_unknown(gate["now"]):
        parts.append(f"gate {gate['before']} then, {gate['now']} now")
    if not is_unknown(predictors):
        added, removed = len(predictors["added"]), len(predictors["removed"])
        if added or removed:
            parts.append(f"predictors: {added} added, {removed} removed")
        else:
            parts.append("the same predictors")
    if not is_unknown(compared):
        parts += _leading_step(compared["compared"], primary)
    return f"Since version {changes['version']}: " + "; ".join(parts) + "."


def _leading_step(compared: list[dict[str, Any]], primary: str) -> list[str]:
    entry = next((e for e in compared if e["name"] == primary), None)
    if entry is None or is_unknown(entry["figures"]):
        return []
    steps = {f["key"]: f for f in reversed(entry["figures"]) if f["group"] == OWN}
    for key in ("auroc_within_therapy", "auroc"):
        if key in steps and not is_unknown(steps[key]["difference"]):
            step = with_interval(steps[key]["difference"], 3)
            return [f"{MEASURES[key].label} now minus then {step}"]
    return []
