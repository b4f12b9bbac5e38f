"""What the registry recorded of a version and of the one registered before it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.registry.client import mlflow_at

# Where `register` is told to put what is read again here.
EVALUATION, FEATURES = "evaluate/evaluation.json", "features/features.json"

Snapshot = dict[str, Any]


def latest_two(uri: str, model_name: str, version: str) -> tuple[Snapshot, Snapshot | None]:
    """Read a version, and the one registered last before it under the same name.

    Parameters
    ----------
    uri : str
        Of the tracking store.
    model_name, version : str
        A registered version.

    Returns
    -------
    tuple of dict
        Each with ``version``, ``tags``, ``params`` (the run's settings, flat), ``evaluation``
        and ``features`` (the run's JSON files; None where the registry no longer has them).
        The second is None where the version is the first of its name.

    Raises
    ------
    InputError
        Where MLflow cannot use the store.
    """
    with mlflow_at(uri):
        from mlflow import MlflowClient

        client = MlflowClient()
        found = client.search_model_versions(f"name='{model_name}'")
        earlier = [int(one.version) for one in found if int(one.version) < int(version)]
        return (
            _snapshot(client, model_name, version),
            _snapshot(client, model_name, str(max(earlier))) if earlier else None,
        )


def _snapshot(client: Any, model_name: str, version: str) -> Snapshot:
    registered = client.get_model_version(model_name, version)
    run = client.get_run(registered.run_id)
    return {
        "version": str(registered.version),
        "tags": dict(registered.tags),
        "params": dict(run.data.params),
        "evaluation": _read(client, registered.run_id, EVALUATION),
        "features": _read(client, registered.run_id, FEATURES),
    }


def _read(client: Any, run_id: str, path: str) -> Any:
    from tempfile import TemporaryDirectory

    from mlflow.exceptions import MlflowException

    with TemporaryDirectory() as folder:
        try:
            file = Path(client.download_artifacts(run_id, path, folder))
            return json.loads(file.read_text(encoding="utf-8"))
        # Artifacts may have been cleared away, or moved with the folder that held them.
        except (MlflowException, OSError, ValueError):
            return None
