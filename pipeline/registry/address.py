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
    nothing = InputError(
        f"no model at '{uri}'",
        expected="an address such as models:/crs-risk@champion",
        mend="run 'make run' first, or set MLFLOW_TRACKING_URI to the registry's address",
    )
    # MLflow would make an empty database, which later passes for a registry that stands.
    if not store_stands(store):
        raise nothing
    with mlflow_at(store):
        import mlflow
        from mlflow.exceptions import MlflowException

        try:
            folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
        except (MlflowException, OSError):
            raise nothing from None
    return folder / "artifacts" / "model"
