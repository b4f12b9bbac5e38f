"""The finished card of a registered version: beside its run, and as the version's description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.registry.client import mlflow_at

# MLflow keeps a description in a column of this width: SQLite does not mind more, PostgreSQL
# and MySQL refuse it.
DESCRIPTION_LENGTH = 5000

_CUT = "\n\n…"


def attach_card(
    uri: str, registered: Mapping[str, Any], files: Sequence[Path], description: str
) -> None:
    """Attach a card to a version and its run; what an earlier call attached is replaced.

    Parameters
    ----------
    uri : str
        Of the tracking store.
    registered : mapping
        As ``register`` returned it: ``model_name``, ``version`` and ``mlflow_run``.
    files : sequence of Path
        Go to the folder ``card`` of the run.
    description : str
        Markdown shown with the version, cut at the length that every store accepts.

    Raises
    ------
    InputError
        Where MLflow cannot use the store.
    """
    if len(description) > DESCRIPTION_LENGTH:
        description = description[: DESCRIPTION_LENGTH - len(_CUT)] + _CUT
    with mlflow_at(uri):
        from mlflow import MlflowClient

        client = MlflowClient()
        for file in files:
            client.log_artifact(registered["mlflow_run"], str(file), "card")
        client.update_model_version(registered["model_name"], registered["version"], description)
