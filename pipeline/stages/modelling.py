"""From model matrix to judged and explained risks: train, evaluate, explain."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipeline.registry.incumbent import COHORT_KIND
from pipeline.runner import Job, file_digest, package_digest
from pipeline.stages.files import (
    artifact_of,
    cohort_of,
    dictionary_of,
    is_synthetic,
    plan_of,
    read_json,
    write_json,
)

if TYPE_CHECKING:
    from pipeline.cohort.dictionary import Dictionary
    from pipeline.evaluation.procedure import Procedure
    from pipeline.features.plan import FeaturePlan


def train(job: Job) -> str:
    """Fit and calibrate the risk model on the whole cohort."""
    from pipeline.model.artifact import write_artifact
    from pipeline.model.training import summarise, train_artifact

    config = job.config
    ingested = read_json(job.run / "ingest" / "ingest.json")
    provenance = {
        "run": config.name,
        "seed": config.seed,
        COHORT_KIND: "synthetic" if is_synthetic(job) else "table",
        "cohort_sha256": file_digest(job.run / "ingest" / "cohort.parquet"),
        "source_sha256": package_digest(),
    }
    if "files" in ingested:
        provenance["tables_sha256"] = ",".join(file["sha256"] for file in ingested["files"])
    artifact = train_artifact(cohort_of(job), dictionary_of(job), plan_of(job), config, provenance)
    (job.out / "model").mkdir()
    write_artifact(artifact, job.out / "model")
    facts = summarise(artifact)
    write_json(job.out / "train.json", facts)
    line = "events: " + ", ".join(_events(head) for head in facts["heads"])
    if facts["dropped"]:
        line += "\ndropped for a fault: " + ", ".join(d["label"] for d in facts["dropped"])
    return line


def evaluate(job: Job) -> str:
    """Judge the entire procedure by repeated cross-validation."""
    from pipeline.evaluation.clusters import bootstrap_clusters
    from pipeline.evaluation.comparators import comparator_facts
    from pipeline.evaluation.complete_cases import complete_cases
    from pipeline.evaluation.evaluate import evaluate as evaluate_risks
    from pipeline.evaluation.grouping import groupings, therapy_attributes
    from pipeline.evaluation.procedure import out_of_fold_table

    config, cohort, plan, dictionary = job.config, cohort_of(job), plan_of(job), dictionary_of(job)
    procedure = _procedure(job, cohort, plan, dictionary)
    patients = cohort[dictionary.id_name].to_numpy()
    table = out_of_fold_table(
        procedure,
        patients,
        config.evaluation,
        config.seed,
        job.progress,
        job.scratch,
    )
    table.to_parquet(job.out / "oof.parquet", index=False)
    truth = job.run / "ingest" / "truth.parquet"
    therapy = procedure.patients.therapies
    clusters, drawn = bootstrap_clusters(cohort, dictionary, config.evaluation)
    own = procedure.patients.persons
    found = evaluate_risks(
        table,
        None if therapy is None else pd.Series(therapy, index=patients),
        None if clusters is None else pd.Series(clusters, index=patients),
        config.evaluation,
        config.seed,
        pd.read_parquet(truth) if truth.exists() else None,
        groupings(
            cohort,
            dictionary,
            therapy_attributes(plan, therapy),
            config.evaluation.subgroups,
            config.evaluation.minimum_cell,
        ),
        None if own is None else pd.Series(own, index=patients),
    )
    found["definition"]["clusters"] = drawn
    found["comparators"] = comparator_facts(procedure.scores, config.evaluation.minimum_cell)
    among = complete_cases(
        table, procedure.scores, patients, therapy, clusters, config.evaluation, config.seed
    )
    for name, by_outcome in among.items():
        found["comparators"][name]["complete_cases"] = by_outcome
    write_json(job.out / "evaluation.json", found)
    judged = found["outcomes"][config.primary_outcome]
    if "reason" in judged:
        return f"{config.primary_outcome}: not assessed, {judged['reason']}"
    primary = judged["models"]["model"]
    auroc = primary["auroc_within_therapy" if therapy is not None else "auroc"]
    slope = primary["calibration_slope"]
    return (
        f"{config.primary_outcome}: {'within-therapy ' if therapy is not None else ''}"
        f"AUROC {_interval(auroc)}, calibration slope {_interval(slope)}"
    )


def transport(job: Job) -> str:
    """Refit without each site, each therapy and the last years, and judge there."""
    from pipeline.evaluation.clusters import bootstrap_clusters
    from pipeline.evaluation.transport import judge_transport

    config, cohort, dictionary = job.config, cohort_of(job), dictionary_of(job)
    settings = config.transport
    procedure = _procedure(job, cohort, plan_of(job), dictionary)
    therapies = procedure.patients.therapies
    year = _column(cohort, settings.year)
    found = judge_transport(
        procedure,
        _column(cohort, settings.site),
        _column(cohort, settings.therapy) if therapies is None else therapies,
        None if year is None else pd.to_numeric(pd.Series(year), errors="coerce").to_numpy(float),
        config.primary_outcome,
        settings,
        config.evaluation,
        config.seed,
        job.progress,
        job.scratch,
        bootstrap_clusters(cohort, dictionary, config.evaluation)[0],
    )
    write_json(job.out / "transport.json", found)
    if "reason" in found["sites"]:
        return f"sites: {found['sites']['reason']}"
    sites = found["sites"]["outcomes"][config.primary_outcome]
    auroc = sites["summary"]["auroc"]
    line = f"{auroc['units']} sites: {config.primary_outcome} AUROC {_interval(auroc)}"
    if auroc["estimate"] is None:
        return f"{line}, {auroc['reason']}"
    ends = f"{auroc['prediction_low']:.2f} to {auroc['prediction_high']:.2f}"
    return f"{line}, prediction interval {ends}"


def learning(job: Job) -> str:
    """Say whether the cohort is large enough, and what more patients would bring."""
    from pipeline.cohort.sample_size import candidate_parameters, candidate_variables
    from pipeline.evaluation.clusters import bootstrap_clusters
    from pipeline.evaluation.learning_curve import judge_learning

    config, cohort, plan, dictionary = job.config, cohort_of(job), plan_of(job), dictionary_of(job)
    procedure = _procedure(job, cohort, plan, dictionary)
    oof = pd.read_parquet(job.run / "evaluate" / "oof.parquet")
    patients = cohort[dictionary.id_name]
    by_outcome = [oof[oof["outcome"] == name] for name in config.outcomes]

    def wide(rows: pd.DataFrame, column: str) -> np.ndarray:
        keys = pd.MultiIndex.from_product([rows["repeat"].unique(), patients])
        values = rows.set_index(["repeat", "patient_id"])[column].reindex(keys)
        return values.to_numpy().reshape(-1, len(patients))

    clusters, words = bootstrap_clusters(cohort, dictionary, config.evaluation)
    candidates = candidate_variables(dictionary, config.predictors, plan.therapy)
    found = judge_learning(
        procedure,
        wide(by_outcome[0], "fold"),
        np.stack([wide(rows, "model") for rows in by_outcome], axis=2),
        clusters,
        candidate_parameters(cohort, candidates),
        config.learning,
        config.evaluation,
        config.audit,
        config.seed,
        job.progress,
        job.scratch,
    )
    found["definition"]["clusters"] = words
    write_json(job.out / "learning_curve.json", found)
    primary = found["outcomes"][config.primary_outcome]
    if "reason" in primary:
        return f"{config.primary_outcome}: no learning curve, {primary['reason']}"
    last = primary["last_doubling"]
    saved = last["log_loss"]
    return (
        f"{config.primary_outcome}: from {last['from']:,} to {last['to']:,} patients log-loss fell "
        f"by {saved['estimate']:.3f} ({saved['low']:.3f} to {saved['high']:.3f})"
    )


def explain(job: Job) -> str:
    """Say exactly what moves the risks, in tables and pictures."""
    from pipeline.explanation.contributions import example_rows, example_table
    from pipeline.explanation.contributions import explain as explain_risks
    from pipeline.explanation.dependence import grouped_dependence
    from pipeline.explanation.facts import explanation_facts
    from pipeline.explanation.importance import global_importance, leading_sources
    from pipeline.explanation.pictures import draw_pictures

    config, settings, primary = job.config, job.config.explanation, job.config.primary_outcome
    found = explain_risks(artifact_of(job), cohort_of(job), settings.rows, config.seed)
    importance = global_importance(
        found, config.evaluation.bootstrap, config.evaluation.interval_level, config.seed
    )
    leading = leading_sources(importance, primary, settings.leading_variables)
    groups = grouped_dependence(found, primary, leading, config.evaluation.minimum_cell)
    examples = example_rows(found, primary)
    for name, table in (
        ("contributions", found.contribution_table()),
        ("risks", found.risk_table()),
        ("importance", importance),
        ("dependence", groups),
        ("examples", example_table(found, primary, examples)),
    ):
        table.to_parquet(job.out / f"{name}.parquet", index=False)
    pictures = draw_pictures(found, importance, groups, primary, leading, examples, job.progress)
    for picture in pictures:
        (job.out / f"{picture.name}.png").write_bytes(picture.png)
        if picture.svg is not None:
            (job.out / f"{picture.name}.svg").write_bytes(picture.svg)
    facts = explanation_facts(found, importance, leading, examples, primary, pictures)
    write_json(job.out / "explanation.json", facts)
    if not facts["outcomes"][primary]["varies"]:
        return f"{primary}: every patient has the same risk, so nothing is to explain"
    moving = (importance["outcome"] == primary) & (importance["mean_abs"] > 0)
    first = importance.loc[moving, "label"].head(3)
    return f"{primary} is moved most by: {'; '.join(first)}"


def _procedure(
    job: Job, cohort: pd.DataFrame, plan: FeaturePlan, dictionary: Dictionary
) -> Procedure:
    """The procedure, judged within therapy wherever the cohort records one."""
    from pipeline.evaluation.procedure import Procedure
    from pipeline.evaluation.yardstick import with_recorded_therapies

    found = Procedure.of(cohort, dictionary, plan, job.config)
    column = job.config.transport.therapy
    patients = with_recorded_therapies(found.patients, cohort, dictionary, column)
    return replace(found, patients=patients)


def _events(head: dict[str, Any]) -> str:
    from pipeline.model.head import SMALLEST_SHOWN

    count = head["events"]
    shown = f"fewer than {SMALLEST_SHOWN} in a class" if count is None else f"{count:,}"
    return f"{head['outcome']} {shown}" + ("" if head["fitted"] else " (prior alone)")


def _interval(figure: dict[str, Any]) -> str:
    if figure["estimate"] is None:
        return "not assessed"
    if figure["low"] is None:
        return f"{figure['estimate']:.2f}"
    return f"{figure['estimate']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"


def _column(cohort: pd.DataFrame, name: str | None) -> np.ndarray | None:
    """Values of a column that a cohort may lack."""
    if name is None or name not in cohort:
        return None
    return cohort[name].astype(object).where(cohort[name].notna(), None).to_numpy()
