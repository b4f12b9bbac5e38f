"""Small cells: a count of few patients, or what would reveal it, is not shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.card.figures import SUPPRESSED


@dataclass(frozen=True)
class Guard:
    """Decides which counts may be shown.

    Attributes
    ----------
    minimum : int
        Smallest count of patients that may be shown; none at all may be said.
    patients : int
        Of the cohort: a count that leaves few others over reveals those.
    """

    minimum: int
    patients: int

    def hides(self, count: int | None, total: int | None = None) -> bool:
        """Whether a count, or what it leaves of the total, is small but not zero."""
        if count is None:
            return False
        rest = (self.patients if total is None else total) - count
        return 0 < count < self.minimum or 0 < rest < self.minimum

    def count(self, count: int | None, total: int | None = None) -> Any:
        """Return a count that may be shown, or the fact that it may not."""
        hidden = count is None or self.hides(count, total)
        return self.hidden() if hidden else count

    def hidden(self) -> dict[str, str]:
        """Return the fact that a count is not shown."""
        return {"status": SUPPRESSED, "because": f"a cell holds fewer than {self.minimum} patients"}

    def table(self, counts: Mapping[str, int]) -> dict[str, Any]:
        """Return counts that add up to a known total, the small ones hidden.

        A single hidden count would follow from the total: the next smallest is hidden too.
        """
        small = {name for name, count in counts.items() if 0 < count < self.minimum}
        shown = [name for name in counts if name not in small and counts[name] > 0]
        if len(small) == 1 and shown:
            small.add(min(shown, key=lambda name: counts[name]))
        return {name: self.hidden() if name in small else n for name, n in counts.items()}

    def finding(self, finding: Mapping[str, Any]) -> dict[str, Any]:
        """Return a finding of the audit; its message goes where it would reveal a small count."""
        kept = {key: finding[key] for key in ("check", "severity", "column", "message", "mend")}
        if self.hides(finding.get("count")):
            where = f" in '{finding['column']}'" if finding.get("column") else ""
            kept["message"] = (
                f"The check '{finding['check'].replace('_', ' ')}' found something{where}; "
                f"the counts are not shown (a cell holds fewer than {self.minimum})."
            )
        return kept
