"""Challenger against champion on the same patients: paired differences, held to margins.

Better or worse is judged by log-loss and by net benefit at each threshold of the config.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.config import Config, Promotion
from pipeline.evaluation.bootstrap import summary, weight_blocks
from pipeline.evaluation.classification import count_alerts
from pipeline.evaluation.unit_figures import patient_log_loss
from pipeline.evaluation.utility import net_benefit

_LEAST = 10  # of either outcome, for figures to be told


@dataclass(frozen=True)
class Paired:
    """Risks of one outcome by both models, on the same patients.

    Attributes
    ----------
    observed : ndarray of 0/1, shape (n,)
    challenger, champion : ndarray, shape (repeats, n)
    """

    observed: np.ndarray
    challenger: np.ndarray
    champion: np.ndarray


def compare(paired: Mapping[str, Paired], config: Config) -> dict[str, Any]:
    """Estimate paired differences with bootstrap intervals, and hold them to the margins.

    Returns
    -------
    dict
        ``passed``, and per outcome ``log_loss`` (challenger minus champion; below 0 is
        better) and ``net_benefit`` by threshold (above 0 is better), each with ``passed``;
        or a ``reason`` why it could not be compared, which passes nothing.
    """
    outcomes = {name: _compare(name, part, config) for name, part in paired.items()}
    return {"passed": all(part["passed"] for part in outcomes.values()), "outcomes": outcomes}


def _compare(name: str, paired: Paired, config: Config) -> dict[str, Any]:
    y, n = paired.observed, len(paired.observed)
    events = int(y.sum())
    if min(events, n - events) < _LEAST:
        reason = f"fewer than {_LEAST} patients with or without the event"
        return {"n": n if n >= _LEAST else None, "passed": False, "reason": reason}
    settings, margins = config.evaluation, config.promotion
    thresholds = np.array(settings.thresholds.get(name, []))
    loss = (patient_log_loss(y, paired.challenger) - patient_log_loss(y, paired.champion)).mean(
        axis=0
    )
    losses, benefits = [], []
    for weights in weight_blocks(n, settings.bootstrap, config.seed):
        losses.append(weights @ loss / n)
        mine, theirs = (
            net_benefit(count_alerts(y, risk, thresholds, weights), thresholds)
            for risk in (paired.challenger, paired.champion)
        )
        benefits.append(mine - theirs)
    log_loss = summary(np.concatenate(losses), settings.interval_level)
    drawn = np.concatenate(benefits)
    at = [
        {"threshold": float(t), **summary(drawn[:, k], settings.interval_level)}
        for k, t in enumerate(thresholds)
    ]
    log_loss["passed"] = log_loss["high"] <= margins.log_loss_margin
    for row in at:
        row["passed"] = row["low"] >= -margins.net_benefit_margin
    passed = log_loss["passed"] and all(row["passed"] for row in at)
    return {"n": n, "passed": passed, "log_loss": log_loss, "net_benefit": at}


def in_lines(found: Mapping[str, Any], margins: Promotion, level: float) -> list[str]:
    """Say what `compare` returned: a line per figure, marked where its margin is not kept."""
    rows = [("", "outcome", "figure", f"challenger minus champion ({level:.0%} interval)", "asked")]
    for outcome, part in found["outcomes"].items():
        if "reason" in part:
            rows.append(("✗", outcome, "not compared", part["reason"], ""))
            continue
        asked = f"at most {margins.log_loss_margin:g}"
        rows.append((_mark(part["log_loss"]), outcome, "log-loss", _told(part["log_loss"]), asked))
        if not part["net_benefit"]:
            rows.append(("", outcome, "net benefit", "no evaluation.thresholds", ""))
        for at in part["net_benefit"]:
            figure, asked = f"net benefit at {at['threshold']:.0%}", "at least "
            asked += f"{-margins.net_benefit_margin:g}"
            rows.append((_mark(at), outcome, figure, _told(at), asked))
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def why_not(found: Mapping[str, Any], margins: Promotion) -> list[str]:
    """Name in words what did not keep its margin: what is worse, and what too few cannot tell."""
    reasons: list[str] = []
    worse: list[str] = []
    unclear: list[str] = []
    for outcome, part in found["outcomes"].items():
        if "reason" in part:
            reasons.append(f"{outcome} cannot be compared ({part['reason']})")
            continue
        if not part["log_loss"]["passed"]:
            (worse if part["log_loss"]["low"] > 0 else unclear).append(f"{outcome} log-loss")
        for row in part["net_benefit"]:
            if not row["passed"]:
                figure = f"{outcome} net benefit at {row['threshold']:.0%}"
                (worse if row["high"] < 0 else unclear).append(figure)
    if worse:
        reasons.append(f"worse beyond doubt: {', '.join(worse)}")
    if unclear:
        losses = " and ".join(
            f"{margin:g} of {figure}"
            for figure, margin in (
                ("log-loss", margins.log_loss_margin),
                ("net benefit", margins.net_benefit_margin),
            )
            if any(figure in name for name in unclear)
        )
        reasons.append(
            f"not shown to be no worse, with too few patients to rule out a loss of {losses}: "
            + ", ".join(unclear)
        )
    return reasons


def _mark(figure: Mapping[str, Any]) -> str:
    return "✓" if figure["passed"] else "✗"


def _told(figure: Mapping[str, float]) -> str:
    estimate, low, high = (_signed(figure[key]) for key in ("estimate", "low", "high"))
    return f"{estimate} ({low} to {high})"


def _signed(value: float) -> str:
    """Four decimals with a sign, and none before what rounds to 0."""
    text = f"{value:+z.4f}"
    return text[1:] if float(text) == 0 else text
