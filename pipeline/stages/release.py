"""What leaves the project: the registered model, and its model card."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.runner import Job, file_digest
from pipeline.stages.files import (
    artifact_of,
    cohort_of,
    dictionary_of,
    is_synthetic,
    read_json,
    write_json,
)

if TYPE_CHECKING:
    from pipeline.registry.register import Entry

_REASONS_SHOWN = 4


def register(job: Job) -> str:
    """Log the run to MLflow, register the model, and move the aliases that the gate allows."""
    from pipeline.monitoring.succession import against_champion
    from pipeline.registry.address import tracking_uri
    from pipeline.registry.register import register as register_model

    config = job.config
    write_json(job.out / "config.json", job.settings)
    gate = _judged(job)
    write_json(job.out / "gate.json", gate)
    store = config.path(config.registry.store)
    entry, uri = _entry(job, gate), tracking_uri(store)
    rival = (
        against_champion(entry.model_name, entry.tags, job.run.parent, uri, config)
        if entry.champion
        else None
    )
    outdone = rival.stays if rival else None
    found = register_model(
        replace(entry, champion=entry.champion and outdone is None),
        artifact_of(job),
        uri,
        store.parent / "mlartifacts",
    )
    found["champion_stays"] = found["champion_stays"] or outdone
    write_json(job.out / "register.json", found | {"gate": gate})
    aliases = " and ".join(found["aliases"])
    failed = [reason["sentence"] for reason in gate["reasons"] if not reason["passed"]]
    warned = [warning["sentence"] for warning in gate["warnings"]]
    verdict = "the gate is passed" if gate["passed"] else "refused as champion"
    if warned and gate["passed"]:
        verdict += f" with {len(warned)} warning{'s' if len(warned) > 1 else ''}"
    line = f"{found['model_name']} version {found['version']} is {aliases}; {verdict}"
    if found["champion_stays"]:
        line += f", but {found['champion_stays']}"
    told = failed + warned
    shown = [f"- {sentence}" for sentence in told[:_REASONS_SHOWN]]
    if len(told) > _REASONS_SHOWN:
        shown.append(f"- and {len(told) - _REASONS_SHOWN} more, on the model card")
    if rival and not found["champion_stays"]:
        shown.append(rival.told(found["version"], config.file))
    return "\n".join([line + (":" if told else ""), *shown])


def card(job: Job) -> str:
    """Write the registered version's model card, and attach it to the version."""
    registered = read_json(job.run / "register" / "register.json")
    write_card(job, registered)
    verdict = "passed" if registered["gate"]["passed"] else "not passed"
    name = f"{registered['model_name']} version {registered['version']}"
    return f"{name}; research use only; gate {verdict}"


def write_card(job: Job, registered: Mapping[str, Any]) -> None:
    """Write a registered version's card as HTML, Markdown, JSON and XML, and attach it in MLflow.

    Parameters
    ----------
    job : Job
        Its run folder holds what ``ingest`` to ``explain`` leave, and ``register/config.json``,
        the settings that made the model; its ``out`` receives the card's files.
    registered : mapping
        As ``pipeline.registry.register.register`` returned it, and ``gate``.

    Raises
    ------
    InputError
        Where MLflow cannot use the store.
    """
    from pipeline.card.by_hand import formulas
    from pipeline.card.chai import chai_fields, to_chai_xml
    from pipeline.card.cohort import describe_cohort
    from pipeline.card.facts import collect
    from pipeline.card.plots import draw_plots
    from pipeline.card.render import to_description, to_html, to_markdown
    from pipeline.card.worked import worked_patient
    from pipeline.registry.address import tracking_uri
    from pipeline.registry.attach import attach_card
    from pipeline.registry.snapshot import latest_two

    config, run, dictionary = job.config, job.run, dictionary_of(job)
    uri = tracking_uri(config.path(config.registry.store))
    explanation = read_json(run / "explain" / "explanation.json")
    facts = collect(
        config,
        read_json(run / "ingest" / "ingest.json"),
        dictionary.to_json(),
        read_json(run / "audit" / "audit.json"),
        read_json(run / "features" / "features.json"),
        read_json(run / "train" / "train.json"),
        read_json(run / "evaluate" / "evaluation.json"),
        explanation,
        registered["gate"],
        _provenance(job) | {"version": registered["version"]},
        cohort=describe_cohort(
            cohort_of(job),
            dictionary,
            config.outcomes,
            config.primary_outcome,
            config.evaluation.minimum_cell,
        ),
        formulas=formulas(artifact_of(job)),
        versions=latest_two(uri, registered["model_name"], registered["version"]),
        transport=_if_there(run / "transport" / "transport.json"),
        worked=worked_patient(artifact_of(job), config.primary_outcome),
        learning=_if_there(run / "learning" / "learning_curve.json"),
    )
    pictures: dict[str, bytes | str] = dict(draw_plots(facts))
    for picture in explanation["pictures"]:
        pictures[picture["name"]] = (run / "explain" / picture["file"]).read_bytes()
    html, markdown, as_json = (job.out / f"model_card.{kind}" for kind in ("html", "md", "json"))
    write_json(as_json, facts)
    html.write_text(to_html(facts, pictures), encoding="utf-8")
    markdown.write_text(to_markdown(facts), encoding="utf-8")
    chai = job.out / "model_card_chai.xml"
    chai.write_text(to_chai_xml(chai_fields(facts)), encoding="utf-8")
    attach_card(uri, registered, [html, markdown, as_json, chai], to_description(facts))


