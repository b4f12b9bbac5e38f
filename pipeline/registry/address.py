"""MLflow addresses: where the store is, and the model folder behind ``models:/name@alias``."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.errors import InputError
from pipeline.registry.client import mlflow_at

DEFAULT_STORE = "models/mlflow.db"

_SQLITE = "sqlite:///"


def tracking_uri(store: Path) -> str:
    """Address of the tracking store: ``MLFLOW_TRACKING_URI`` where set, else SQLite."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}{store.resolve()}"


def store_stands(uri: str) -> bool:
    """Whether a local store's file is there; of any other store it is taken for granted."""
    return not uri.startswith(_SQLITE) or Path(uri.removeprefix(_SQLITE)).is_file()


def check_store(uri: str) -> None:
    """Refuse a local store that is not there: MLflow would make an empty one.

    Raises
    ------
    InputError
    """
    if not store_stands(uri):
        raise InputError(
            "no registry is there",
            file=uri.removeprefix(_SQLITE),
            mend="run 'make run' first, correct registry.store in the config, or set "
            "MLFLOW_TRACKING_URI to the registry's address",
        )


def fetch_model(uri: str, store: str | None = None) -> Path:
    """Bring a registered model here, and return its model folder.

    Parameters
    ----------
    uri : str
        Such as ``models:/crs-risk@champion``.
    store : str, optional
        Of the tracking store; by default the one of a run with default settings.

    Raises
    ------
    InputError
        Where the registry has no such model.
    """
    store = store or tracking_uri(Path(DEFAULT_STORE))
    # MLflow would make an empty database, which later passes for a registry that stands.
    if not store_stands(store):
        raise _no_model(uri)
    with mlflow_at(store):
        import mlflow
        from mlflow.exceptions import MlflowException

        try:
            folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
        except (MlflowException, OSError):
            raise _no_model(uri) from None
    return folder / "artifacts" / "model"


def served_version(uri: str, store: str) -> str:
    """Say which version an address means now, such as ``crs-risk version 3``.

    Raises
    ------
    InputError
        Where the registry has no such model, or is not there.
    """
    return _version(uri, store)[0]


def fetch_served(uri: str, store: str) -> tuple[str, str, str | None]:
    """Download what a service needs of a registered version.

    Returns
    -------
    version : str
        As ``served_version`` says it.
    model : str
        The model folder.
    card : str or None
        The model card as HTML, where the version's run has one.
    """
    # By number: the alias may move while the files come.
    version, address, run = _version(uri, store)
    with mlflow_at(store):
        import mlflow
        from mlflow.exceptions import MlflowException

        try:
            folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=address))
        except (MlflowException, OSError):
            raise _no_model(uri) from None
        try:
            card = mlflow.artifacts.download_artifacts(
                run_id=run, artifact_path="card/model_card.html"
            )
        except (MlflowException, OSError):
            card = None
    return version, str(folder / "artifacts" / "model"), card


def _version(uri: str, store: str) -> tuple[str, str, str | None]:
    """Version in words, its address by number, and the run that made it."""
    name, at, which = uri.removeprefix("models:/").partition("@")
    if not at:
        name, _, which = name.partition("/")
    if not uri.startswith("models:/") or not name or not which or not store_stands(store):
        raise _no_model(uri)
    with mlflow_at(store):
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        client = MlflowClient()
        try:
            found = (
                client.get_model_version_by_alias(name, which)
                if at
                else client.get_model_version(name, which)
            )
        except MlflowException:
            raise _no_model(uri) from None
    return f"{name} version {found.version}", f"models:/{name}/{found.version}", found.run_id


def _no_model(uri: str) -> InputError:
    return InputError(
        f"no model at '{uri}'",
        expected="an address such as models:/crs-risk@champion",
        mend="run 'make run' first, give the --config whose registry.store holds it, or set "
        "MLFLOW_TRACKING_URI to the registry's address",
    )
