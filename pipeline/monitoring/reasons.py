"""What a rule of the verdict found, and what that calls for."""

from __future__ import annotations

from typing import Any

from pipeline.model.head import SMALLEST_SHOWN

FINE, RECALIBRATE, RETRAIN = "fine", "recalibrate", "retrain"

Reason = dict[str, Any]


def reason(rule: str, outcome: str | None, calls_for: str, sentence: str) -> Reason:
    """One rule's finding; the sentence begins small and has no full stop."""
    return {"rule": rule, "outcome": outcome, "calls_for": calls_for, "sentence": sentence + "."}


def share_of(count: int, n: int) -> str:
    """A share of the patients in words, which tells of none or of ten at least."""
    if 0 < count < SMALLEST_SHOWN:
        return f"fewer than {SMALLEST_SHOWN} patients"
    if 0 < n - count < SMALLEST_SHOWN:
        return f"all but fewer than {SMALLEST_SHOWN} of the patients"
    return f"{count / n:.0%} of the patients" if count else "no patient"


def count_of(count: int, n: int) -> str:
    """The same as a count: "439 of 600"."""
    if count in (0, n):
        return f"{'all' if count else 'none of'} {n:,}"
    if 0 < count < SMALLEST_SHOWN:
        return f"fewer than {SMALLEST_SHOWN} of {n:,}"
    if 0 < n - count < SMALLEST_SHOWN:
        return f"all but fewer than {SMALLEST_SHOWN} of {n:,}"
    return f"{count:,} of {n:,}"
