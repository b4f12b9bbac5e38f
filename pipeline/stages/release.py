"""What leaves the project: the model card, and the registered model."""

from __future__ import annotations

import platform
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.runner import Job, file_digest
from pipeline.stages.files import (
    artifact_of,
    cohort_of,
    dictionary_of,
    is_synthetic,
    read_json,
    write_json,
)

_REASONS_SHOWN = 4


def card(job: Job) -> str:
    """Write the model card from what the stages recorded, with the gate's verdict."""
    from pipeline.card.by_hand import formulas
    from pipeline.card.cohort import describe_cohort
    from pipeline.card.facts import collect
    from pipeline.card.plots import draw_plots
    from pipeline.card.render import to_html, to_markdown
    from pipeline.evaluation.gate import judge

    config, run, dictionary = job.config, job.run, dictionary_of(job)
    write_json(job.out / "config.json", job.settings)
    audit = read_json(run / "audit" / "audit.json")
    train = read_json(run / "train" / "train.json")
    evaluation = read_json(run / "evaluate" / "evaluation.json")
    prior_alone = {h["outcome"]: h["why_not_fitted"] for h in train["heads"] if not h["fitted"]}
    gate = judge(config.registry.gate, evaluation, audit, config.primary_outcome, prior_alone)
    write_json(job.out / "gate.json", gate)
    explanation = read_json(run / "explain" / "explanation.json")
    facts = collect(
        config,
        read_json(run / "ingest" / "ingest.json"),
        dictionary.to_json(),
        audit,
        read_json(run / "features" / "features.json"),
        train,
        evaluation,
        explanation,
        gate,
        _provenance(job),
        cohort=describe_cohort(
            cohort_of(job),
            dictionary,
            config.outcomes,
            config.primary_outcome,
            config.evaluation.minimum_cell,
        ),
        formulas=formulas(artifact_of(job)),
    )
    pictures: dict[str, bytes | str] = dict(draw_plots(facts))
    for picture in explanation["pictures"]:
        pictures[picture["name"]] = (run / "explain" / picture["file"]).read_bytes()
    write_json(job.out / "model_card.json", facts)
    (job.out / "model_card.html").write_text(to_html(facts, pictures), encoding="utf-8")
    (job.out / "model_card.md").write_text(to_markdown(facts), encoding="utf-8")
    return "research use only; " + ("gate passed" if gate["passed"] else "gate not passed")


def _provenance(job: Job) -> dict[str, Any]:
    model = job.run / "train" / "model"
    digests = "".join(file_digest(path) for path in sorted(model.iterdir()))
    packages = ("pandas", "scikit-learn", "lightgbm", "glum", "mlflow", "shap", "numpy")
    return {
        **artifact_of(job).facts["provenance"],
        "config_sha256": file_digest(job.out / "config.json"),
        "model_sha256": sha256(digests.encode()).hexdigest(),
        "command": f"make run CONFIG=configs/{job.config.file.name}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
    }


def register(job: Job) -> str:
    """Log the run to MLflow, register the model, and move the aliases that the gate allows."""
    from pipeline.registry.address import tracking_uri
    from pipeline.registry.entry import flat_metrics, flat_params, tags
    from pipeline.registry.incumbent import comparable_tags
    from pipeline.registry.register import Entry
    from pipeline.registry.register import register as register_model

    config, package = job.config, Path(__file__).parents[1]
    card, explained = job.run / "card", job.run / "explain"
    gate = read_json(card / "gate.json")
    store = config.path(config.registry.store)
    uri = tracking_uri(store)
    synthetic = is_synthetic(job)
    pictures = [
        explained / picture["file"]
        for picture in read_json(explained / "explanation.json")["pictures"]
        # Pictures of single patients leave the run folder only where nobody is real.
        if synthetic or not picture["patient_level"]
    ]
    artifact = artifact_of(job)
    entry = Entry(
        run_name=config.name,
        model_name=config.registry.model_name,
        experiment=config.registry.experiment,
        params=flat_params(read_json(card / "config.json")),
        metrics=flat_metrics(read_json(job.run / "evaluate" / "evaluation.json")),
        tags=tags(
            artifact.facts["provenance"] | {"config_sha256": file_digest(card / "config.json")},
            gate,
        )
        | comparable_tags(config.outcomes, "synthetic" if synthetic else "table"),
        files={
            "card": [card / f"model_card.{kind}" for kind in ("html", "md", "json")],
            "explain": [*pictures, explained / "explanation.json"],
            "evaluate": [job.run / "evaluate" / "evaluation.json"],
            "audit": [job.run / "audit" / "audit.json"],
        },
        model_folder=job.run / "train" / "model",
        entry_point=package / "serving" / "pyfunc.py",
        package=package,
        description=(card / "model_card.md").read_text(encoding="utf-8"),
        champion=gate["passed"],
    )
    found = register_model(entry, artifact, uri, store.parent / "mlartifacts")
    write_json(job.out / "register.json", found | {"gate": gate})
    aliases = " and ".join(found["aliases"])
    failed = [reason["sentence"] for reason in gate["reasons"] if not reason["passed"]]
    verdict = "the gate is passed" if gate["passed"] else "refused as champion:"
    line = f"{found['model_name']} version {found['version']} is {aliases}; {verdict}"
    if found["champion_stays"]:
        line += f", but {found['champion_stays']}"
    shown = [f"- {sentence}" for sentence in failed[:_REASONS_SHOWN]]
    if len(failed) > _REASONS_SHOWN:
        shown.append(f"- and {len(failed) - _REASONS_SHOWN} more, on the model card")
    return "\n".join([line, *shown])
