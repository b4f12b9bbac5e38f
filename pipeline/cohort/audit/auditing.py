"""The audit: every check on one cohort, or chosen ones on its training patients."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pandas as pd

from pipeline.cohort.audit import (
    alignment,
    crowding,
    digits,
    distribution,
    duplicates,
    missingness,
    order,
    outcomes,
    precision,
    ranges,
    redundancy,
    repeated_values,
    separation,
    sites,
    timing,
    unit_shifts,
)
from pipeline.cohort.audit.finding import Check, Finding
from pipeline.cohort.audit.material import Material
from pipeline.cohort.dictionary import Dictionary, Variable
from pipeline.config import Audit, Outcome

CHECKS: tuple[Check, ...] = (
    outcomes.grading_systems,
    outcomes.outcome_classes,
    outcomes.too_few_events,
    ranges.outside_range,
    ranges.missing_codes,
    ranges.unknown_levels,
    unit_shifts.column_unit,
    unit_shifts.mixed_units,
    sites.site_unit,
    sites.exchanged_columns,
    digits.lost_zeros,
    digits.shifted_point,
    digits.preferred_digits,
    precision.computed_values,
    precision.digits_by_outcome,
    timing.outside_window,
    timing.undated,
    timing.post_infusion,
    timing.follow_up_name,
    missingness.missing_share,
    missingness.missingness_by_outcome,
    missingness.joint_missingness,
    repeated_values.filled_by_class,
    repeated_values.filled_with_one_value,
    crowding.crowded_by_class,
    separation.golden_feature,
    separation.constant_within_class,
    separation.group_equals_outcome,
    distribution.spread_by_outcome,
    distribution.against_trend,
    redundancy.constant,
    redundancy.near_identical,
    redundancy.copied_follow_up,
    alignment.shifted_rows,
    alignment.misaligned_site,
    duplicates.exact_duplicates,
    duplicates.near_duplicates,
    order.order_by_outcome,
)
# Faults of single columns that training patients alone can show, quick enough for every fold.
COLUMN_CHECKS: tuple[Check, ...] = (
    missingness.missingness_by_outcome,
    repeated_values.filled_by_class,
    separation.golden_feature,
    redundancy.constant,
    redundancy.near_identical,
)
GRAVEST_FIRST = {"error": 0, "warning": 1, "note": 2}


def audit_cohort(
    cohort: pd.DataFrame,
    dictionary: Dictionary,
    outcomes: dict[str, Outcome],
    primary: str,
    settings: Audit,
    ingest_report: dict[str, Any],
    seed: int,
    chosen: list[Variable] | None = None,
) -> dict[str, Any]:
    """Look for faults that would make a model learn the table instead of the patients.

    Parameters
    ----------
    cohort : DataFrame
        One row per patient, canonical units.
    dictionary : Dictionary
        Restricted to the cohort's columns.
    outcomes : dict of str to Outcome
        Binary outcomes, each a threshold on a column of the cohort.
    primary : str
        Name of the primary outcome.
    settings : Audit
        Thresholds.
    ingest_report : dict
        What ingest counted; its ``variables`` tell how many values were dropped and why.
    seed : int
        Same data, settings and seed give the same findings.
    chosen : list of Variable, optional
        As `candidate_variables` returns them; by default every baseline predictor counts
        towards the sample size.

    Returns
    -------
    dict
        ``findings``, gravest first, each with ``check``, ``severity``, ``column``,
        ``count``, ``figure``, ``message`` and ``mend``; and ``summary`` with counts. Only
        aggregated figures: no value and no id of a patient, and no count below the
        settings' ``minimum_cell`` that pairs a variable with an outcome.
    """
    material = Material(
        cohort, dictionary, outcomes, primary, settings, ingest_report, seed, chosen
    )
    findings = [finding for check in CHECKS for finding in check(material)]
    findings.sort(key=lambda finding: GRAVEST_FIRST[finding.severity])  # stable within
    severities = [finding.severity for finding in findings]
    return {
        "findings": [finding.to_json() for finding in findings],
        "summary": {
            "patients": len(cohort),
            "variables": len(dictionary),
            "errors": severities.count("error"),
            "warnings": severities.count("warning"),
            "notes": severities.count("note"),
            "checks_run": [check.__name__ for check in CHECKS],
        },
    }


def audit_columns(
    cohort: pd.DataFrame,
    dictionary: Dictionary,
    outcomes: dict[str, Outcome],
    settings: Audit,
    seed: int,
    checks: Iterable[Check] = COLUMN_CHECKS,
) -> dict[str, list[Finding]]:
    """Run chosen checks and return what they say of each column, gravest first.

    For use inside resampling: what is left out for a fault must be decided from the
    training patients alone, or the figures are too good.

    Parameters
    ----------
    cohort : DataFrame
        The training patients, canonical units; any index.
    dictionary : Dictionary
        Restricted to the cohort's columns.
    outcomes : dict of str to Outcome
        Binary outcomes; the first is the primary one.
    settings : Audit
        Thresholds.
    seed : int
        Same data, settings and seed give the same findings.
    checks : iterable of Check
        Default: `COLUMN_CHECKS`.

    Returns
    -------
    dict of str to list of Finding
        Columns without a finding are absent.
    """
    material = Material(cohort, dictionary, outcomes, next(iter(outcomes)), settings, {}, seed)
    by_column: dict[str, list[Finding]] = defaultdict(list)
    for check in checks:
        for finding in check(material):
            if finding.column is not None:
                by_column[finding.column].append(finding)
    return {
        column: sorted(found, key=lambda finding: GRAVEST_FIRST[finding.severity])
        for column, found in by_column.items()
    }
