"""Whether the model serves every group of patients, not only all of them together.

A model may beat the therapy alone on the whole and be worse than it, or say nothing more than it,
for the patients of one sex, one age, one modality of therapy or one centre.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t

from pipeline.config import Gate
from pipeline.evaluation.grouping import named_group
from pipeline.evaluation.yardstick import THERAPY, Yardstick


@dataclass(frozen=True)
class Compared:
    """Log-loss of the model minus that of the therapy alone in one group.

    Attributes
    ----------
    outcome, group : str
        The group named as in a sentence.
    n : int
        Patients.
    difference : mapping
        ``estimate``, ``low``, ``high``, ``error``, the standard error, and ``units``, how many
        patients or sites were resampled.
    against : Yardstick
    """

    outcome: str
    group: str
    n: int
    difference: Mapping[str, float]
    against: Yardstick = THERAPY

    def reach(self, share: float) -> float:
        """Quantile of the difference around 0, by the t distribution that few units call for."""
        freedom = self.difference.get("units", np.inf) - 1
        return float(t.ppf(share, freedom)) * self.difference["error"]

    @property
    def sentence(self) -> str:
        """What was found, for people."""
        estimate, low, high = (f"{self.difference[k]:z.4f}" for k in ("estimate", "low", "high"))
        return (
            f"{self.group} ({self.n:,} patients; log-loss {estimate} against "
            f"{self.against.model}, interval {low} to {high})"
        )


def compared(outcomes: Mapping[str, Any], against: Yardstick = THERAPY) -> list[Compared]:
    """List the groups of every outcome that are large enough to be judged by themselves.

    Parameters
    ----------
    outcomes : mapping
        Of ``evaluation.json``.
    against : Yardstick
    """
    return [
        found for outcome, part in outcomes.items() for found in _groups(outcome, part, against)
    ]


def worse(groups: list[Compared], alpha: float) -> list[Compared]:
    """Return the groups in which the model is worse than the therapy alone beyond doubt.

    One-sided, each at ``alpha`` divided by the number of groups (Bonferroni): a model that is
    level with the therapy everywhere is refused with a probability of ``alpha`` at most, however
    many groups are looked at, and however they overlap.
    """
    if not groups:
        return []
    share = 1 - alpha / len(groups)
    return [g for g in groups if g.difference["estimate"] > g.reach(share)]


def without_gain(
    groups: list[Compared], outcomes: Mapping[str, Any], level: float, power: float
) -> list[Compared]:
    """Return the groups that show no gain over the therapy, though they could have.

    Only groups are looked at in which a gain as large as that of all patients would leave 0
    outside its interval with the given power: in smaller ones nothing can be said.

    Parameters
    ----------
    groups : list of Compared
    outcomes : mapping
        Of ``evaluation.json``, for the gain in all patients.
    level : float
        Of the evaluation's intervals.
    power : float
    """
    found = []
    for group in groups:
        overall = _difference(outcomes[group.outcome].get("differences"))
        if overall is None or group.difference["high"] < 0:
            continue
        if group.reach((1 + level) / 2) + group.reach(power) <= -overall["estimate"]:
            found.append(group)
    return found


def served_reason(
    groups: list[Compared], outcomes: Mapping[str, Any], gate: Gate, against: Yardstick
) -> dict[str, Any]:
    """Return the gate's criterion on groups: ``passed``, ``found``, ``required``, ``sentence``."""
    hurt = worse(groups, gate.subgroup_alpha)
    if not any(part.get("subgroups") for part in outcomes.values()):
        sentence = "Groups of patients were not looked at."
    elif not groups:
        sentence = "No group of patients is large enough to be judged by itself."
    elif hurt:
        sentence = f"Worse than {against.model} beyond doubt in " + "; ".join(
            f"{g.outcome}: {g.sentence}" for g in hurt
        )
        sentence += "."
    else:
        sentence = (
            f"In none of {len(groups)} groups of patients, over all outcomes, is the log-loss "
            f"shown to be higher than {against.model}'s."
        )
    return {
        "passed": not hurt,
        "found": len(hurt),
        "required": (
            f"no group with a log-loss above {against.model}'s beyond doubt, all groups "
            f"together erring in {gate.subgroup_alpha:.0%} at most"
        ),
        "sentence": sentence,
    }


def gain_warnings(
    groups: list[Compared], evaluation: Mapping[str, Any], gate: Gate, against: Yardstick
) -> list[dict[str, Any]]:
    """Return a warning for each group that shows no gain: ``outcome``, ``group``, ``sentence``."""
    level = evaluation.get("definition", {}).get("interval_level", 0.95)
    return [
        {
            "criterion": "adds_to_therapy",
            "outcome": g.outcome,
            "group": g.group,
            "n": g.n,
            "found": dict(g.difference),
            "sentence": f"{g.outcome}: not shown to add to {against.alone} in {g.sentence}.",
        }
        for g in without_gain(groups, evaluation["outcomes"], level, gate.subgroup_power)
    ]


def _groups(outcome: str, part: Mapping[str, Any], against: Yardstick) -> Iterator[Compared]:
    for division in part.get("subgroups") or []:
        for group in division["groups"]:
            found = _difference(group.get("differences"))
            if found is not None and group["n"] is not None and found.get("error"):
                name = named_group(division["label"], group["group"])
                yield Compared(outcome, name, group["n"], found, against)


def _difference(differences: Mapping[str, Any] | None) -> Mapping[str, float] | None:
    found = (differences or {}).get("therapy_only", {}).get("log_loss")
    return found if found and found.get("low") is not None else None
