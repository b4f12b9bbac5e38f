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

    artifact = load(model).artifact
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


def recalibrate_file(model: str, cohort: Path, config: Config, output: Path) -> str:
    """Recalibrate a model on a site's patients, judge it there, and register the new version.

    Nothing is registered where the closed test leaves the model as it is.
    """
    from pipeline.monitoring.recalibrated import judge_at_site, register_recalibrated
    from pipeline.monitoring.updating import recalibrate
    from pipeline.registry.address import tracking_uri

    address = tracking_uri(config.path(config.registry.store))
    artifact = load(model).artifact
    if set(artifact.model.outcomes) != set(config.outcomes):
        raise InputError(
            f"predicts {', '.join(artifact.model.outcomes)}",
            file=model,
            expected=f"{', '.join(config.outcomes)}, the outcomes of {config.file.name}",
            mend="give the --config that the model was trained with",
        )
    frame = read_patients(cohort, config)
    seen = Observations.of(frame, artifact, config.monitoring, cohort)
    _, abstains = seen.score(artifact)
    found = recalibrate(artifact, seen.sites(artifact, ~abstains), config.updating)
    make_folder(output)
    facts: dict[str, Any] = {"model": model, "cohort": cohort.name, "steps": found.steps}
    kinds = "; ".join(
        f"{', '.join(s['outcomes'])}: {s['kind'] if s['tested'] else 'not tested'}"
        for s in found.steps
    )
    if not found.changed:
        write(output / "recalibration.json", json.dumps(facts, indent=1) + "\n")
        least = config.updating.minimum_events
        why = (
            f"the closed test leaves the model as it is ({kinds})"
            if any(step["tested"] for step in found.steps)
            else f"not tested: of no outcome are {least} patients known with it, and {least} "
            "without, as the closed test needs; that does not say that the model is right here"
        )
        return f"No update: {why}; nothing was registered. Read {output / 'recalibration.json'}"
    judged = judge_at_site(artifact, frame, seen, config, cohort)
    facts |= judged
    registered = register_recalibrated(model, found, facts, cohort, config, address, output)
    version, gate = registered["version"], judged["gate"]
    verdict = (
        "the gate is passed. The champion stays; to hold this version against it, on patients "
        f"whom neither has seen: python -m pipeline promote --challenger {version} --cohort FILE "
        f"--config {config.file}."
        if gate["passed"]
        else "refused as champion: "
        + " ".join(r["sentence"] for r in gate["reasons"] if not r["passed"])
    )
    return (
        f"Recalibrated ({kinds}): {registered['model_name']} version {version} is "
        f"{' and '.join(registered['aliases'])}; {verdict} Read {output / 'model_card.html'}"
    )


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
    from pipeline.registry.address import tracking_uri
    from pipeline.registry.champion import roll_back as give_back

    store = tracking_uri(config.path(config.registry.store))
    return give_back(store, config.registry.model_name)
