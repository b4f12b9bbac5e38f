"""MLflow, imported late, kept silent, pointed at one store, and left as it was found."""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from pipeline.errors import InputError

# mlflow.set_tracking_uri also sets these, so that what runs later in the process would take
# this store for one that the user chose.
_ADDRESSES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")


@contextmanager
def mlflow_at(uri: str) -> Iterator[None]:
    """Use MLflow with a store: no telemetry, no pickle, nothing printed.

    Raises
    ------
    InputError
        Where MLflow cannot use the store, or refuses what it is asked; the message names the
        address without what may be a password.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # A server that does not answer is asked for 15 seconds, not for minutes of silence.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    found = {name: os.environ.get(name) for name in _ADDRESSES}
    with _silence():
        import mlflow
        from mlflow.exceptions import MlflowException

        try:
            mlflow.set_tracking_uri(uri)
            mlflow.set_registry_uri(uri)
            yield
        except MlflowException as error:
            raise InputError(
                f"MLflow's store at {_without_password(uri)} cannot be used ({error.error_code})",
                expected="a database or a server that MLflow can reach",
                mend="correct MLFLOW_TRACKING_URI, or unset it to use registry.store of the config",
            ) from error
        finally:
            mlflow.set_tracking_uri(None)
            mlflow.set_registry_uri("")
            for name, value in found.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


@contextmanager
def _silence() -> Iterator[None]:
    """Keep MLflow's chatter (migrations, hints, progress bars) out of the run's output."""
    unheard = io.StringIO()
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(unheard), redirect_stderr(unheard):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _without_password(uri: str) -> str:
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if rest else uri
