"""The command ``recalibrate``: read, update, judge, register, and say in a line what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import Config
from pipeline.errors import InputError
from pipeline.model.artifact import Artifact, read_artifact
from pipeline.monitoring.closed_test import Site, smallest_shift
from pipeline.monitoring.commands import make_folder, write
from pipeline.monitoring.judged_at_site import judge_at_site
from pipeline.monitoring.observations import Observations
from pipeline.monitoring.registration import register_recalibrated, with_site_risks
from pipeline.monitoring.soundness import check_outcomes, check_units, without_risk
from pipeline.monitoring.tables import read_patients
from pipeline.monitoring.updating import Recalibrated, recalibrate
from pipeline.registry.address import fetch_model, tracking_uri
from pipeline.registry.champion import model_digest


def recalibrate_file(model: str, cohort: Path, config: Config, output: Path) -> str:
    """Recalibrate a model on a site's patients, judge it there, and register the new version.

    Nothing is registered where the closed test leaves the model as it is.

    Parameters
    ----------
    model : str
        Model folder or MLflow address, which is looked up in the config's store.
    cohort : Path
        Columns named as in the model's dictionary, in its units, with the outcomes.
    config : Config
        Its ``updating``, ``monitoring``, ``registry`` and what the gate reads.
    output : Path
        A folder, made where it does not exist.

    Raises
    ------
    InputError
        Where the model predicts other outcomes than the config says, or the table lacks them,
        seems to hold values in another unit, or cannot be read.
    """
    store = tracking_uri(config.path(config.registry.store))
    registered = ":/" in model and not Path(model).exists()
    folder = fetch_model(model, store) if registered else Path(model)
    artifact = read_artifact(folder)
    if set(artifact.model.outcomes) != set(config.outcomes):
        raise InputError(
            f"predicts {', '.join(artifact.model.outcomes)}",
            file=model,
            expected=f"{', '.join(config.outcomes)}, the outcomes of {config.file.name}",
            mend="give the --config that the model was trained with",
        )
    frame = read_patients(cohort, config)
    check_outcomes(frame, artifact, cohort)
    seen = Observations.of(frame, artifact, config.monitoring, cohort)
    check_units(seen, artifact, config.monitoring, cohort)
    _, abstains = seen.score(artifact)
    sites = seen.sites(artifact, ~abstains)
    found = recalibrate(artifact, sites, config.updating)
    make_folder(output)
    facts: dict[str, Any] = {"model": model, "cohort": cohort.name, "steps": found.steps}
    if not found.changed:
        write(output / "recalibration.json", json.dumps(facts, indent=1) + "\n")
        why = _left_as_it_is(found, sites, seen, artifact, config)
        return f"No update: {why} Read {output / 'recalibration.json'}"
    facts |= judge_at_site(artifact, frame, seen, config, cohort)
    facts["centres"] = _centres(seen)
    version = register_recalibrated(
        model, model_digest(folder), with_site_risks(found, seen), facts, cohort, config, store,
        output,
    )  # fmt: skip
    return _registered(found, facts, version, seen, artifact, config, output)


def _left_as_it_is(
    found: Recalibrated,
    sites: Mapping[str, Site],
    seen: Observations,
    artifact: Artifact,
    config: Config,
) -> str:
    """Why nothing was updated, and what that does not say."""
    nothing, least = "nothing was registered", config.updating.minimum_events
    abstained = without_risk(seen, artifact)
    also = f" {abstained}." if abstained else ""
    tested = {name: sites[name] for step in found.steps for name in step["tested"]}
    if not tested:
        return (
            f"not tested: no outcome has {least} patients with it and {least} without, of those "
            "with a risk, as the closed test needs; that does not say that the model is right "
            f"here; {nothing}.{also}"
        )
    outcome, shift = smallest_shift(tested, config.updating.alpha)
    log_odds = tested[outcome].offset
    before, after = (_risk(log_odds + by).mean() for by in (0.0, shift))
    return (
        f"the closed test leaves the model as it is ({_kinds(found)}); {nothing}. With "
        f"{len(log_odds):,} patients it would more often miss than find a rise of risks by less "
        f"than about {shift:.1f} in log-odds: {outcome} from {before:.0%} to {after:.0%} on "
        f"average.{also}"
    )


def _registered(
    found: Recalibrated,
    facts: Mapping[str, Any],
    registered: Mapping[str, Any],
    seen: Observations,
    artifact: Artifact,
    config: Config,
    output: Path,
) -> str:
    name, version = registered["model_name"], registered["version"]
    gate = facts["gate"]
    if gate["passed"]:
        verdict = (
            "the gate is passed. The champion stays; to hold this version against it, on patients "
            f"whom neither has seen: python -m pipeline promote --challenger {version} --cohort "
            f"FILE --config {config.file}."
        )
    else:
        failed = [r for r in gate["reasons"] if not r["passed"]]
        needed = _needed(failed, facts["evaluation"], config)
        verdict = " ".join(
            [
                "refused as champion:",
                *(r["sentence"] for r in failed),
                *([needed] if needed else []),
                "Without being champion it can be served and scored by its number, "
                f"models:/{name}/{version}.",
            ]
        )
    abstained = without_risk(seen, artifact)
    also = f" {abstained}." if abstained else ""
    return (
        f"Recalibrated ({_kinds(found)}): {name} version {version} is "
        f"{' and '.join(registered['aliases'])}; {verdict}{also} Read {output / 'model_card.html'}"
    )


def _needed(
    failed: list[dict[str, Any]], evaluation: Mapping[str, Any], config: Config
) -> str | None:
    """How many patients like these would hold the events that the gate asks for."""
    asked = config.registry.gate.minimum_events
    told = []
    for reason in failed:
        if reason["criterion"] != "events":
            continue
        part = evaluation["outcomes"][reason["outcome"]]
        if reason["found"]:
            patients = _rounded_up(asked * part["n"] / reason["found"])
            told.append(f"about {patients:,} for {reason['outcome']}")
        else:
            # A count that is not shown is at least known to be small.
            least = asked * part["n"] / config.evaluation.minimum_cell
            told.append(f"more than {_rounded_up(least):,} for {reason['outcome']}")
    if not told:
        return None
    return f"To hold {asked} it takes so many patients like these: {', '.join(told)}."


def _rounded_up(patients: float) -> int:
    """To two digits: a rate of few events tells no more."""
    step = 10 ** max(len(str(int(patients))) - 2, 0)
    return ceil(patients / step) * step


def _kinds(found: Recalibrated) -> str:
    return "; ".join(
        f"{', '.join(s['outcomes'])}: {s['kind'] if s['tested'] else 'not tested'}"
        for s in found.steps
    )


def _centres(seen: Observations) -> int | None:
    """How many centres the patients come from, as far as the table says."""
    if seen.site is None:
        return None
    return len({site for site in seen.site if site is not None}) or None


def _risk(log_odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-log_odds))
