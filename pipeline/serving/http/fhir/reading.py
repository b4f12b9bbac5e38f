"""What a Bundle tells of one patient, as it is gathered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class UnusableError(Exception):
    """What cannot be used of a resource; says why, without a value."""


@dataclass
class Reading:
    """What a Bundle tells of one patient.

    Attributes
    ----------
    record : dict
        As ``Scorer.score`` takes it.
    subject : dict
        A FHIR reference.
    basis : list of dict
        References to the observations that were used.
    remarks : list of str
        What could not be used, in words without values.
    """

    record: dict[str, Any] = field(default_factory=dict)
    subject: dict[str, Any] = field(default_factory=lambda: {"display": "unidentified patient"})
    basis: list[dict[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def remark(self, sentence: str) -> None:
        """Say something once, however many resources it is true of."""
        if sentence not in self.remarks:
            self.remarks.append(sentence)
