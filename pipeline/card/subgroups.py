"""The evaluation's figures by subgroup, and what a reader must not miss in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from pipeline.card.figures import figure, is_unknown, number, unknown, with_interval
from pipeline.card.suppression import Guard
from pipeline.evaluation.grouping import MODALITIES, named_group

SHOWN = ("auroc_within_therapy", "auroc", "observed_expected", "calibration_intercept",
         "calibration_slope", "log_loss", "brier")  # fmt: skip
# Figures of calibration with what they are where risks are right.
_IDEAL = {"calibration_slope": 1.0, "observed_expected": 1.0}
_NAMED = 3


def subgroup_tables(found: Sequence[Mapping[str, Any]], guard: Guard) -> list[dict[str, Any]]:
    """Take over the subgroups of one outcome.

    Parameters
    ----------
    found : sequence of mapping
        ``subgroups`` of an outcome in ``evaluation.json``.
    guard : Guard

    Returns
    -------
    list of dict
        ``variable``, ``label`` and ``groups``: each with ``place`` (its number among all),
        ``group``, ``n``, ``events``, ``figures``, ``differences`` from the therapy alone, and
        ``because`` where these are not given.
    """
    places = count()
    return [
        {
            "variable": division["variable"],
            "label": division["label"],
            "groups": [
                {"place": next(places), **_group(group, guard)} for group in division["groups"]
            ],
        }
        for division in found
    ]


def subgroup_summary(tables: Sequence[Mapping[str, Any]]) -> Any:
    """Say by what patients were divided, and in which groups the risks mislead.

    Parameters
    ----------
    tables : sequence of mapping
        Of the primary outcome, as `subgroup_tables` returns them.

    Returns
    -------
    dict
        ``divided_by``, ``judged`` (groups with figures), ``misled`` (groups whose calibration
        slope or observed/expected has an interval that excludes 1, the farthest first),
        ``unranked`` (groups whose AUROC within therapy has an interval that reaches chance, the
        largest first), ``finding`` and ``unranked_finding``, a sentence each, the latter None
        where it says nothing; or what `unknown` returns where there are no groups.
    """
    if not tables:
        return unknown("the cohort holds none of the columns by which the config divides patients")
    judged = [
        (table["label"], group)
        for table in tables
        for group in table["groups"]
        if "because" not in group
    ]
    misled = sorted(_misled(judged), key=lambda m: -m["distance"])
    unranked = sorted(_unranked(judged), key=lambda u: -u["n"])
    return {
        "divided_by": [table["label"] for table in tables],
        "judged": len(judged),
        "misled": [{key: m[key] for key in ("group", "key", "figure")} for m in misled],
        "finding": _finding(len(judged), misled),
        "unranked": unranked,
        "unranked_finding": _unranked_finding(unranked),
    }


def _group(group: Mapping[str, Any], guard: Guard) -> dict[str, Any]:
    found = {
        "group": MODALITIES.get(group["group"], group["group"]),
        "n": guard.hidden() if group["n"] is None else group["n"],
        "events": guard.hidden() if group["events"] is None else group["events"],
        "figures": {key: figure(group["figures"].get(key)) for key in SHOWN},
        "differences": {
            name: {"log_loss": figure(part["log_loss"])}
            for name, part in group.get("differences", {}).items()
        },
    }
    return found | ({"because": str(group["reason"])} if group.get("reason") else {})


def _misled(judged: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[dict[str, Any]]:
    for label, group in judged:
        for key, ideal in _IDEAL.items():
            found = group["figures"][key]
            if is_unknown(found) or found["low"] is None or found["low"] <= ideal <= found["high"]:
                continue
            yield {
                "group": named_group(label, group["group"]),
                "key": key,
                "figure": found,
                "distance": abs(found["estimate"] - ideal),
            }


def _finding(judged: int, misled: Sequence[Mapping[str, Any]]) -> str:
    if not judged:
        return "No group is large enough to be judged by itself."
    groups = f"{judged} group{'s' if judged != 1 else ''}"
    if not misled:
        return f"In none of {groups} judged does calibration clearly leave its ideal."
    names = {"calibration_slope": "slope", "observed_expected": "observed/expected"}
    told = "; ".join(
        f"{m['group']} ({names[m['key']]} {with_interval(m['figure'], 2)})" for m in misled[:_NAMED]
    )
    count = len({m["group"] for m in misled})
    return (
        f"Calibration leaves its ideal beyond the interval in {count} of {groups} judged "
        f"(about one in twenty would by chance), farthest for: {told}."
    )


def _unranked(judged: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[dict[str, Any]]:
    for label, group in judged:
        found = group["figures"]["auroc_within_therapy"]
        if is_unknown(found) or found["low"] is None or found["low"] > 0.5:
            continue
        if isinstance(group["n"], int):
            yield {"group": named_group(label, group["group"]), "n": group["n"], "figure": found}


def _unranked_finding(unranked: Sequence[Mapping[str, Any]]) -> str | None:
    if not unranked:
        return None
    told = "; ".join(
        f"{u['group']}, {number(u['n'], 0)} patients: {with_interval(u['figure'], 2)}"
        for u in unranked[:_NAMED]
    )
    more = len(unranked) - _NAMED
    return (
        "Not shown to rank patients on one therapy better than chance (AUROC within therapy) in: "
        f"{told}{f'; and {more} more groups' if more > 0 else ''}."
    )
