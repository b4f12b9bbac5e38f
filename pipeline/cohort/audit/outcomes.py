"""The outcomes: one grading system, both classes, and enough events."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from pipeline.cohort.audit.finding import Finding, shown_if_large
from pipeline.cohort.audit.material import Material
from pipeline.cohort.dictionary import Variable
from pipeline.cohort.grading_systems import comparable
from pipeline.cohort.sample_size import against_riley, candidate_parameters

# Grades of CRS run from 0 to 5 in every system.
_GRADES = (0, 5)


def grading_systems(material: Material) -> Iterator[Finding]:
    """Grading systems in the cohort: several, or one unlike ours, are an error.

    The same patient can be grade 1 by ASTCT and grade 2 by Penn: pooled grades are no
    outcome, and a rate by one system is no prior for another. What is `comparable` is
    near enough to warn only. Grades of an unstated system are taken as ours.
    """
    column, expected = material.settings.grading_column, material.settings.grading_system
    recorded = material.cohort.get(column, pd.Series(dtype="str")).dropna()
    systems = sorted(recorded.astype(str).unique())
    if not systems:
        yield from _unstated(material)
        return
    minority = material.cohort[column].value_counts().iloc[1:].sum()
    if len(systems) > 1:
        yield Finding(
            "grading_systems",
            "error",
            f"The grades come from {len(systems)} grading systems: {', '.join(systems)}.",
            f"Grade all patients by {expected} from their signs, or keep one system's patients.",
            column,
            int(minority),
            {"systems": len(systems)},
        )
    elif systems[0] != expected and comparable(systems[0], expected):
        yield Finding(
            "grading_systems",
            "warning",
            f"The grades are {systems[0]} grades, while published rates refer to {expected}.",
            f"Grade the patients by {expected} from their signs where these are known.",
            column,
            len(material.cohort),
        )
    elif systems[0] != expected:
        yield Finding(
            "grading_systems",
            "error",
            f"The grades are {systems[0]} grades, while published rates and pooled evaluation "
            f"refer to {expected}: the two must not be pooled.",
            f"Grade the patients by {expected} from their signs; or, for a model of "
            f"{systems[0]} grades alone, set therapy_prior: null and audit.grading_system: "
            f"{systems[0]}.",
            column,
            len(material.cohort),
        )


def _unstated(material: Material) -> Iterator[Finding]:
    graded = {outcome.column for outcome in material.outcomes.values()}
    grading, expected = material.settings.grading_column, material.settings.grading_system
    for name in sorted(name for name in graded if _is_grade(material.dictionary[name])):
        yield Finding(
            "grading_systems",
            "warning",
            f"The grading system of '{name}' is not stated: its grades are taken as {expected}.",
            f"Map '{grading}' to the column that names it, or state it under source.constants.",
            name,
            len(material.cohort),
        )


def _is_grade(variable: Variable) -> bool:
    return variable.kind == "numeric" and variable.range == _GRADES


def outcome_classes(material: Material) -> Iterator[Finding]:
    """Both classes of every outcome, and patients whose outcome is missing."""
    for name, outcome in material.outcomes.items():
        values = material.cohort[outcome.column]
        missing = int(values.isna().sum())
        if missing:
            yield Finding(
                "outcome_classes",
                "warning",
                f"The outcome '{name}' is missing in {missing:,} patients.",
                "Complete it: patients without a recorded outcome are seldom like the others.",
                outcome.column,
                missing,
                {"share": missing / len(values)},
            )
        known = values.dropna()
        events = int((known >= outcome.at_least).sum())
        if events in (0, len(known)):
            yield Finding(
                "outcome_classes",
                "error" if name == material.primary else "warning",
                f"{'No patient has' if not events else 'Every patient has'} the outcome '{name}'.",
                "Check the outcome column and 'at_least', or drop this outcome from the config.",
                outcome.column,
                len(known),
            )


def too_few_events(material: Material) -> Iterator[Finding]:
    """Patients and events against Riley's minimum for the number of candidate parameters.

    Counted as `candidate_parameters` does. The expected AUROC and the shrinkage are settings.
    Below the minimum a model may still be fitted, shrunk towards the therapy prior.
    """
    settings = material.settings
    parameters = candidate_parameters(material.cohort, material.candidates)
    for name, outcome in material.outcomes.items():
        known = material.cohort[outcome.column].dropna()
        events = int((known >= outcome.at_least).sum())
        if events in (0, len(known)):
            continue
        riley = against_riley(len(known), events, parameters, settings)
        if riley["met"]:
            continue
        shown = shown_if_large(events, settings.minimum_cell)
        found = f"{shown:,}" if shown is not None else f"fewer than {settings.minimum_cell}"
        yield Finding(
            "too_few_events",
            "warning",
            f"{len(known):,} patients with {found} events of '{name}' are too few for {parameters} "
            f"candidate parameters: Riley's criteria ask for {riley['patients_needed']:,} with "
            f"{riley['events_needed']:,} events.",
            "Name fewer predictors beforehand, or gather more patients; until then expect "
            "strong shrinkage.",
            outcome.column,
            shown,
            {
                "patients": len(known),
                "parameters": parameters,
                **{
                    key: riley[key]
                    for key in ("patients_needed", "events_needed", "expected_auroc", "shrinkage")
                },
            },
        )
