"""A finding: what the audit saw, how grave it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pipeline.cohort.audit.material import Material

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One fault or remark.

    Attributes
    ----------
    check : str
        Name of the check.
    severity : str
        ``error`` keeps a model from becoming champion; ``warning`` asks for a look;
        ``note`` is for the record.
    message, mend : str
        One sentence each; no value of a patient, no patient's id.
    column : str, optional
        The column at fault, or the leading one of several.
    count : int, optional
        Values or patients concerned.
    figure : dict
        The statistics behind the finding, aggregated.
    """

    check: str
    severity: Severity
    message: str
    mend: str
    column: str | None = None
    count: int | None = None
    figure: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; figures are rounded to four significant digits."""
        return {**asdict(self), "figure": {k: _plain(v) for k, v in self.figure.items()}}


Check = Callable[["Material"], Iterator[Finding]]


def shown_if_large(count: int, minimum_cell: int) -> int | None:
    """Return a count of patients, or None where so few could be recognised."""
    return int(count) if count >= minimum_cell else None


def _plain(value: Any) -> Any:
    if isinstance(value, float):  # numpy's float64 included
        return float(f"{value:.4g}")
    return value.item() if hasattr(value, "item") else value
