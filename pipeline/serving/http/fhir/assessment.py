"""An answer of the scorer as a FHIR R4 RiskAssessment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline.serving.http.fhir.reading import Reading
from pipeline.serving.http.words import Words, percent


def risk_assessment(
    answer: Mapping[str, Any],
    reading: Reading,
    words: Words,
    version: str,
    level: float,
    warning: str,
) -> dict[str, Any]:
    """Write an answer as a FHIR R4 RiskAssessment.

    A prediction carries the risk as ``probabilityDecimal``; FHIR has no place beside it for an
    interval, which the ``rationale`` tells. Without a risk the status is ``cancelled``.
    """
    abstains = answer["status"] != "ok"
    said = [words.sentence(text) for text in (*answer["because"], *answer["warnings"])]
    found: dict[str, Any] = {
        "resourceType": "RiskAssessment",
        "status": "cancelled" if abstains else "final",
        "method": {"text": f"{version}; research use only"},
        "subject": reading.subject,
        "occurrenceDateTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "note": [{"text": text} for text in (warning, *said, *reading.remarks)],
    }
    if reading.basis:
        found["basis"] = reading.basis
    if not abstains:
        found["prediction"] = [
            {
                "outcome": {"text": words.outcome(outcome)},
                "probabilityDecimal": round(risk["risk"], 4),
                "rationale": f"{level:.0%} interval of the risk {percent(risk['low'])} to "
                f"{percent(risk['high'])}; by the {risk['evidence']} rate alone "
                f"{percent(risk['prior'])}",
            }
            for outcome, risk in answer["risks"].items()
        ]
    return found
