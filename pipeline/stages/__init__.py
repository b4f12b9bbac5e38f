"""The stages in order: what each reads, which part of the config it obeys, and its function.

The functions (``data.py``, ``modelling.py``, ``release.py``) only read, call and write; what
they call takes data and returns data. They are imported when they run, so that a run in which
all is fresh ends at once. This package may import every other one but ``cli``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from pipeline.config import Config, TableSource
from pipeline.errors import InputError
from pipeline.runner import Job, Stage


def _step(place: str) -> Callable[[Job], str]:
    module, name = place.split(".")

    def run(job: Job) -> str:
        return str(getattr(import_module(f"pipeline.stages.{module}"), name)(job))

    return run


def _source_files(config: Config) -> list[Path]:
    dictionary = _present(config, "dictionary", config.dictionary)
    if isinstance(config.source, TableSource):
        from pipeline.ingest.tables import input_files

        return [dictionary, *input_files(config)]
    return [dictionary, *sorted(config.path(config.source.facts).glob("*.csv"))]


def _therapy_files(config: Config) -> list[Path]:
    prior = config.therapy_prior
    return [_present(config, "therapy_prior.table", prior.table)] if prior else []


def _present(config: Config, key: str, relative: str) -> Path:
    path = config.path(relative)
    if not path.is_file():
        raise InputError(
            "no such file",
            file=path,
            mend=f"set '{key}' in {config.file.name} to a file that exists",
        )
    return path


def _registry_address(config: Config) -> str:
    from pipeline.registry.address import tracking_uri

    return tracking_uri(config.path(config.registry.store))


def _registry_stands(config: Config) -> bool:
    from pipeline.registry.address import store_stands

    return store_stands(_registry_address(config))


# Every part of the config that decides what the model is and how it was judged; the card's own
# words are not among them, so that rewording them makes no new version.
_MODEL = (
    "seed", "dictionary", "source", "window", "outcomes", "primary_outcome", "therapy_prior",
    "predictors", "model", "audit", "evaluation", "transport", "learning", "explanation",
    "registry", "scoring",
)  # fmt: skip

STAGES = (
    Stage("ingest", "Read or draw the cohort, in canonical units.", (),
          ("seed", "dictionary", "source", "window", "outcomes", "primary_outcome"),
          _step("data.ingest"), files=_source_files),
    Stage("audit", "Look for faults in the cohort.", ("ingest",),
          ("seed", "outcomes", "primary_outcome", "predictors", "therapy_prior", "audit"),
          _step("data.audit")),
    Stage("features", "Build the model matrix and the therapy prior.", ("ingest",),
          ("outcomes", "predictors", "therapy_prior"), _step("data.features"),
          files=_therapy_files),
    Stage("train", "Fit and calibrate the risk model.", ("ingest", "features"),
          ("seed", "window", "outcomes", "primary_outcome", "predictors", "model", "audit",
           "evaluation", "scoring"),
          _step("modelling.train")),
    Stage("evaluate", "Judge the procedure by repeated cross-validation.",
          ("ingest", "features"),
          # Transport's therapy is the stratum, where no prior names one.
          ("seed", "outcomes", "primary_outcome", "predictors", "model", "audit", "evaluation",
           "transport"),
          _step("modelling.evaluate")),
    Stage("transport", "Judge the procedure where it was not trained: sites, therapies, years.",
          ("ingest", "features"),
          ("seed", "outcomes", "primary_outcome", "predictors", "model", "audit", "evaluation",
           "transport"),
          _step("modelling.transport")),
    Stage("learning", "Say whether the cohort is large enough.",
          ("ingest", "features", "evaluate"),
          ("seed", "outcomes", "primary_outcome", "predictors", "audit", "model", "evaluation",
           "transport", "learning"),
          _step("modelling.learning")),
    Stage("explain", "Say what moves the risks, in tables and pictures.", ("ingest", "train"),
          ("seed", "primary_outcome", "evaluation", "explanation"), _step("modelling.explain")),
    Stage("register", "Register the model in MLflow; the gate decides on champion.",
          ("ingest", "audit", "features", "train", "evaluate", "transport", "learning", "explain"),
          (*_MODEL, "promotion"),
          _step("release.register"), outside=_registry_address, stands=_registry_stands),
    Stage("card", "Write the model card from recorded facts, and attach it to the version.",
          ("ingest", "audit", "features", "train", "evaluate", "transport", "learning", "explain",
           "register"),
          (*_MODEL, "card"), _step("release.card"),
          outside=_registry_address, stands=_registry_stands),
)  # fmt: skip
