"""An answer of the scorer as a FHIR R4 RiskAssessment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline.serving.http.fhir.reading import Reading


def risk_assessment(
    answer: Mapping[str, Any],
    reading: Reading,
    labels: Mapping[str, str],
    version: str,
    level: float,
    warning: str,
) -> dict[str, Any]:
    """Write an answer as a FHIR R4 RiskAssessment.

    A prediction carries the risk as ``probabilityDecimal``; FHIR has no place beside it for an
    interval, which the ``rationale`` tells. Without a risk the status is ``cancelled``.
    """
    abstains = answer["status"] != "ok"
    notes = [warning, *answer["because"], *answer["warnings"], *reading.remarks]
    found: dict[str, Any] = {
        "resourceType": "RiskAssessment",
        "status": "cancelled" if abstains else "final",
        "method": {"text": f"{version}; research use only"},
        "subject": reading.subject,
        "occurrenceDateTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "note": [{"text": text} for text in notes],
    }
    if reading.basis:
        found["basis"] = reading.basis
    if not abstains:
        found["prediction"] = [
            {
                "outcome": {"text": labels.get(outcome, outcome)},
                "probabilityDecimal": round(risk["risk"], 6),
                "rationale": f"{level:.0%} interval of the risk {risk['low']:.1%} to "
                f"{risk['high']:.1%}; by the {risk['evidence']} rate alone {risk['prior']:.1%}",
            }
            for outcome, risk in answer["risks"].items()
        ]
    return found
