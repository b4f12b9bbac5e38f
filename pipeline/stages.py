"""The stages in order: what each reads, which part of the config it obeys, what it writes.

Functions here only read, call and write; what they call takes data and returns data.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.cohort.dictionary import Dictionary, read_dictionary
from pipeline.config import Config, SyntheticSource, TableSource
from pipeline.runner import Job, Stage, file_digest, package_digest


def ingest(job: Job) -> str:
    """Read or draw the cohort, in canonical units."""
    config = job.config
    dictionary = read_dictionary(config.path(config.dictionary))
    if isinstance(config.source, SyntheticSource):
        from pipeline.ingest.synthetic import draw_cohort

        facts = config.path(config.source.facts)
        cohort, truth, report = draw_cohort(config.source, config.seed, config.outcomes, facts)
        truth.to_parquet(job.out / "truth.parquet", index=False)
    else:
        from pipeline.ingest.tables import read_tables

        cohort, report = read_tables(config, dictionary)
    cohort.to_parquet(job.out / "cohort.parquet", index=False)
    _write(job.out / "dictionary.json", dictionary.restricted_to(cohort).to_json())
    _write(job.out / "ingest.json", report)
    kind = "synthetic " if isinstance(config.source, SyntheticSource) else ""
    return f"{len(cohort):,} {kind}patients, {cohort.shape[1] - 1} variables"


def audit(job: Job) -> str:
    """Look for faults in the cohort before anything is fitted."""
    from pipeline.cohort.audit import audit_cohort

    config = job.config
    found = audit_cohort(
        _cohort(job),
        _dictionary(job),
        config.outcomes,
        config.primary_outcome,
        config.audit,
        _read(job.run / "ingest" / "ingest.json"),
        config.seed,
    )
    _write(job.out / "audit.json", found)
    summary = found["summary"]
    return f"{summary['errors']} errors, {summary['warnings']} warnings, {summary['notes']} notes"


def features(job: Job) -> str:
    """Turn baseline variables and therapies into the model matrix."""
    from pipeline.cohort.therapies import read_therapies
    from pipeline.features.matrix import build_matrix, prior_log_odds, values_of
    from pipeline.features.plan import plan_features
    from pipeline.features.therapy import therapy_facts

    config, cohort = job.config, _cohort(job)
    prior = config.therapy_prior
    facts = therapy_facts(read_therapies(config.path(prior.table)), prior) if prior else None
    plan = plan_features(cohort, _dictionary(job), config, facts)
    values = values_of(cohort, plan)
    matrix = pd.DataFrame(build_matrix(values, plan), columns=[c.name for c in plan.columns])
    matrix.to_parquet(job.out / "matrix.parquet", index=False)
    published, published_sd = prior_log_odds(values, plan)
    pd.DataFrame(
        {f"{name}{what}": table[:, k] for what, table in (("", published), ("_sd", published_sd))
         for k, name in enumerate(config.outcomes)}
    ).to_parquet(job.out / "prior.parquet", index=False)  # fmt: skip
    _write(job.out / "features.json", plan.model_dump(mode="json"))
    from_prior = "with the therapy prior" if facts else "no therapy prior"
    return f"{len(plan.sources)} predictors in {len(plan.columns)} columns, {from_prior}"


def train(job: Job) -> str:
    """Fit and calibrate the risk model on the whole cohort."""
    from pipeline.model.artifact import write_artifact
    from pipeline.model.training import summarise, train_artifact

    config = job.config
    provenance = {
        "run": config.name,
        "seed": config.seed,
        "cohort_sha256": file_digest(job.run / "ingest" / "cohort.parquet"),
        "source_sha256": package_digest(),
    }
    artifact = train_artifact(_cohort(job), _dictionary(job), _plan(job), config, provenance)
    (job.out / "model").mkdir()
    write_artifact(artifact, job.out / "model")
    facts = summarise(artifact)
    _write(job.out / "train.json", facts)
    return "events: " + ", ".join(
        f"{head['outcome']} {head['events']:,}" + ("" if head["fitted"] else " (prior alone)")
        for head in facts["heads"]
    )


def evaluate(job: Job) -> str:
    """Judge the entire procedure by repeated cross-validation."""
    from pipeline.evaluation.evaluate import evaluate as evaluate_risks
    from pipeline.evaluation.procedure import Procedure, out_of_fold_table

    config, cohort, plan = job.config, _cohort(job), _plan(job)
    procedure = Procedure.of(
        cohort, plan, config.outcomes, config.model, config.evaluation.therapy_only_sd
    )
    patients = cohort[_dictionary(job).id_name].to_numpy()
    group = config.evaluation.group
    groups = cohort[group].to_numpy() if group else None
    table = out_of_fold_table(
        procedure, patients, groups, config.evaluation, config.seed, job.progress
    )
    table.to_parquet(job.out / "oof.parquet", index=False)
    truth = job.run / "ingest" / "truth.parquet"
    therapy = procedure.therapies
    found = evaluate_risks(
        table,
        None if therapy is None else pd.Series(therapy, index=patients),
        None if groups is None else pd.Series(groups, index=patients),
        config.evaluation,
        config.seed,
        pd.read_parquet(truth) if truth.exists() else None,
    )
    _write(job.out / "evaluation.json", found)
    primary = found["outcomes"][config.primary_outcome]["models"]["model"]
    auroc = primary["auroc_within_therapy" if therapy is not None else "auroc"]
    slope = primary["calibration_slope"]
    return (
        f"{config.primary_outcome}: {'within-therapy ' if therapy is not None else ''}"
        f"AUROC {_interval(auroc)}, calibration slope {_interval(slope)}"
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
    found = explain_risks(_artifact(job), _cohort(job), settings.rows, config.seed)
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
    _write(job.out / "explanation.json", facts)
    if not facts["outcomes"][primary]["varies"]:
        return f"{primary}: every patient has the same risk, so nothing is to explain"
    first = importance[importance["outcome"] == primary].head(3)["label"]
    return f"{primary} is moved most by: {'; '.join(first)}"


def register(job: Job) -> str:
    """Log the run to MLflow, register the model, and move the aliases that the gate allows."""
    from pipeline.registry.entry import flat_metrics, flat_params, tags
    from pipeline.registry.register import Entry
    from pipeline.registry.register import register as register_model

    config, package = job.config, Path(__file__).parent
    card, explained = job.run / "card", job.run / "explain"
    gate = _read(card / "gate.json")
    store = config.path(config.registry.store)
    uri = _registry_address(config)
    synthetic = (job.run / "ingest" / "truth.parquet").exists()
    pictures = [
        explained / picture["file"]
        for picture in _read(explained / "explanation.json")["pictures"]
        # Pictures of single patients leave the run folder only where nobody is real.
        if synthetic or not picture["patient_level"]
    ]
    artifact = _artifact(job)
    entry = Entry(
        run_name=config.name,
        model_name=config.registry.model_name,
        experiment=config.registry.experiment,
        params=flat_params(_read(card / "config.json")),
        metrics=flat_metrics(_read(job.run / "evaluate" / "evaluation.json")),
        tags=tags(
            artifact.facts["provenance"] | {"config_sha256": file_digest(card / "config.json")},
            gate,
        ),
        files={
            "card": [card / f"model_card.{kind}" for kind in ("html", "md", "json")],
            "explain": [*pictures, explained / "explanation.json"],
            "evaluate": [job.run / "evaluate" / "evaluation.json"],
            "audit": [job.run / "audit" / "audit.json"],
        },
        model_folder=job.run / "train" / "model",
        entry_point=package / "serving" / "pyfunc.py",
        package=package,
        description=(card / "model_card.md").read_text(encoding="utf-8"),
        champion=gate["passed"],
    )
    found = register_model(entry, artifact, uri, store.parent / "mlartifacts")
    _write(job.out / "register.json", found | {"gate": gate})
    aliases = " and ".join(found["aliases"])
    return f"{found['model_name']} version {found['version']} is {aliases}. {gate['verdict']}"


def _interval(figure: dict[str, Any]) -> str:
    if figure["estimate"] is None:
        return "not assessed"
    if figure["low"] is None:
        return f"{figure['estimate']:.2f}"
    return f"{figure['estimate']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"


def _cohort(job: Job) -> pd.DataFrame:
    return pd.read_parquet(job.run / "ingest" / "cohort.parquet")


def _dictionary(job: Job) -> Dictionary:
    return Dictionary.from_json(_read(job.run / "ingest" / "dictionary.json"))


def _artifact(job: Job) -> Any:
    from pipeline.model.artifact import read_artifact

    return read_artifact(job.run / "train" / "model")


def _plan(job: Job) -> Any:
    from pipeline.features.plan import FeaturePlan

    return FeaturePlan.model_validate(_read(job.run / "features" / "features.json"))


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _write(path: Path, content: Any) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _source_files(config: Config) -> list[Path]:
    dictionary = config.path(config.dictionary)
    if isinstance(config.source, TableSource):
        from pipeline.ingest.tables import input_files

        return [dictionary, *input_files(config)]
    return [dictionary, *sorted(config.path(config.source.facts).glob("*.csv"))]


def _registry_address(config: Config) -> str:
    from pipeline.registry.address import tracking_uri

    return tracking_uri(config.path(config.registry.store))


def _registry_stands(config: Config) -> bool:
    local = _registry_address(config).removeprefix("sqlite:///")
    return "://" in local or Path(local).is_file()


STAGES = (
    Stage("ingest", "Read or draw the cohort, in canonical units.", (),
          ("seed", "dictionary", "source", "window", "outcomes", "primary_outcome"),
          ingest, files=_source_files),
    Stage("audit", "Look for faults in the cohort.", ("ingest",),
          ("seed", "outcomes", "primary_outcome", "audit"), audit),
    Stage("features", "Build the model matrix and the therapy prior.", ("ingest",),
          ("outcomes", "predictors", "therapy_prior"), features,
          files=lambda c: [c.path(c.therapy_prior.table)] if c.therapy_prior else []),
    Stage("train", "Fit and calibrate the risk model.", ("ingest", "features"),
          ("seed", "outcomes", "primary_outcome", "model", "scoring"), train),
    Stage("evaluate", "Judge the procedure by repeated cross-validation.",
          ("ingest", "features"),
          ("seed", "outcomes", "primary_outcome", "model", "evaluation"), evaluate),
    Stage("explain", "Say what moves the risks, in tables and pictures.", ("ingest", "train"),
          ("seed", "primary_outcome", "evaluation", "explanation"), explain),
    Stage("register", "Register the model in MLflow; the gate decides on champion.",
          ("ingest", "audit", "train", "evaluate", "explain", "card"),
          ("registry",), register, outside=_registry_address, stands=_registry_stands),
)  # fmt: skip
