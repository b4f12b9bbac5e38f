"""MLflow addresses: where the store is, and the model folder behind ``models:/name@alias``."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.errors import InputError

DEFAULT_STORE = "models/mlflow.db"


def prepare_environment() -> None:
    """Set what MLflow reads when it is imported: no telemetry, no pickle."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")


def tracking_uri(store: Path) -> str:
    """Address of the tracking store: ``MLFLOW_TRACKING_URI`` where set, else SQLite."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{store.resolve()}"


def fetch_model(uri: str) -> Path:
    """Bring a registered model here, and return its model folder.

    Raises
    ------
    InputError
        Where the registry has no such model.
    """
    prepare_environment()
    import mlflow
    from mlflow.exceptions import MlflowException

    mlflow.set_tracking_uri(tracking_uri(Path(DEFAULT_STORE)))
    try:
        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
    except MlflowException as error:
        raise InputError(
            f"no model at '{uri}' ({error.error_code})",
            expected="an address such as models:/crs-risk@champion",
            mend="run 'make run' first, or set MLFLOW_TRACKING_URI to the registry's address",
        ) from None
    return folder / "artifacts" / "model"
