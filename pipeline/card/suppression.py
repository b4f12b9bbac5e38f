"""Small cells: a count of few patients, or what would reveal it, is not shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.card.figures import SUPPRESSED
from pipeline.evaluation.suppression import hidden_sizes, pooled_name

# Levels of binary variables: they name no centre, product or disease.
_PLAIN = ("yes", "no")


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
        """Return counts that add up to a known total, so that no small one can be worked out.

        Small levels stand together under one name, for their own could point to a patient; only
        yes and no keep theirs. Where together they are still few, or fewer than two counts are
        hidden, the next smallest are hidden too.
        """
        pooled: dict[str, int] = {}
        for name, count in counts.items():
            small = 0 < count < self.minimum and name not in _PLAIN
            kept = pooled_name(self.minimum) if small else name
            pooled[kept] = pooled.get(kept, 0) + count
        held = [name for name, count in pooled.items() if count > 0]
        hides = hidden_sizes(np.array([pooled[name] for name in held]), self.minimum)
        hidden = {name for name, hide in zip(held, hides, strict=True) if hide}
        return {name: self.hidden() if name in hidden else n for name, n in pooled.items()}

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