def _if_there(path: Path) -> Any:
    return read_json(path) if path.is_file() else None


def _judged(job: Job) -> dict[str, Any]:
    from pipeline.evaluation.gate import judge

    train = read_json(job.run / "train" / "train.json")
    return judge(
        job.config.registry.gate,
        read_json(job.run / "evaluate" / "evaluation.json"),
        read_json(job.run / "audit" / "audit.json"),
        job.config.primary_outcome,
        {h["outcome"]: h["why_not_fitted"] for h in train["heads"] if not h["fitted"]},
    )


def _entry(job: Job, gate: Mapping[str, Any]) -> Entry:
    from pipeline.registry.entry import flat_metrics, flat_params, tags
    from pipeline.registry.incumbent import comparable_tags
    from pipeline.registry.register import Entry

    config, run, package = job.config, job.run, Path(__file__).parents[1]
    explained, synthetic = run / "explain", is_synthetic(job)
    pictures = [
        explained / picture["file"]
        for picture in read_json(explained / "explanation.json")["pictures"]
        # Pictures of single patients leave the run folder only where nobody is real.
        if synthetic or not picture["patient_level"]
    ]
    return Entry(
        run_name=config.name,
        model_name=config.registry.model_name,
        experiment=config.registry.experiment,
        params=flat_params(job.settings),
        metrics=flat_metrics(read_json(run / "evaluate" / "evaluation.json")),
        tags=tags(artifact_of(job).facts["provenance"] | _digests(job.out, run), gate)
        | comparable_tags(config.outcomes, "synthetic" if synthetic else "table"),
        files={
            "run": [job.out / "config.json", job.out / "gate.json"],
            "features": [run / "features" / "features.json"],
            "explain": [*pictures, explained / "explanation.json"],
            "evaluate": [run / "evaluate" / "evaluation.json"],
            "transport": [run / "transport" / "transport.json"],
            "learning": [run / "learning" / "learning_curve.json"],
            "audit": [run / "audit" / "audit.json"],
        },
        model_folder=run / "train" / "model",
        entry_point=package / "serving" / "pyfunc.py",
        package=package,
        description="Research use only. The model card of this version is yet to be attached.",
        champion=gate["passed"],
    )


def _digests(register: Path, run: Path) -> dict[str, str]:
    """Digests of the settings and of the model, as one text each."""
    from pipeline.registry.champion import model_digest

    return {
        "config_sha256": file_digest(register / "config.json"),
        "model_sha256": model_digest(run / "train" / "model"),
    }


def _provenance(job: Job) -> dict[str, Any]:
    packages = ("pandas", "scikit-learn", "lightgbm", "glum", "mlflow", "shap", "numpy")
    return {
        **artifact_of(job).facts["provenance"],
        **_digests(job.run / "register", job.run),
        "command": f"make run CONFIG=configs/{job.config.file.name}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
    }
