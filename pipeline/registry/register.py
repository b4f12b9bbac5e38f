"""Log a run to MLflow, register its model, and move the aliases that the gate allows."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.model.artifact import Artifact
from pipeline.model.example import example_record
from pipeline.registry.champion import make_champion, set_alias
from pipeline.registry.client import mlflow_at
from pipeline.registry.incumbent import CHAMPION, why_champion_stays

CHALLENGER = "challenger"

# What loading and scoring import; nothing of training.
_REQUIREMENTS = ("mlflow", "lightgbm", "numpy", "pandas", "pydantic", "pyyaml")


@dataclass(frozen=True)
class Entry:
    """What goes into the registry.

    Attributes
    ----------
    run_name, model_name, experiment : str
    params : dict
        Settings of the run, flat.
    metrics : dict
        Figures, flat; only aggregates.
    tags : dict
        Digests, the gate's verdict with its reasons, and what `incumbent` compares.
    files : dict of str to list of Path
        Folder in MLflow to files: pictures and the JSON that the card is made of.
    model_folder : Path
        As ``write_artifact`` wrote it.
    entry_point, package : Path
        The module that MLflow runs to serve the model, and the package it needs.
    description : str
        Markdown shown with the version until its card is attached.
    champion : bool
        Whether it is to be champion; an incumbent may still stand in the way.
    """

    run_name: str
    model_name: str
    experiment: str
    params: dict[str, Any]
    metrics: dict[str, float]
    tags: dict[str, str]
    files: dict[str, list[Path]]
    model_folder: Path
    entry_point: Path
    package: Path
    description: str
    champion: bool


def register(entry: Entry, artifact: Artifact, uri: str, artifacts_folder: Path) -> dict[str, Any]:
    """Log the run and register the model.

    Parameters
    ----------
    entry : Entry
    artifact : Artifact
        The same model, for its signature.
    uri : str
        Of the tracking store.
    artifacts_folder : Path
        Where a local store keeps files; a remote one decides for itself.

    Returns
    -------
    dict
        Model name, version, aliases and MLflow run, as recorded in ``register.json``;
        ``champion_stays`` says in a sentence why an incumbent was not displaced, or is None.

    Raises
    ------
    InputError
        Where MLflow cannot use the store.
    """
    with mlflow_at(uri):
        import mlflow
        from mlflow import MlflowClient

        client = MlflowClient()
        experiment = _experiment(client, entry.experiment, uri, artifacts_folder)
        with mlflow.start_run(experiment_id=experiment, run_name=entry.run_name) as run:
            mlflow.log_params(entry.params)
            mlflow.log_metrics(entry.metrics)
            mlflow.set_tags(entry.tags)
            for folder, files in entry.files.items():
                for file in files:
                    mlflow.log_artifact(str(file), folder)
            logged = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(entry.entry_point),
                artifacts={"model": str(entry.model_folder)},
                code_paths=[str(entry.package)],
                signature=_signature(artifact),
                input_example=example_record(artifact),
                pip_requirements=[f"{name}=={version(name)}" for name in _REQUIREMENTS],
                registered_model_name=entry.model_name,
                metadata={"research_use_only": True},
            )
        found = str(logged.registered_model_version)
        client.update_model_version(entry.model_name, found, entry.description)
        for key, value in entry.tags.items():
            client.set_model_version_tag(entry.model_name, found, key, value)
        stays = why_champion_stays(client, entry.model_name, entry.tags) if entry.champion else None
        aliases = [CHALLENGER, CHAMPION] if entry.champion and not stays else [CHALLENGER]
        set_alias(client, entry.model_name, CHALLENGER, found)
        if CHAMPION in aliases:
            make_champion(client, entry.model_name, found)
    return {
        "model_name": entry.model_name,
        "version": found,
        "aliases": aliases,
        "mlflow_run": run.info.run_id,
        "address": f"models:/{entry.model_name}@{aliases[-1]}",
        "champion_stays": stays,
    }


def _experiment(client: Any, name: str, uri: str, artifacts_folder: Path) -> str:
    existing = client.get_experiment_by_name(name)
    if existing is not None:
        return str(existing.experiment_id)
    # A server says itself where artifacts go. A database alone would have MLflow put them into
    # the folder that the command happened to be called from.
    served = uri.startswith(("http:", "https:"))
    location = None if served else artifacts_folder.resolve().as_uri()
    return str(client.create_experiment(name, artifact_location=location))


def _signature(artifact: Artifact) -> Any:
    """Columns in and out.

    Inputs are of any type and optional: MLflow's own type check prints the rows it refuses,
    which are health data, and refuses what is harmless (0/1 as true/false). The scorer checks
    instead, and names columns and counts only.
    """
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, Schema

    inputs = [ColSpec(AnyType(), v.name, required=False) for v in artifact.dictionary]
    outputs = [
        ColSpec("double", f"{what}_{outcome}{limit}")
        for outcome in artifact.model.outcomes
        for what, limit in (("risk", ""), ("risk", "_low"), ("risk", "_high"), ("prior", ""))
    ]
    outputs += [ColSpec("string", name) for name in ("status", "notes", "reasons")]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))
