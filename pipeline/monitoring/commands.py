"""The commands on a model in use: read, call, write, and say in a line what came of it."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.errors import InputError
from pipeline.monitoring.drift import drifted
from pipeline.monitoring.monitor import monitor
from pipeline.monitoring.observations import Observations
from pipeline.monitoring.tables import read_patients
from pipeline.registry.address import check_store, tracking_uri
from pipeline.serving.scorer import load

# Inputs that drifted, named in the line that a command prints.
_NAMED = 5


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

    artifact = load(model, tracking_uri(config.path(config.registry.store))).artifact
    observations = Observations.of(
        read_patients(cohort, config), artifact, config.monitoring, cohort
    )
    found = monitor(observations, artifact, config.monitoring)
    identity = {
        "model": model,
        "cohort": cohort.name,
        "date": datetime.date.today().isoformat(),
    }
    make_folder(output)
    write(output / "monitor.json", json.dumps(identity | found, indent=1, allow_nan=False) + "\n")
    write(output / "monitor.html", to_html(found, identity))
    return f"{found['verdict']['sentence']} {_moved(found['drift'])}Read {output / 'monitor.html'}"


def _moved(drift: list[dict[str, Any]]) -> str:
    """Which inputs drifted, in a sentence; nothing where none did."""
    marked = [entry for entry in drifted(drift) if entry["kind"] != "risks"]
    labels = list(dict.fromkeys(entry["label"] for entry in marked))
    if not labels:
        return ""
    others = f" and {len(labels) - _NAMED} others" if len(labels) > _NAMED else ""
    return (
        f"{len(labels)} {'input' if len(labels) == 1 else 'inputs'} drifted: "
        f"{', '.join(labels[:_NAMED])}{others}. "
    )


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


def promote_version(
    challenger: str, champion: str, cohort: Path | None, config: Config, output: Path | None
) -> tuple[str, bool]:
    """Compare two versions; move the champion's alias or say why not.

    Returns
    -------
    sentence : str
    refused : bool
        Whether anything speaks against the challenger.
    """
    from pipeline.monitoring.promotion import promote

    patients = (read_patients(cohort, config), cohort) if cohort else None
    sentence, facts = promote(challenger, champion, patients, config)
    if output is not None:
        make_folder(output.parent)
        write(output, json.dumps(facts, indent=1, allow_nan=False) + "\n")
    return sentence, bool(facts["reasons"])


def roll_back(config: Config) -> str:
    """Give the champion's alias back to the version that held it before."""
    from pipeline.registry.champion import roll_back as give_back

    store = tracking_uri(config.path(config.registry.store))
    check_store(store)
    return give_back(store, config.registry.model_name)
