"""Who is champion: the alias is moved here, and its way back is recorded."""

from __future__ import annotations

import random
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.registry.client import mlflow_at
from pipeline.registry.incumbent import CHAMPION
from pipeline.runner import file_digest

# On a version: which ones were champion before it, one for each time that it became champion.
_BEFORE = "champion_before"
_ATTEMPTS = 5


def make_champion(client: Any, model_name: str, version: str) -> str | None:
    """Move the champion's alias to a version, and return the version that held it.

    The version remembers its predecessor each time, so that `roll_back` can go back step by step.
    """
    before = client.get_registered_model(model_name).aliases.get(CHAMPION)
    before = None if before is None else str(before)
    if before is not None and before != version:
        earlier = _predecessors(client.get_model_version(model_name, version))
        client.set_model_version_tag(model_name, version, _BEFORE, ",".join([*earlier, before]))
    set_alias(client, model_name, CHAMPION, version)
    return before


def champion_before(version: Any) -> str | None:
    """Which version gave way to this one, the last time that it became champion."""
    return next(reversed(_predecessors(version)), None)


def _predecessors(version: Any) -> list[str]:
    return [number for number in version.tags.get(_BEFORE, "").split(",") if number]


def set_alias(client: Any, model_name: str, alias: str, version: str) -> None:
    """Move an alias, again where another process moved it at the same moment.

    MLflow reads the alias and then inserts it: of two processes that find none, a database
    refuses the second.
    """
    from mlflow.exceptions import MlflowException

    for left in reversed(range(_ATTEMPTS)):
        try:
            client.set_registered_model_alias(model_name, alias, version)
            return
        except MlflowException:
            if not left:
                raise
            time.sleep(random.uniform(0.05, 0.5))


def roll_back(uri: str, model_name: str) -> str:
    """Give the champion's alias back to the version that held it before.

    Returns
    -------
    str
        A sentence on what was done.

    Raises
    ------
    InputError
        Where there is no champion, or none before it.
    """
    with mlflow_at(uri):
        from mlflow import MlflowClient

        client = MlflowClient()
        now = champion_of(client, model_name)
        if now is None:
            raise InputError(
                f"there is no champion of {model_name} yet, and none before it to go back to",
                expected="a champion that displaced another",
            )
        before = champion_before(now)
        if before is None:
            raise InputError(
                f"version {now.version} of {model_name} is champion, and none was before it",
                expected="a champion that displaced another",
                mend="name a version: python -m pipeline promote --challenger VERSION",
            )
        find_version(client, model_name, before)
        set_alias(client, model_name, CHAMPION, before)
        client.set_model_version_tag(
            model_name, str(now.version), _BEFORE, ",".join(_predecessors(now)[:-1])
        )
    return f"{model_name} version {before} is champion again, in place of version {now.version}."


def find_version(client: Any, model_name: str, wanted: str) -> Any:
    """Find a version by number, by ``@alias``, or by an address such as ``models:/name@alias``.

    Raises
    ------
    InputError
        Where there is none; the message says which there are.
    """
    from mlflow.exceptions import MlflowException

    short = wanted.removeprefix(f"models:/{model_name}").lstrip("/")
    try:
        if short.startswith("@"):
            return client.get_model_version_by_alias(model_name, short[1:])
        return client.get_model_version(model_name, short)
    except MlflowException:
        found = client.search_model_versions(f"name='{model_name}'")
        known = ", ".join(sorted((str(v.version) for v in found), key=int))
        if not known:
            raise InputError(
                f"no version of {model_name} is registered",
                mend="run 'make run' first, or set registry.model_name and registry.store in the "
                "config",
            ) from None
        if short == f"@{CHAMPION}":
            raise InputError(
                f"there is no champion of {model_name} yet",
                expected="a version that passed its gate: a run's first one becomes champion",
                mend=f"name a version by its number ({known})",
            ) from None
        raise InputError(
            f"{model_name} has no version '{wanted}'",
            expected=f"one of its versions ({known}), @champion or @challenger",
            mend="correct it, or set registry.model_name and registry.store in the config",
        ) from None


def champion_of(client: Any, model_name: str) -> Any | None:
    """The version that is champion, or None."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(model_name, CHAMPION)
    except MlflowException:
        return None


def model_digest(folder: Path) -> str:
    """SHA-256 over a model folder's files, as versions are tagged with."""
    digests = "".join(file_digest(path) for path in sorted(folder.iterdir()))
    return sha256(digests.encode()).hexdigest()


def version_of_model(client: Any, model_name: str, digest: str) -> Any | None:
    """The latest version whose model has this digest, or None."""
    found = [
        v for v in client.search_model_versions(f"name='{model_name}'")
        if v.tags.get("model_sha256") == digest
    ]  # fmt: skip
    return max(found, key=lambda v: int(v.version)) if found else None
