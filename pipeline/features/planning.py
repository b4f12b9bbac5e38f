"""Decides which columns the model matrix has: once, before fitting.

This is the one place where a variable becomes a predictor. Only baseline variables pass.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from pipeline.cohort.dictionary import Dictionary, Variable
from pipeline.config import Config, Outcome, Predictors
from pipeline.errors import InputError, did_you_mean
from pipeline.features.plan import THERAPY_SOURCES, Column, FeaturePlan, ScorePlan
from pipeline.features.scores import BY_NAME, SCORES, Score, inputs_of, unit_factor
from pipeline.features.therapy import TherapyFacts

_TRENDS: dict[str | None, Literal[-1, 0, 1]] = {"up": 1, "down": -1, None: 0}


def plan_features(
    cohort: pd.DataFrame, dictionary: Dictionary, config: Config, facts: TherapyFacts | None
) -> FeaturePlan:
    """Decide the columns of the model matrix.

    Parameters
    ----------
    cohort : DataFrame
        The canonical cohort; only what is present and varies becomes a column. Outcomes are
        not looked at.
    dictionary : Dictionary
        Restricted to the cohort, with categorical levels made explicit.
    config : Config
        Its ``predictors``, ``outcomes`` and ``therapy_prior``.
    facts : TherapyFacts or None
        Given where the config names a therapy prior.

    Raises
    ------
    InputError
        Where a named predictor, or the variable of therapy or disease, is unknown, is not a
        baseline variable, or is an outcome; and where a therapy of the cohort is not in the
        table of therapies, or has no rate there while others have one.
    """
    _refuse_outcomes_as_baseline(dictionary, config.outcomes)
    prior = config.therapy_prior
    therapy = prior.therapy if prior else None
    _refuse_named_in_error(dictionary, config)
    left_out: dict[str, str] = {}
    variables, columns, labels = [], [], {}
    for variable in dictionary:
        if variable.name == therapy or variable.role in ("id", "outcome"):
            continue
        if facts is not None and variable.name in THERAPY_SOURCES:
            left_out[variable.name] = "the table of therapies gives what goes by this name"
            continue
        reason = _why_not(variable, cohort[variable.name], config.predictors)
        if reason:
            left_out[variable.name] = reason
            continue
        variables.append(variable)
        labels[variable.name] = variable.label
        columns += _columns_of(variable, cohort[variable.name])
    scores = _scores(dictionary, cohort, config, left_out)
    columns += [_score_column(BY_NAME[s.name]) for s in scores]
    labels |= {s.name: BY_NAME[s.name].label for s in scores}
    used = {v.name for v in variables}
    # A score may read a baseline variable that is itself excluded as a predictor.
    variables += [
        dictionary[name]
        for name in dict.fromkeys(n for s in scores for n in s.variables)
        if name not in used
    ]
    disease = None
    if prior is not None and facts is not None and therapy is not None:
        disease = prior.disease if prior.disease in dictionary else None
        found = _therapy_columns(cohort, dictionary, therapy, facts, config)
        for name in (therapy, disease):
            _refuse_later_knowledge(name, dictionary, config)
        _refuse_some_without_rates(cohort, therapy, disease, facts, config)
        columns += found
        labels |= {c.source: THERAPY_SOURCES[c.source] for c in found}
    if not columns:
        raise InputError(
            "no baseline predictor is left",
            file=config.file,
            column="predictors",
            mend="include baseline variables that are present and vary in the cohort",
        )
    return FeaturePlan(
        variables=variables,
        scores=scores,
        columns=columns,
        labels=labels,
        therapy=therapy,
        disease=disease,
        facts=facts,
        grades=[
            o.at_least if prior and o.column == prior.outcome else None
            for o in config.outcomes.values()
        ],
        left_out=left_out,
    )


def _refuse_outcomes_as_baseline(dictionary: Dictionary, outcomes: dict[str, Outcome]) -> None:
    for outcome in outcomes.values():
        if dictionary[outcome.column].role != "outcome":
            raise InputError(
                "is predicted, but the dictionary does not call it an outcome",
                file=dictionary.file,
                column=outcome.column,
                expected="role: outcome and timing: post",
                mend="correct the dictionary's entry",
            )


def _refuse_named_in_error(dictionary: Dictionary, config: Config) -> None:
    """Refuse names under ``predictors`` that are unknown, or may not be predictors."""
    chosen = config.predictors
    for key, names in (("include", chosen.include), ("exclude", chosen.exclude)):
        for name in names if isinstance(names, list) else []:
            if key == "include" and name in BY_NAME and name not in dictionary:
                raise InputError(
                    f"'{name}' is a score, not a variable",
                    file=config.file,
                    column="predictors.include",
                    mend="name it under predictors.scores",
                )
            if name not in dictionary and name not in BY_NAME:
                known = [*dictionary.names(), *(BY_NAME if key == "exclude" else ())]
                raise InputError(
                    f"'{name}' is not in the cohort{did_you_mean(name, known)}",
                    file=config.file,
                    column=f"predictors.{key}",
                    mend="correct the name, or ingest the column",
                )
            if key == "include" and name in dictionary:
                variable = dictionary[name]
                if not variable.is_baseline_predictor:
                    raise InputError(
                        f"'{name}' may not be a predictor: its role is {variable.role} and its "
                        f"timing {variable.timing}",
                        file=config.file,
                        column="predictors.include",
                        expected="variables known before infusion",
                        mend="remove the name; a value drawn after infusion leaks the outcome",
                    )


def _why_not(variable: Variable, values: pd.Series, predictors: Predictors) -> str | None:
    if not variable.is_baseline_predictor:
        return "not a baseline predictor by the dictionary"
    if not predictors.admit(variable.name):
        excluded = variable.name in predictors.exclude
        return f"{'excluded' if excluded else 'not included'} by the config"
    if values.notna().sum() == 0:
        return "no value in the cohort"
    if values.nunique() < 2:
        return "the same value throughout the cohort"
    return None


def _columns_of(variable: Variable, values: pd.Series) -> list[Column]:
    if variable.kind == "categorical":
        present = set(values.dropna().unique())
        return [
            Column(name=f"{variable.name}={level}", source=variable.name, level=level)
            for level in variable.levels or []
            if level in present
        ]
    trend = _TRENDS[variable.trend]
    floor = variable.log_floor if variable.scale == "log" else None
    return [Column(name=variable.name, source=variable.name, log_floor=floor, trend=trend)]


def _scores(
    dictionary: Dictionary, cohort: pd.DataFrame, config: Config, left_out: dict[str, str]
) -> list[ScorePlan]:
    chosen = config.predictors.scores
    for name in chosen if isinstance(chosen, list) else []:
        if name not in BY_NAME:
            raise InputError(
                f"'{name}' is not a score{did_you_mean(name, BY_NAME)}",
                file=config.file,
                column="predictors.scores",
                expected="some of " + ", ".join(BY_NAME),
            )
    plans = []
    for score in SCORES:
        if chosen != "all" and score.name not in chosen:
            continue
        if score.name in dictionary and dictionary[score.name].is_baseline_predictor:
            continue  # the cohort brings it, computed elsewhere: one source must not hide another
        if score.name in config.predictors.exclude:
            left_out[score.name] = "excluded by the config"
            continue
        found = inputs_of(score, dictionary)
        if found is None:
            left_out[score.name] = "an input is not in the cohort"
        elif not cohort[list(found.values())].notna().all(axis=1).any():
            left_out[score.name] = "no patient has all its inputs"
        else:
            factors = [unit_factor(name, dictionary[v]) for name, v in found.items()]
            plans.append(
                ScorePlan(name=score.name, variables=list(found.values()), factors=factors)
            )
    return plans


def _score_column(score: Score) -> Column:
    floor = score.floor if score.scale == "log" else None
    return Column(name=score.name, source=score.name, log_floor=floor, trend=_TRENDS[score.trend])


def _refuse_later_knowledge(name: str | None, dictionary: Dictionary, config: Config) -> None:
    """Refuse a therapy or disease that is known only after infusion: the prior would leak."""
    if name is None or dictionary[name].is_baseline_predictor:
        return
    variable = dictionary[name]
    raise InputError(
        f"is named by therapy_prior, but its role is {variable.role} and its timing "
        f"{variable.timing}",
        file=config.file,
        column=name,
        expected="a variable known before infusion",
        mend="name another column under therapy_prior",
    )


def _refuse_some_without_rates(
    cohort: pd.DataFrame,
    therapy: str,
    disease: str | None,
    facts: TherapyFacts,
    config: Config,
) -> None:
    """Refuse a cohort in which some have a prior and some have none: it has no common start."""
    names = facts.names(cohort[therapy].to_numpy(dtype=object))
    diseases = cohort[disease].to_numpy(dtype=object) if disease else None
    grades = [o.at_least for o in _with_prior(config)]
    unknown = np.isnan(facts.prior(names, diseases, grades)[0])
    without = int((unknown & ~unknown.all(axis=0)).any(axis=1).sum())
    if without:
        raise InputError(
            f"{without} patients have a therapy without a published rate, its own or its kind's, "
            "while others have one",
            file=config.file,
            column=therapy,
            expected="rates in therapy_prior.table for every therapy, or for none",
            mend="add a rate to the table (evidence: assumed if it is), leave these patients "
            "out, or set therapy_prior: null",
        )


def _with_prior(config: Config) -> list[Outcome]:
    prior = config.therapy_prior
    return [o for o in config.outcomes.values() if prior and o.column == prior.outcome]


def _therapy_columns(
    cohort: pd.DataFrame,
    dictionary: Dictionary,
    therapy: str,
    facts: TherapyFacts,
    config: Config,
) -> list[Column]:
    if therapy not in dictionary:
        raise InputError(
            "is named by therapy_prior, but the cohort has no such column",
            file=config.file,
            column=therapy,
            mend="map the column in the source, give it under source.constants, or set "
            "therapy_prior: null",
        )
    names = facts.names(cohort[therapy].to_numpy(dtype=object))
    unknown = int(pd.isna(names).sum())
    if unknown:
        raise InputError(
            f"{unknown} patients have a therapy that is missing or not in the table of therapies",
            file=config.file,
            column=therapy,
            expected="a product, brand or alias of therapy_prior.table",
            mend="recode the names, or add the product to the table (its rates may stay empty "
            "where other products of its kind have some)",
        )
    columns = []
    # The product itself lets the model learn what its published rate does not say; the
    # attributes let products of a kind share it.
    for source in THERAPY_SOURCES:
        levels = sorted({str(v) for v in facts.values(names, source)})
        if len(levels) > 1:
            columns += [Column(name=f"{source}={v}", source=source, level=v) for v in levels]
    return columns
