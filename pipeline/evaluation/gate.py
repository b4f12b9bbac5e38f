"""Whether a model may become champion: each criterion with what was found and required."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.config import Gate
from pipeline.evaluation.served_groups import compared, gain_warnings, served_reason
from pipeline.evaluation.yardstick import Yardstick, yardstick

Reason = dict[str, Any]


def judge(
    gate: Gate,
    evaluation: Mapping[str, Any],
    audit: Mapping[str, Any] | None,
    primary_outcome: str,
    prior_alone: Mapping[str, str],
) -> dict[str, Any]:
    """Judge a run against the gate. A figure that is missing fails its criterion.

    Calibration is judged on the point estimate, whose interval must exist: an interval that
    contains the ideal would reward small cohorts, one that lies wholly within the bounds
    would need thousands of events, and precision is what the minimum number of events is for.

    Every head is served, so every outcome must have events and be calibrated. The primary
    outcome must beat the therapy-only comparator (the base rate where no therapy is recorded, see
    `yardstick`) beyond doubt; the others, often rare, must not be shown to be worse than it. Nor
    may the model be worse than it in any group of patients that is large enough to be judged; a
    group in which it shows no gain, though the gain of all patients would have shown there, is a
    warning: no harm is done, but nothing gained either.

    Parameters
    ----------
    gate : Gate
    evaluation : mapping
        As `evaluate` returns it.
    audit : mapping or None
        With ``findings``, each with a ``severity``; None where no audit was run.
    primary_outcome : str
    prior_alone : mapping
        Outcome to the reason why its head was not fitted, for heads that are the prior alone.

    Returns
    -------
    dict
        ``passed``, ``verdict`` (one sentence, and one per warning), ``reasons``: per criterion
        ``criterion``, ``outcome`` (None for the run as a whole), ``passed``, ``found``,
        ``required`` and ``sentence``; and ``warnings``, as `gain_warnings` returns them.
    """
    outcomes = evaluation.get("outcomes") or {}
    against = yardstick(evaluation)
    names = [primary_outcome, *(name for name in outcomes if name != primary_outcome)]
    reasons = []
    for name in names:
        figures = outcomes.get(name) or {}
        reasons.append(_fitted(name, prior_alone.get(name)))
        reasons.append(_events(name, figures, gate.minimum_events))
        for key, bounds in (
            ("calibration_slope", gate.calibration_slope),
            ("calibration_intercept", gate.calibration_intercept),
        ):
            reasons.append(_calibrated(name, key, figures, bounds))
        if gate.better_than_therapy_only:
            reasons.append(_beats_therapy_only(name, figures, name == primary_outcome, against))
    warnings: list[dict[str, Any]] = []
    if gate.better_than_therapy_only:
        judged = {name: outcomes[name] for name in names if name in outcomes}
        groups = compared(judged, against)
        served = served_reason(groups, judged, gate, against)
        reasons.append({"criterion": "subgroups", "outcome": None, **served})
        warnings = gain_warnings(groups, evaluation, gate, against)
    audited = _audited(audit)
    # Faults in the data may explain every other failure, and are mended first.
    reasons.insert(len(reasons) if audited["passed"] else 0, audited)
    failed = [r for r in reasons if not r["passed"]]
    passed = not failed
    verdict = (
        "Fit to be champion: every criterion of the gate is met."
        if passed
        else "Refused as champion: " + " ".join(r["sentence"] for r in failed)
    )
    verdict = " ".join([verdict, *(w["sentence"] for w in warnings)])
    return {"passed": passed, "verdict": verdict, "reasons": reasons, "warnings": warnings}


def _fitted(outcome: str, reason: str | None) -> Reason:
    sentence = (
        f"{outcome}: a model was fitted."
        if reason is None
        else f"{outcome}: nothing was fitted ({reason.rstrip('.')})."
    )
    found = "fitted" if reason is None else "prior alone"
    return _reason("fitted", outcome, reason is None, found, "fitted", sentence)


def _events(outcome: str, figures: Mapping[str, Any], minimum: int) -> Reason:
    events, n = figures.get("events"), figures.get("n")
    required = f"at least {minimum} events and non-events"
    if events is None or n is None:
        why = figures.get("reason", "the outcome was not evaluated")
        sentence = f"{outcome}: {why}, where {minimum} are required."
        return _reason("events", outcome, False, None, required, sentence)
    rarer = min(events, n - events)
    kind = "events" if events <= n - events else "patients without the event"
    passed = rarer >= minimum
    sentence = f"{outcome}: {rarer} {kind}, {'and' if passed else 'but'} {minimum} are required."
    return _reason("events", outcome, passed, rarer, required, sentence)


def _calibrated(
    outcome: str, key: str, figures: Mapping[str, Any], bounds: tuple[float, float]
) -> Reason:
    words, (low, high) = key.replace("_", " "), bounds
    required = f"between {low:g} and {high:g}"
    figure = figures.get("models", {}).get("model", {}).get(key) or {}
    if not _complete(figure):
        why = figure.get("reason", "not assessed")
        sentence = f"{outcome}: the {words} has no estimate with an interval ({why})."
        return _reason(key, outcome, False, figure.get("estimate"), required, sentence)
    passed = low <= figure["estimate"] <= high
    sentence = (
        f"{outcome}: the {words} is {_words(figure, 2)}, "
        f"{'within' if passed else 'outside'} {low:g} to {high:g}."
    )
    return _reason(key, outcome, passed, figure["estimate"], required, sentence)


def _beats_therapy_only(
    outcome: str, figures: Mapping[str, Any], primary: bool, against: Yardstick
) -> Reason:
    required = (
        "lower log-loss, with an interval below zero"
        if primary
        else "log-loss not shown to be higher: an interval that reaches zero or below"
    )
    figure = figures.get("differences", {}).get("therapy_only", {}).get("log_loss") or {}
    criterion = f"better_than_{against.key}"
    if not _complete(figure):
        why = figure.get("reason", "not assessed")
        sentence = f"{outcome}: log-loss cannot be compared with {against.model} ({why})."
        return _reason(criterion, outcome, False, figure.get("estimate"), required, sentence)
    passed = figure["high"] < 0 if primary else figure["low"] <= 0
    judgement = {
        (True, True): "lower beyond doubt",
        (True, False): "not lower beyond doubt",
        (False, True): "not shown to be higher",
        (False, False): "higher beyond doubt",
    }[primary, passed]
    sentence = (
        f"{outcome}: log-loss against {against.model} is {judgement} "
        f"(difference {_words(figure, 4)})."
    )
    return _reason(criterion, outcome, passed, figure["estimate"], required, sentence)


def _audited(audit: Mapping[str, Any] | None) -> Reason:
    required = "no error-level finding"
    if audit is None or "findings" not in audit:
        sentence = "The data were not audited."
        return _reason("audit", None, False, None, required, sentence)
    errors = [f for f in audit["findings"] if f["severity"] == "error"]
    checks = ", ".join(sorted({str(f["check"]) for f in errors}))
    sentence = (
        f"The audit has {len(errors)} error-level finding{'s' if len(errors) > 1 else ''} "
        f"({checks})."
        if errors
        else "The audit has no error-level finding."
    )
    return _reason("audit", None, not errors, len(errors), required, sentence)


def _complete(figure: Mapping[str, Any]) -> bool:
    return all(figure.get(key) is not None for key in ("estimate", "low", "high"))


def _words(figure: Mapping[str, Any], digits: int) -> str:
    estimate, low, high = (f"{figure[k]:z.{digits}f}" for k in ("estimate", "low", "high"))
    return f"{estimate} (interval {low} to {high})"


def _reason(
    criterion: str, outcome: str | None, passed: bool, found: Any, required: str, sentence: str
) -> Reason:
    return {
        "criterion": criterion,
        "outcome": outcome,
        "passed": passed,
        "found": found,
        "required": required,
        "sentence": sentence,
    }
