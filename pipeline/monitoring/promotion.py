"""Challenger against champion on the same patients: paired differences and a verdict.

A challenger takes the champion's place if it is not worse by more than the config's margins:
beyond doubt not by log-loss, for every outcome, and not by net benefit, at every threshold.
It must have passed its gate, and like is displaced by like only (`registry.incumbent`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.config import Config
from pipeline.errors import InputError
from pipeline.evaluation.bootstrap import summary, weight_blocks
from pipeline.evaluation.classification import count_alerts
from pipeline.evaluation.overall import log_odds
from pipeline.evaluation.utility import net_benefit
from pipeline.monitoring.observations import Observations
from pipeline.registry.address import fetch_model, tracking_uri
from pipeline.registry.champion import find_version, make_champion, model_digest
from pipeline.registry.client import mlflow_at
from pipeline.registry.incumbent import CHAMPION, why_champion_stays

_LEAST = 10  # of either outcome, for figures to be told


@dataclass(frozen=True)
class Paired:
    """Risks of one outcome by both models, on the same patients.

    Attributes
    ----------
    observed : ndarray of 0/1, shape (n,)
    challenger, champion : ndarray, shape (repeats, n)
    """

    observed: np.ndarray
    challenger: np.ndarray
    champion: np.ndarray


def compare(paired: Mapping[str, Paired], config: Config) -> dict[str, Any]:
    """Estimate paired differences with bootstrap intervals, and hold them to the margins.

    Returns
    -------
    dict
        ``passed``, and per outcome ``log_loss`` (challenger minus champion; below 0 is
        better) and ``net_benefit`` by threshold (above 0 is better), each with ``passed``;
        or a ``reason`` why it could not be compared, which passes nothing.
    """
    outcomes = {name: _compare(name, part, config) for name, part in paired.items()}
    return {"passed": all(part["passed"] for part in outcomes.values()), "outcomes": outcomes}


def _compare(name: str, paired: Paired, config: Config) -> dict[str, Any]:
    y, n = paired.observed, len(paired.observed)
    events = int(y.sum())
    if min(events, n - events) < _LEAST:
        reason = f"fewer than {_LEAST} patients with or without the event"
        return {"n": n if n >= _LEAST else None, "passed": False, "reason": reason}
    settings, margins = config.evaluation, config.promotion
    thresholds = np.array(settings.thresholds.get(name, []))
    loss = (_losses(y, paired.challenger) - _losses(y, paired.champion)).mean(axis=0)
    losses, benefits = [], []
    for weights in weight_blocks(n, settings.bootstrap, config.seed):
        losses.append(weights @ loss / n)
        mine, theirs = (
            net_benefit(count_alerts(y, risk, thresholds, weights), thresholds)
            for risk in (paired.challenger, paired.champion)
        )
        benefits.append(mine - theirs)
    log_loss = summary(np.concatenate(losses), settings.interval_level)
    drawn = np.concatenate(benefits)
    at = [
        {"threshold": float(t), **summary(drawn[:, k], settings.interval_level)}
        for k, t in enumerate(thresholds)
    ]
    log_loss["passed"] = log_loss["high"] <= margins.log_loss_margin
    for row in at:
        row["passed"] = row["low"] >= -margins.net_benefit_margin
    passed = log_loss["passed"] and all(row["passed"] for row in at)
    return {"n": n, "passed": passed, "log_loss": log_loss, "net_benefit": at}


def _losses(y: np.ndarray, risk: np.ndarray) -> np.ndarray:
    eta = log_odds(risk)
    return np.logaddexp(0.0, eta) - y * eta


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
        As `compare` returns it, with the two versions, ``moved`` and ``reasons``.
    """
    name, uri = config.registry.model_name, tracking_uri(config.path(config.registry.store))
    with mlflow_at(uri):
        from mlflow import MlflowClient

        client = MlflowClient()
        new, old = (find_version(client, name, wanted) for wanted in (challenger, champion))
        new_version, old_version = str(new.version), str(old.version)
        tags, old_tags = dict(new.tags), dict(old.tags)
        stays = why_champion_stays(client, name, tags)
    if new_version == old_version:
        raise InputError(
            f"version {new_version} of {name} is both challenger and champion",
            expected="two versions",
            mend="name another with --challenger",
        )
    if cohort is None:
        paired = _same_folds((new_version, tags), (old_version, old_tags), config)
    else:
        addresses = [f"models:/{name}/{v}" for v in (new_version, old_version)]
        paired = _both_scored(addresses, *cohort, config, uri)
    found = compare(paired, config)
    reasons = [*_worse(found, config)]
    if tags.get("gate") != "passed":
        reasons.append("it did not pass its gate: " + tags.get("gate_reasons", "not judged"))
    if stays is not None:
        reasons.append(stays)
    if not reasons:
        with mlflow_at(uri):
            from mlflow import MlflowClient

            make_champion(MlflowClient(), name, new_version)
    facts = {
        "challenger": new_version,
        "champion": old_version,
        "moved": not reasons,
        "reasons": reasons,
        "on": cohort[1].name if cohort else "the same folds",
        **found,
    }
    return _sentence(name, facts), facts


