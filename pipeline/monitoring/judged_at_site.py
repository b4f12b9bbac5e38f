"""A recalibration judged at its site: cross-validated, audited, held against the gate.

The whole procedure, closed test included, is repeated in every fold: the figures at the site
are those of risks that the patient's own outcome did not shape.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.cohort.audit import audit_cohort
from pipeline.cohort.dictionary import read_dictionary
from pipeline.cohort.sample_size import candidate_variables
from pipeline.config import Config
from pipeline.errors import InputError
from pipeline.evaluation.comparators import therapy_only
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.gate import judge
from pipeline.evaluation.oof import oof_frame
from pipeline.evaluation.resampling import assign_folds, outcome_strata
from pipeline.features.matrix import prior_log_odds
from pipeline.model.artifact import Artifact
from pipeline.monitoring.closed_test import Site
from pipeline.monitoring.observations import Observations
from pipeline.monitoring.soundness import without_risk
from pipeline.monitoring.updating import recalibrate

Facts = dict[str, Any]


def judge_at_site(
    artifact: Artifact, frame: pd.DataFrame, seen: Observations, config: Config, file: Path
) -> Facts:
    """Cross-validate the recalibration at the site, audit its patients, apply the gate.

    Returns
    -------
    dict
        ``evaluation`` (see ``evaluation.evaluate``, with the model as it was under ``before``),
        ``audit`` and ``gate``.
    """
    before, abstains = seen.score(artifact)
    rows = np.flatnonzero(~abstains & ~np.isnan(seen.observed).any(axis=1))
    few = 2 * config.updating.folds
    if len(rows) < few:
        why = without_risk(seen, artifact)
        raise InputError(
            "too few patients with a risk and known outcomes" + (f" ({why})" if why else ""),
            file=file,
            expected=f"at least {few}, to judge what was recalibrated",
        )
    known = seen.part(rows)
    Y, outcomes = known.observed, artifact.model.outcomes
    count, repeats = config.updating.folds, config.evaluation.repeats
    folds = assign_folds(outcome_strata(Y, count), count, repeats, config.seed)
    sites = known.sites(artifact, np.ones(len(rows), dtype=bool))
    prior, _ = prior_log_odds(known.values, artifact.plan)
    therapy = _therapies(known, artifact)
    shape = (len(folds), len(rows), len(outcomes))
    after, alone = np.empty(shape), np.empty(shape)
    for repeat, assigned in enumerate(folds):
        for fold in np.unique(assigned):
            test = assigned == fold
            others = {name: _part(site, ~test) for name, site in sites.items()}
            found = recalibrate(artifact, others, config.updating).artifact
            after[repeat, test] = known.part(np.flatnonzero(test)).score(found)[0]
            for k in range(len(outcomes)):
                alone[repeat, test, k] = therapy_only(
                    Y[~test, k], prior[~test, k], therapy[~test], prior[test, k], therapy[test],
                    config.evaluation.therapy_only_sd,
                )  # fmt: skip
    table = oof_frame(
        np.arange(len(rows)),
        folds,
        {name: Y[:, k] for k, name in enumerate(outcomes)},
        {
            "model": after,
            "before": np.tile(before[rows], (len(folds), 1, 1)),
            "therapy_only": alone,
        },
    )
    strata = pd.Series(therapy) if artifact.plan.facts is not None else None
    evaluation = evaluate(table, strata, None, config.evaluation, config.seed)
    audit = _audited(frame, config, file)
    unfitted = {h.outcome: h.why_not_fitted for h in artifact.model.heads if h.why_not_fitted}
    gate = judge(config.registry.gate, evaluation, audit, config.primary_outcome, unfitted)
    return {"evaluation": evaluation, "audit": audit, "gate": gate}


def _part(site: Site, rows: np.ndarray) -> Site:
    return Site(site.y[rows], site.rate[rows], site.deviation[rows], site.rows[rows])


def _therapies(seen: Observations, artifact: Artifact) -> np.ndarray:
    plan = artifact.plan
    if plan.facts is None or plan.therapy is None:
        return np.full(len(seen), None, dtype=object)
    return plan.facts.names(seen.values[plan.therapy])


def _audited(frame: pd.DataFrame, config: Config, file: Path) -> Facts:
    dictionary = read_dictionary(config.path(config.dictionary))
    known = frame[[c for c in frame.columns if c in dictionary]].copy()
    for column in known:
        variable = dictionary[str(column)]
        if variable.kind in ("numeric", "binary"):
            known[column] = pd.to_numeric(known[column], errors="coerce").astype(float)
        else:
            known[column] = known[column].astype("str").where(known[column].notna())
    if dictionary.id_name not in known:
        known.insert(0, dictionary.id_name, [f"row {i}" for i in range(1, len(known) + 1)])
    known = known.dropna(subset=[o.column for o in config.outcomes.values()])
    restricted, prior = dictionary.restricted_to(known), config.therapy_prior
    found: Facts = audit_cohort(
        known.reset_index(drop=True), restricted, config.outcomes,
        config.primary_outcome, config.audit, {}, config.seed,
        candidate_variables(restricted, config.predictors, prior.therapy if prior else None),
    )  # fmt: skip
    return found
