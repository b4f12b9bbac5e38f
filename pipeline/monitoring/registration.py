"""A recalibrated model registered, with its descent and its card."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.config import Config
from pipeline.errors import InputError
from pipeline.model.artifact import read_artifact, write_artifact
from pipeline.model.reference import risks_reference
from pipeline.model.update import coefficients
from pipeline.monitoring.observations import Observations
from pipeline.monitoring.updating import Recalibrated
from pipeline.registry.attach import attach_card
from pipeline.registry.champion import find_version, model_digest, version_of_model
from pipeline.registry.client import mlflow_at
from pipeline.registry.entry import flat_metrics, tags
from pipeline.registry.incumbent import COHORT_KIND, comparable_tags
from pipeline.registry.register import Entry, register
from pipeline.runner import file_digest
from pipeline.serving.http.source import card_of

Facts = dict[str, Any]


def with_site_risks(found: Recalibrated, seen: Observations) -> Recalibrated:
    """The same model, which tells the monitor the site's updated risks instead of its parent's."""
    artifact = found.artifact
    risks, _ = seen.score(artifact)
    own = {"risks": risks_reference(risks, artifact.model.outcomes)}
    facts = artifact.facts | {"reference": artifact.facts["reference"] | own}
    return replace(found, artifact=replace(artifact, facts=facts))


def register_recalibrated(
    model: str,
    digest: str,
    found: Recalibrated,
    facts: Facts,
    cohort: Path,
    config: Config,
    uri: str,
    output: Path,
) -> Facts:
    """Write the recalibrated model and its card, and register it as its parent's child.

    It becomes challenger only, whatever the gate says: one site's patients do not decide whom the
    champion's alias serves everywhere. That is for ``promote``.

    Parameters
    ----------
    model, digest : str
        Address or folder of the parent, and the digest of what was read there.
    found : Recalibrated
    facts : dict
        As `judge_at_site` returned it, with ``steps``, ``model``, ``cohort`` and ``centres``.
    cohort : Path
        The site's table.
    config : Config
    uri : str
        Of the tracking store.
    output : Path

    Raises
    ------
    InputError
        Where the address means another model by now, or the registry tells of another.
    """
    from pipeline.monitoring.site_card import site_facts, to_html, to_markdown

    package, name = Path(__file__).parents[1], config.registry.model_name
    before = found.artifact.facts["provenance"]
    parent = _parent(model, digest, name, uri)
    parent[COHORT_KIND] = parent[COHORT_KIND] or before.get(COHORT_KIND)
    kinds = {o: s["kind"] for s in found.steps for o in s["outcomes"]}
    earlier = [d for k in ("earlier_sites_sha256", "site_sha256") if (d := before.get(k))]
    descent = {
        **{f"parent_{key}": value for key, value in parent.items() if value is not None},
        "site_sha256": file_digest(cohort),
        # So that no descendant is judged on what an ancestor was fitted on.
        **({"earlier_sites_sha256": ",".join(earlier)} if earlier else {}),
        # A table that somebody gives counts as real patients.
        "site_cohort_kind": "table",
        "update": json.dumps(kinds),
    }
    facts |= {"parent": parent, "again": "update" in before, "site_sha256": descent["site_sha256"]}
    level = facts["evaluation"]["definition"]["interval_level"]
    facts["updates"] = {
        h.outcome: {"kind": h.update.kind, "label": found.artifact.facts["labels"][h.outcome]}
        | coefficients(h.update, level)
        for h in found.artifact.model.heads
    }
    # What is said of a grandparent is not said of the parent.
    provenance = {k: v for k, v in before.items() if not k.startswith("parent_")} | descent
    artifact = replace(found.artifact, facts=found.artifact.facts | {"provenance": provenance})
    folder = output / "model"
    _emptied(folder)
    write_artifact(artifact, folder)
    (output / "recalibration.json").write_text(
        json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8"
    )
    # What findings mean was learned from the parent's patients: the site's make it no other kind.
    kind = parent[COHORT_KIND] or "unknown"
    entry = Entry(
        run_name=f"{config.name} recalibrated",
        model_name=name,
        experiment=config.registry.experiment,
        params={f"update.{k}": v for k, v in kinds.items()},
        metrics=flat_metrics(facts["evaluation"]),
        tags=tags(provenance | {"model_sha256": model_digest(folder)}, facts["gate"])
        | comparable_tags(config.outcomes, kind),
        files={"recalibration": [output / "recalibration.json"]},
        model_folder=folder,
        entry_point=package / "serving" / "pyfunc.py",
        package=package,
        description="Research use only. The model card of this version is yet to be attached.",
        champion=False,
    )
    store = config.path(config.registry.store)
    registered = register(entry, read_artifact(folder), uri, store.parent / "mlartifacts")
    facts["registered"] = registered
    site = site_facts(
        facts, config.card.title, config.primary_outcome, config.evaluation.minimum_cell
    )
    html, markdown = output / "model_card.html", output / "model_card.md"
    html.write_text(to_html(site, _parents_card(model, parent, uri)), encoding="utf-8")
    text = to_markdown(site)
    markdown.write_text(text, encoding="utf-8")
    attach_card(uri, registered, [html, markdown], text)
    return registered


def _parent(model: str, digest: str, name: str, uri: str) -> dict[str, Any]:
    """Which version the model descends from, as far as the registry knows."""
    with mlflow_at(uri):
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        client = MlflowClient()
        if model.startswith("models:/"):
            found = find_version(client, name, model)
            told = found.tags.get("model_sha256")
            if told is not None and told != digest:
                raise InputError(
                    f"is not the model that was recalibrated (registered: {told[:12]}, read: "
                    f"{digest[:12]})",
                    file=model,
                    expected=f"version {found.version} of {name}, as it was registered",
                    mend="give the version by its number, and see that nobody changed its files",
                )
        else:
            try:
                found = version_of_model(client, name, digest)
            except MlflowException:
                found = None
        return {
            "version": None if found is None else str(found.version),
            "run": None if found is None else found.run_id,
            "sha256": digest,
            "cohort_kind": None if found is None else found.tags.get(COHORT_KIND),
        }


def _parents_card(model: str, parent: dict[str, Any], uri: str) -> str | None:
    """The parent's own card as HTML, from the registry or beside its folder."""
    if parent["run"] is None:
        beside = card_of(Path(model))
        return None if beside is None else beside.read_text(encoding="utf-8")
    with mlflow_at(uri), TemporaryDirectory() as folder:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            path = MlflowClient().download_artifacts(parent["run"], "card/model_card.html", folder)
            return Path(path).read_text(encoding="utf-8")
        except (MlflowException, OSError):
            return None


def _emptied(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
