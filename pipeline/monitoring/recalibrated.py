"""A recalibrated model judged at its site, and registered with its descent and its card.

The whole procedure, closed test included, is repeated in every fold: the figures at the site
are those of risks that the patient's own outcome did not shape.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
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
from pipeline.model.artifact import Artifact, read_artifact, write_artifact
from pipeline.monitoring.closed_test import Site
from pipeline.monitoring.observations import Observations
from pipeline.monitoring.updating import Recalibrated, recalibrate
from pipeline.registry.attach import attach_card
from pipeline.registry.champion import find_version, model_digest, version_of_model
from pipeline.registry.client import mlflow_at
from pipeline.registry.entry import flat_metrics, tags
from pipeline.registry.incumbent import COHORT_KIND, comparable_tags
from pipeline.registry.register import Entry, register
from pipeline.runner import file_digest
from pipeline.serving.http.source import card_of

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
        raise InputError(
            "too few patients with a risk and known outcomes",
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


def register_recalibrated(
    model: str,
    found: Recalibrated,
    facts: Facts,
    cohort: Path,
    config: Config,
    uri: str,
    output: Path,
) -> Facts:
    """Write the recalibrated model and its card, and register it as its parent's child.

    It becomes challenger only, whatever the gate says: one site's patients do not decide whom the
    champion's alias serves everywhere. That is for ``promote``.
    """
    from pipeline.monitoring.site_card import site_facts, to_html, to_markdown

    package, name = Path(__file__).parents[1], config.registry.model_name
    before = found.artifact.facts["provenance"]
    parent = _parent(model, name, uri)
    parent[COHORT_KIND] = parent[COHORT_KIND] or before.get(COHORT_KIND)
    kinds = {o: s["kind"] for s in found.steps for o in s["outcomes"]}
    descent = {
        **{f"parent_{key}": value for key, value in parent.items() if value is not None},
        "site_sha256": file_digest(cohort),
        # A table that somebody gives counts as real patients.
        "site_cohort_kind": "table",
        "update": json.dumps(kinds),
    }
    facts |= {"parent": parent, "site_sha256": descent["site_sha256"]}
    facts["updates"] = {
        h.outcome: {
            "kind": h.update.kind,
            "alpha": h.update.alpha,
            "rate_weight": h.update.rate_weight,
            "deviation_weight": h.update.deviation_weight,
            "label": found.artifact.facts["labels"][h.outcome],
        }
        for h in found.artifact.model.heads
    }
    # What is said of a grandparent is not said of the parent.
    provenance = {k: v for k, v in before.items() if not k.startswith("parent_")} | descent
    artifact = replace(found.artifact, facts=found.artifact.facts | {"provenance": provenance})
    folder = output / "model"
    _emptied(folder)
    write_artifact(artifact, folder)
    (output / "recalibration.json").write_text(
        json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8"
    )
    # What findings mean was learned from the parent's patients: the site's make it no other kind.
    kind = parent[COHORT_KIND] or "unknown"
    entry = Entry(
        run_name=f"{config.name} recalibrated",
        model_name=name,
        experiment=config.registry.experiment,
        params={f"update.{k}": v for k, v in kinds.items()},
        metrics=flat_metrics(facts["evaluation"]),
        tags=tags(provenance | {"model_sha256": model_digest(folder)}, facts["gate"])
        | comparable_tags(config.outcomes, kind),
        files={"recalibration": [output / "recalibration.json"]},
        model_folder=folder,
        entry_point=package / "serving" / "pyfunc.py",
        package=package,
        description="Research use only. The model card of this version is yet to be attached.",
        champion=False,
    )
    store = config.path(config.registry.store)
    registered = register(entry, read_artifact(folder), uri, store.parent / "mlartifacts")
    facts["registered"] = registered
    site = site_facts(
        facts, config.card.title, config.primary_outcome, config.evaluation.minimum_cell
    )
    html, markdown = output / "model_card.html", output / "model_card.md"
    html.write_text(to_html(site, _parents_card(model, parent, uri)), encoding="utf-8")
    text = to_markdown(site)
    markdown.write_text(text, encoding="utf-8")
    attach_card(uri, registered, [html, markdown], text)
    return registered


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


def _parent(model: str, name: str, uri: str) -> dict[str, Any]:
    """Which version the model descends from, as far as the registry knows."""
    with mlflow_at(uri):
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        client = MlflowClient()
        if model.startswith("models:/"):
            found = find_version(client, name, model)
            digest = found.tags.get("model_sha256")
        else:
            digest = model_digest(Path(model))
            try:
                found = version_of_model(client, name, digest)
            except MlflowException:
                found = None
        return {
            "version": None if found is None else str(found.version),
            "run": None if found is None else found.run_id,
            "sha256": digest,
            "cohort_kind": None if found is None else found.tags.get(COHORT_KIND),
        }


def _parents_card(model: str, parent: dict[str, Any], uri: str) -> str | None:
    """The parent's own card as HTML, from the registry or beside its folder."""
    if parent["run"] is None:
        beside = card_of(Path(model))
        return None if beside is None else beside.read_text(encoding="utf-8")
    with mlflow_at(uri), TemporaryDirectory() as folder:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            path = MlflowClient().download_artifacts(parent["run"], "card/model_card.html", folder)
            return Path(path).read_text(encoding="utf-8")
        except (MlflowException, OSError):
            return None


def _emptied(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
