"""False alarms and power of the audit, measured on simulated cohorts.

``python -m tests.cohort.audit.power`` draws 200 clean cohorts of either kind, plants every
fault into half as many of 200 patients and an eighth as many larger ones, and prints the
tables; ``--write data/README.md`` puts them between the marks of that file (about a quarter of
an hour on one core); ``--cohorts 10`` is quicker.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from pipeline.cohort.audit import audit_cohort
from pipeline.cohort.audit.auditing import CHECKS
from pipeline.cohort.audit.material import Material
from pipeline.cohort.dictionary import Dictionary
from pipeline.config import Audit
from tests.cohort.audit.clean import OUTCOMES, clean_cohort, generated_cohort
from tests.cohort.audit.faults import FAULTS, LIMITS, Fault
from tests.marks import write_between

# Mostly small cohorts: there the statistics are least certain, and models are built on them.
CLEAN_SIZES = (60, 100, 60, 200, 100, 500, 200, 1000, 60, 5000)
SMALLEST, LARGER = 200, (500, 500, 1000, 2000)
KINDS = {"simulator of the tests": clean_cohort, "shipped generator": generated_cohort}

Draw = Callable[[int, int], tuple[pd.DataFrame, Dictionary]]


def audit(cohort, dictionary, seed=1, report=None, settings=None):
    return audit_cohort(
        cohort, dictionary, OUTCOMES, "ge2", settings or Audit(), report or {}, seed
    )


def false_alarms(draw: Draw, cohorts: int, first: int = 0) -> tuple[int, Counter, Counter]:
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


@dataclass
class Power:
    """In how many spoilt cohorts a fault is found, and how many of these as an error."""

    cohorts: int = 0
    as_error: int = 0
    missed: list[int] = field(default_factory=list)

    @property
    def found(self) -> int:
        return self.cohorts - len(self.missed)


def power(
    faults: dict[str, Fault], draw: Draw, cohorts: int, sizes: tuple[int, ...], first: int = 0
) -> dict[str, Power]:
    """Plant each fault into the same cohorts, and count where it is found.

    Only the fault's own checks run: each draws from a random stream of its own, so that
    they say the same in a whole audit.
    """
    counted = {name: Power() for name in faults}
    for seed in range(first, first + cohorts):
        cohort, dictionary = draw(sizes[seed % len(sizes)], 1000 + seed)
        for name, tally in counted.items():
            severity = _found(faults[name], cohort, dictionary, seed)
            tally.cohorts += 1
            tally.as_error += severity == "error"
            tally.missed += [] if severity else [seed]
    return counted


def _found(fault: Fault, cohort: pd.DataFrame, dictionary: Dictionary, seed: int) -> str | None:
    """Gravest finding that says where the fault is, if it is as grave as the fault asks."""
    spoilt = fault.plant(cohort, np.random.default_rng(seed))
    material = Material(spoilt, dictionary, OUTCOMES, "ge2", Audit(), {}, 1)
    planted = {name for name in cohort if not cohort[name].equals(spoilt[name])}
    named = {
        finding.severity
        for check in CHECKS
        if check.__name__ in fault.checks
        for finding in check(material)
        if finding.column is None or {finding.column, finding.figure.get("with")} & planted
    }
    asked = ("error",) if fault.severity == "error" else ("error", "warning")
    return next((severity for severity in asked if severity in named), None)


@dataclass(frozen=True)
class Measured:
    """False alarms by kind of cohort; power by kind, patients and fault."""

    clean_cohorts: int
    alarms: dict[str, tuple[int, Counter, Counter]]
    power: dict[tuple[str, str], dict[str, Power]]


def measure(clean: int, larger: int, smallest: int, first: int = 0) -> Measured:
    """Draw clean and spoilt cohorts of both kinds and audit them.

    Parameters
    ----------
    clean : int
        Clean cohorts of either kind.
    larger, smallest : int
        Cohorts of either kind that every fault is planted into, by size.
    first : int
        Seed of the first.
    """
    alarms = {kind: false_alarms(draw, clean, first) for kind, draw in KINDS.items()}
    faults = {**FAULTS, **LIMITS}
    found = {}
    for kind, draw in KINDS.items():
        found[kind, f"{SMALLEST}"] = power(faults, draw, smallest, (SMALLEST,), first)
        sizes = f"{min(LARGER)} to {max(LARGER):,}"
        found[kind, sizes] = power(faults, draw, larger, LARGER, first)
        print(f"{kind}: {time.process_time():.0f} s", alarms[kind], found, file=sys.stderr)
    return Measured(clean, alarms, found)


def table(measured: Measured) -> Iterator[str]:
    """Lines of the Markdown tables."""
    sizes = f"n = {min(CLEAN_SIZES)} to {max(CLEAN_SIZES):,}"
    yield f"| clean cohorts, {sizes} | " + " | ".join(measured.alarms) + " |"
    yield "|---" * (1 + len(measured.alarms)) + "|"
    alarms = measured.alarms.values()
    rates = " | ".join(_rate(alarmed, measured.clean_cohorts) for alarmed, _, _ in alarms)
    yield f"| with any error | {rates} |"
    for what, which in (("error", 1), ("warning", 2)):
        for check in sorted({check for kind in alarms for check in kind[which]}):
            counts = " | ".join(str(kind[which][check]) for kind in alarms)
            yield f"| {what} of {check} | {counts} |"
    yield ""
    yield from _faults(measured, FAULTS, "planted fault")
    yield ""
    yield from _faults(measured, LIMITS, "fault at the limit of what can be seen")


def _faults(measured: Measured, faults: dict[str, Fault], title: str) -> Iterator[str]:
    heads = " | ".join(f"{kind}, n = {patients}" for kind, patients in measured.power)
    yield f"| {title} | must be named by | as | {heads} |"
    yield "|---" * (3 + len(measured.power)) + "|"
    for name, fault in faults.items():
        cells = " | ".join(_cell(found[name], fault) for found in measured.power.values())
        asked = "error" if fault.severity == "error" else "error or warning"
        yield f"| {name} | {', '.join(fault.checks)} | {asked} | {cells} |"


def _rate(count: int, of: int) -> str:
    low, high = binomtest(count, of).proportion_ci(method="wilson")
    return f"{count} of {of} ({100 * low:.0f} to {100 * high:.0f} %)"


def _cell(power: Power, fault: Fault) -> str:
    graver = power.as_error if fault.severity == "warning" else 0
    return _rate(power.found, power.cohorts) + (f", {graver} as error" if graver else "")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohorts", type=int, default=200, help="clean cohorts of either kind")
    parser.add_argument("--write", type=Path, metavar="FILE", help="between its marks")
    chosen = parser.parse_args()
    start = time.process_time()
    measured = measure(chosen.cohorts, max(1, chosen.cohorts // 8), max(1, chosen.cohorts // 2))
    minutes = (time.process_time() - start) / 60
    lines = [*table(measured), "", f"Measured in {minutes:.0f} minutes of one core."]
    print("\n".join(lines))
    if chosen.write:
        write_between(chosen.write, "audit", "\n".join(lines))
