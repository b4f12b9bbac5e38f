"""When values were measured: outside the window, undated, or after infusion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pipeline.cohort.audit.finding import Finding
from pipeline.cohort.audit.material import Material

# Words in a name that speak of follow-up. Day 0 and days before infusion do not.
FOLLOW_UP = re.compile(
    r"(^|[_\W])(peak|max|maximum|nadir|highest|post|after|onset|followup|follow_up|discharge"
    r"|day[_ +]?[1-9]\d*|d\+?[1-9]\d*|week[_ +]?[1-9]\d*|wk[_ +]?[1-9]\d*)($|[_\W])",
    re.IGNORECASE,
)
FOLLOW_UP_LABEL = re.compile(r"\b(peak|highest|maximum|after infusion)\b", re.IGNORECASE)


def outside_window(material: Material) -> Iterator[Finding]:
    """Values that ingest dropped because their day lies outside the baseline window.

    Statistic: share of the values with a day that were dropped, against
    ``dropped_share``. A large share means that the table's baseline is not a baseline. A
    long table holds the whole follow-up, and most of its rows belong outside the window:
    there the share of patients left without a value counts, against ``missing_share``.
    """
    what = "were measured outside the baseline window and dropped"
    mend = "Check the day column, or widen 'window' where the protocol's baseline is earlier."
    for name, counts in _dropping(material, "outside_window"):
        if not counts.get("long"):
            yield _dropped(material, "outside_window", name, counts, what, mend)
            continue
        missing, present = int(counts.get("missing", 0)), int(counts.get("present", 0))
        without, rows = missing / max(1, missing + present), int(counts["outside_window"])
        warns = without >= material.settings.missing_share
        yield Finding(
            "outside_window",
            "warning" if warns else "note",
            f"{rows:,} rows of '{name}' {what}; {without:.0%} of the patients have no value left.",
            mend if warns else "Nothing to do: a long table holds follow-up too.",
            name,
            rows,
            {"patients_without": without},
        )


def undated(material: Material) -> Iterator[Finding]:
    """Values that ingest dropped because their day is missing, against ``dropped_share``."""
    what = "have no day and were dropped"
    mend = "Complete the days, or name a source whose values are all known to be baseline."
    for name, counts in _dropping(material, "undated"):
        yield _dropped(material, "undated", name, counts, what, mend)


def post_infusion(material: Material) -> Iterator[Finding]:
    """Variables known only after infusion: for the record, they are never predictors."""
    names = [v.name for v in material.dictionary if v.timing == "post" and v.role != "outcome"]
    if names:
        yield Finding(
            "post_infusion",
            "note",
            f"{len(names)} variables are known only after infusion and are never used as "
            f"predictors: {', '.join(names)}.",
            "Nothing to do; leave their timing at 'post'.",
            None,
            len(names),
        )


def follow_up_name(material: Material) -> Iterator[Finding]:
    """Baseline variables whose name or label speaks of follow-up: peak, max, day7.

    An error where the name leaves no doubt: it begins with ``post_`` or with the name of a
    variable that is known only after infusion (``crs_grade_day7``).
    """
    post = tuple(f"{v.name}_" for v in material.dictionary if v.timing == "post")
    for variable in material.predictors:
        if FOLLOW_UP.search(variable.name) or FOLLOW_UP_LABEL.search(variable.label):
            yield Finding(
                "follow_up_name",
                "error" if variable.name.startswith(("post_", *post)) else "warning",
                f"'{variable.name}' is declared as baseline, and its name speaks of follow-up.",
                "If it was measured after infusion, set timing: post in the dictionary; if not, "
                "give it a name that does not speak of follow-up.",
                variable.name,
            )


def _dropping(material: Material, which: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Columns of which ingest dropped a value for this reason, with what it counted."""
    for name, counts in material.ingest_report.get("variables", {}).items():
        if name in material.dictionary and counts.get(which):
            yield name, counts


def _dropped(
    material: Material, which: str, name: str, counts: dict[str, Any], what: str, mend: str
) -> Finding:
    dropped = int(counts[which])
    other = "undated" if which == "outside_window" else "outside_window"
    share = dropped / sum(int(counts.get(key, 0) or 0) for key in ("present", which, other))
    return Finding(
        which,
        "warning" if share >= material.settings.dropped_share else "note",
        f"{dropped:,} values of '{name}' ({share:.0%}) {what}.",
        mend,
        name,
        dropped,
        {"share": share},
    )
