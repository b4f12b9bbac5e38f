"""False alarms and power of the audit, measured on simulated cohorts.

``python -m tests.cohort.audit.power`` draws 200 clean cohorts and as many per fault and
prints the table that stands in ``data/README.md`` (about half an hour on one core);
``--cohorts 40`` is quicker.
"""

import argparse
from collections import Counter
from collections.abc import Iterator

import numpy as np

from pipeline.cohort.audit import audit_cohort
from pipeline.config import Audit
from tests.cohort.audit.clean import OUTCOMES, clean_cohort, generated_cohort
from tests.cohort.audit.faults import FAULTS

CLEAN_SIZES = (60, 100, 200, 500, 1000, 2000, 5000)
FAULT_SIZES = (200, 200, 500, 1000, 2000)


def audit(cohort, dictionary, seed=1, report=None, settings=None):
    return audit_cohort(
        cohort, dictionary, OUTCOMES, "ge2", settings or Audit(), report or {}, seed
    )


def false_alarms(draw, cohorts: int, first: int = 0) -> tuple[int, Counter, Counter]:
    """Return how many clean cohorts raise an error, and which checks speak in how many."""
    alarmed, errors, warnings = 0, Counter(), Counter()
    for seed in range(first, first + cohorts):
        cohort, dictionary = draw(CLEAN_SIZES[seed % len(CLEAN_SIZES)], seed)
        findings = audit(cohort, dictionary)["findings"]
        by_error = {f["check"] for f in findings if f["severity"] == "error"}
        alarmed += bool(by_error)
        errors.update(by_error)
        warnings.update({f["check"] for f in findings if f["severity"] == "warning"})
    return alarmed, errors, warnings


def power(name: str, draw, cohorts: int, first: int = 0) -> tuple[int, list[int]]:
    """Return in how many spoilt cohorts the fault is found, and the seeds where it is not."""
    fault, missed = FAULTS[name], []
    for seed in range(first, first + cohorts):
        cohort, dictionary = draw(FAULT_SIZES[seed % len(FAULT_SIZES)], 1000 + seed)
        spoilt = fault.plant(cohort, np.random.default_rng(seed))
        findings = audit(spoilt, dictionary)["findings"]
        if not any(
            f["check"] in fault.checks and f["severity"] in ("error", fault.severity)
            for f in findings
        ):
            missed.append(seed)
    return cohorts - len(missed), missed


def table(cohorts: int) -> Iterator[str]:
    """Lines of the Markdown table."""
    yield "| cohorts | found by | simulator of the tests | shipped generator |"
    yield "|---|---|---|---|"
    clean = [false_alarms(draw, cohorts) for draw in (clean_cohort, generated_cohort)]
    counts = " | ".join(f"{alarmed} of {cohorts}" for alarmed, _, _ in clean)
    raised = ", ".join(f"{check} {n}" for check, n in (clean[0][1] + clean[1][1]).most_common())
    yield f"| clean, n = 60 to 5,000 | any error ({raised or 'none'}) | {counts} |"
    raised = ", ".join(f"{check} {n}" for check, n in (clean[0][2] + clean[1][2]).most_common())
    yield f"| the same | warnings: {raised or 'none'} | | |"
    for name, fault in FAULTS.items():
        found = [power(name, draw, cohorts)[0] for draw in (clean_cohort, generated_cohort)]
        counts = " | ".join(f"{n} of {cohorts}" for n in found)
        yield f"| {name}, n = 200 to 2,000 | {', '.join(fault.checks)} | {counts} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohorts", type=int, default=200)
    for line in table(parser.parse_args().cohorts):
        print(line, flush=True)