def _sentence(name: str, facts: dict[str, Any]) -> str:
    told = "; ".join(
        f"{outcome} log-loss {_interval(part['log_loss'])}"
        for outcome, part in facts["outcomes"].items()
        if "log_loss" in part
    )
    figures = f" Challenger minus champion: {told}." if told else ""
    if facts["moved"]:
        return (
            f"{name} version {facts['challenger']} is {CHAMPION} now, in place of version "
            f"{facts['champion']}.{figures} 'python -m pipeline rollback' takes it back."
        )
    return (
        f"{name} version {facts['champion']} stays {CHAMPION}; version {facts['challenger']} is "
        f"not promoted: {'; '.join(r.rstrip('.') for r in facts['reasons'])}.{figures}"
    )


def _worse(found: dict[str, Any], config: Config) -> list[str]:
    reasons, margins = [], config.promotion
    for outcome, part in found["outcomes"].items():
        if "reason" in part:
            reasons.append(f"{outcome} cannot be compared ({part['reason']})")
            continue
        if not part["log_loss"]["passed"]:
            reasons.append(
                f"{outcome} log-loss may be worse by more than {margins.log_loss_margin:g} "
                f"({_interval(part['log_loss'])})"
            )
        reasons += [
            f"{outcome} net benefit at {row['threshold']:.0%} may be worse by more than "
            f"{margins.net_benefit_margin:g} ({_interval(row)})"
            for row in part["net_benefit"]
            if not row["passed"]
        ]
    return reasons


def _interval(figure: Mapping[str, float]) -> str:
    return f"{figure['estimate']:+.4f}, {figure['low']:+.4f} to {figure['high']:+.4f}"


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
        seen = Observations.of(frame, artifact, config.monitoring, file)
        risk = dict(zip(names, seen.score(artifact)[0].T, strict=True))
        both.append((risk, dict(zip(names, seen.observed.T, strict=True))))
    (mine_of, observed), (theirs_of, _) = both
    paired = {}
    for name in config.outcomes:
        y, mine, theirs = observed[name], mine_of[name], theirs_of[name]
        rows = ~np.isnan(y) & ~np.isnan(mine) & ~np.isnan(theirs)
        paired[name] = Paired(y[rows], mine[None, rows], theirs[None, rows])
    return paired


def _same_folds(
    challenger: tuple[str, dict[str, str]], champion: tuple[str, dict[str, str]], config: Config
) -> dict[str, Paired]:
    tables = [_out_of_fold(version, tags, config) for version, tags in (challenger, champion)]
    keys = ["outcome", "repeat", "fold", "patient_id", "observed"]
    mine, theirs = (t.sort_values(keys[:2] + keys[3:4]).reset_index(drop=True) for t in tables)
    if len(mine) != len(theirs) or not (mine[keys] == theirs[keys]).all(axis=None):
        raise InputError(
            "the two runs were not evaluated on the same folds of the same patients",
            expected="the same cohort, seed, folds and repeats",
            mend="give a cohort that both score: --cohort FILE",
        )
    paired = {}
    for outcome, rows in mine.groupby("outcome", sort=False):
        known = (~(mine["model"].isna() | theirs["model"].isna())).loc[rows.index]
        by_patient = known.groupby(rows["patient_id"]).transform("all")
        kept = rows.index[by_patient]
        repeats = rows["repeat"].nunique()
        y = rows.loc[kept, "observed"].to_numpy(float).reshape(repeats, -1)[0]
        paired[str(outcome)] = Paired(
            y,
            mine.loc[kept, "model"].to_numpy(float).reshape(repeats, -1),
            theirs.loc[kept, "model"].to_numpy(float).reshape(repeats, -1),
        )
    return paired


def _out_of_fold(version: str, tags: dict[str, str], config: Config) -> pd.DataFrame:
    """The out-of-fold risks of a version, if its run folder still is that version's."""
    run = config.path(config.runs) / tags.get("run", "")
    table, model = run / "evaluate" / "oof.parquet", run / "train" / "model"
    stands = table.is_file() and model.is_dir()
    if not stands or model_digest(model) != tags.get("model_sha256"):
        raise InputError(
            f"the out-of-fold risks of version {version} are not there any more",
            file=run,
            expected="the run folder that the version was registered from",
            mend="give a cohort that both versions score: --cohort FILE",
        )
    return pd.read_parquet(table)
