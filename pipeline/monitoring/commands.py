"""The commands on a model in use: read, call, write, and say in a line what came of it."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.errors import InputError
from pipeline.ingest.files import read_frame
from pipeline.monitoring.monitor import monitor
from pipeline.monitoring.observations import Observations
from pipeline.serving.scorer import load


def monitor_file(model: str, cohort: Path, config: Config, output: Path) -> str:
    """Watch a model on a table of new patients; write ``monitor.json`` and ``monitor.html``.

    Parameters
    ----------
    model : str
        Model folder or MLflow address.
    cohort : Path
        Columns named as in the model's dictionary, in its units, with what is known of the
        outcomes.
    config : Config
        Its ``monitoring``.
    output : Path
        A folder, made where it does not exist.
    """
    from pipeline.monitoring.report import to_html

    artifact = load(model).artifact
    observations = Observations.of(read_frame(cohort), artifact, config.monitoring, cohort)
    found = monitor(observations, artifact, config.monitoring)
    identity = {
        "model": model,
        "cohort": cohort.name,
        "date": datetime.date.today().isoformat(),
    }
    make_folder(output)
    write(output / "monitor.json", json.dumps(identity | found, indent=1, allow_nan=False) + "\n")
    write(output / "monitor.html", to_html(found, identity))
    return f"{found['verdict']['sentence']} Read {output / 'monitor.html'}"


def make_folder(folder: Path) -> None:
    """Make a folder for outputs, or say why it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot be made ({error.strerror})", file=folder, mend="name another --output"
        ) from None


def write(file: Path, text: str) -> None:
    """Write a file whole, or say why it cannot be written."""
    aside: Any = file.with_name(f".{file.name}.new")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(file)
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror})",
            file=file,
            mend="check free space and permissions, or name another --output",
        ) from None
