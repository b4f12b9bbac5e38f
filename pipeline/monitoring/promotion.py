"""Who is champion: a challenger against the champion, on the same patients.

A challenger takes the champion's place if it is not worse by more than the config's margins:
beyond doubt not by log-loss, for every outcome, and not by net benefit, at every threshold.
It must have passed its gate, and like is displaced by like only (`registry.incumbent`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.config import Config
from pipeline.errors import InputError
from pipeline.monitoring.comparison import Paired, compare, in_lines, why_not
from pipeline.monitoring.observations import Observations
from pipeline.monitoring.same_folds import are_there, paired_on_folds
from pipeline.monitoring.soundness import check_outcomes, check_units
from pipeline.registry.address import check_store, fetch_model, tracking_uri
from pipeline.registry.champion import champion_before, find_version, make_champion
from pipeline.registry.client import mlflow_at
from pipeline.registry.incumbent import CHAMPION, why_champion_stays
from pipeline.runner import file_digest

_TAKE_BACK = "'python -m pipeline rollback' gives it back to the one before"
# Digests of all tables that a version or an ancestor of it was fitted on, comma-separated.
_FITTED_ON = ("cohort_sha256", "tables_sha256", "site_sha256", "earlier_sites_sha256")
_SEEN_BY_NEITHER = (
    "That neither version was fitted on any of these patients, only you can know: a table is "
    "recognised as a whole file, not by its rows."
)


def promote(
    challenger: str, champion: str, cohort: tuple[pd.DataFrame, Path] | None, config: Config
) -> tuple[str, dict[str, Any]]:
    """Compare two registered versions, and move the champion's alias or say why not.

    Parameters
    ----------
    challenger, champion : str
        A version's number, ``@alias`` or address.
    cohort : tuple of DataFrame and Path, optional
        Patients with known outcomes that both models score. Without it, the out-of-fold risks
        that both runs left in their run folders are compared, on the same folds.
    config : Config
        Its ``registry``, ``promotion``, ``evaluation``, ``runs`` and ``seed``.

    Returns
    -------
    sentence : str
    facts : dict
        As `compare` returns it, with the two versions, ``moved`` and ``reasons`` why not.

    Raises
    ------
    InputError
        Where there are not two versions, the config names no thresholds, one was fitted on the
        given patients, or these have no outcomes or values in another unit.
    """
    _thresholds_are_named(config)
    name, uri = config.registry.model_name, tracking_uri(config.path(config.registry.store))
    check_store(uri)
    with mlflow_at(uri):
        from mlflow import MlflowClient

        client = MlflowClient()
        new, old = (find_version(client, name, wanted) for wanted in (challenger, champion))
        new_version, old_version = str(new.version), str(old.version)
        tags, old_tags = dict(new.tags), dict(old.tags)
        stays = why_champion_stays(client, name, tags)
        held = client.get_registered_model(name).aliases.get(CHAMPION)
        holder = None if held is None else str(held)
    if new_version == old_version:
        before = champion_before(new)
        raise InputError(
            f"version {new_version} of {name} is both challenger and champion",
            expected="two versions",
            mend=f"hold it against the champion before it: --champion {before}"
            if before
            else "name another with --challenger",
        )
    if cohort is None:
        paired = paired_on_folds(
            (new_version, tags), (old_version, old_tags), config.path(config.runs)
        )
    else:
        both = (new_version, tags), (old_version, old_tags)
        folds = are_there(*both, config.path(config.runs))
        _not_trained_on(cohort[1], dict(both), folds)
        addresses = [f"models:/{name}/{v}" for v in (new_version, old_version)]
        paired = _both_scored(addresses, *cohort, config, uri)
    found = compare(paired, config)
    reasons = why_not(found, config.promotion)
    if tags.get("gate") != "passed":
        reasons.append("it did not pass its gate: " + tags.get("gate_reasons", "not judged"))
    if stays is not None:
        reasons.append(stays)
    moved = not reasons and new_version != holder
    if moved:
        with mlflow_at(uri):
            from mlflow import MlflowClient

            make_champion(MlflowClient(), name, new_version)
    facts = {
        "challenger": new_version,
        "champion": old_version,
        "moved": moved,
        "reasons": reasons,
        "on": cohort[1].name if cohort else "the same folds",
        "cohort": cohort is not None,
        **found,
    }
    return _sentence(name, facts, holder, config), facts


def _sentence(name: str, facts: dict[str, Any], holder: str | None, config: Config) -> str:
    new, old = facts["challenger"], facts["champion"]
    patients = max((part["n"] or 0) for part in facts["outcomes"].values())
    on = f"{facts['on']}, {patients:,} patients" if patients else facts["on"]
    why = "; ".join(reason.rstrip(".") for reason in facts["reasons"])
    if facts["moved"]:
        instead = f", in place of version {holder}; {_TAKE_BACK}" if holder else ""
        said = f"version {new} is {CHAMPION} now{instead}."
    elif not facts["reasons"]:
        said = f"version {new} is {CHAMPION} already, and is not worse than version {old}."
    elif new == holder:
        said = (
            f"version {new} is {CHAMPION}, but would not be promoted over version {old}: {why}; "
            f"{_TAKE_BACK}."
        )
    else:
        stays = f"version {holder} stays" if holder else "nobody is"
        said = f"{stays} {CHAMPION}; version {new} is not promoted: {why}."
    lines = in_lines(facts, config.promotion, config.evaluation.interval_level)
    told = [f"{name} {said}", f"On {on}:", *(f"  {line}" for line in lines)]
    return "\n".join([*told, _SEEN_BY_NEITHER] if facts["cohort"] else told)


def _thresholds_are_named(config: Config) -> None:
    """Without a threshold there is no net benefit, and nothing would be held to its margin."""
    if not config.evaluation.thresholds.get(config.primary_outcome):
        raise InputError(
            f"evaluation.thresholds names none for {config.primary_outcome}, the primary outcome",
            file=config.file,
            expected="risks at which a team might act: net benefit is compared there",
            mend=f"add 'evaluation: {{thresholds: {{{config.primary_outcome}: [0.1, 0.2]}}}}', "
            "with risks of your own",
        )


def _not_trained_on(file: Path, versions: Mapping[str, Mapping[str, str]], folds: bool) -> None:
    """Refuse a table that a version or an ancestor of it was fitted on."""
    digest = file_digest(file)
    for version, tags in versions.items():
        fitted = {d for key in _FITTED_ON for d in tags.get(key, "").split(",")}
        if digest in fitted:
            instead = ", or leave out --cohort: the folds of both runs are compared"
            raise InputError(
                f"version {version} was fitted on these patients, who flatter it",
                file=file,
                expected="patients whom neither version has seen",
                mend="give others" + (instead if folds else ""),
            )


def _both_scored(
    addresses: list[str], frame: pd.DataFrame, file: Path, config: Config, uri: str
) -> dict[str, Paired]:
    from pipeline.model.artifact import read_artifact

    both = []
    for address in addresses:
        artifact = read_artifact(fetch_model(address, uri))
        names = artifact.model.outcomes
        if set(names) != set(config.outcomes):
            raise InputError(
                f"{address} predicts {', '.join(names)}",
                expected=", ".join(config.outcomes),
                mend="give the --config that the models were trained with",
            )
        check_outcomes(frame, artifact, file)
        seen = Observations.of(frame, artifact, config.monitoring, file)
        check_units(seen, artifact, config.monitoring, file)
        risk = dict(zip(names, seen.score(artifact)[0].T, strict=True))
        both.append((risk, dict(zip(names, seen.observed.T, strict=True))))
    (mine_of, observed), (theirs_of, _) = both
    paired = {}
    for name in config.outcomes:
        y, mine, theirs = observed[name], mine_of[name], theirs_of[name]
        rows = ~np.isnan(y) & ~np.isnan(mine) & ~np.isnan(theirs)
        paired[name] = Paired(y[rows], mine[None, rows], theirs[None, rows])
    return paired
