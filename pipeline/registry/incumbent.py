"""Whether a new version may displace the champion: like may only be displaced by like."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeline.config import Outcome

CHAMPION = "champion"
OUTCOMES, COHORT_KIND = "outcomes", "cohort_kind"


def comparable_tags(outcomes: Mapping[str, Outcome], cohort_kind: str) -> dict[str, str]:
    """Return the tags by which a version is compared with the one it would displace.

    Parameters
    ----------
    outcomes : mapping of str to Outcome
        What the model predicts.
    cohort_kind : str
        ``table`` for real patients, ``synthetic`` for drawn ones, ``unknown`` where a model that
        was recalibrated does not say on whom its parent was trained.
    """
    # Labels may be reworded; name, column and grade are what a caller relies on.
    told = [
        {"name": name, "column": outcome.column, "at_least": float(outcome.at_least)}
        for name, outcome in sorted(outcomes.items())
    ]
    return {OUTCOMES: json.dumps(told), COHORT_KIND: cohort_kind}


def why_champion_stays(client: Any, model_name: str, tags: Mapping[str, str]) -> str | None:
    """Say why the champion's alias must not move to a version with these tags.

    Whoever scores with ``models:/<name>@champion`` expects the same outcomes tomorrow, and never
    that a model of real patients gives way to one of drawn patients.

    Parameters
    ----------
    client : MlflowClient
    model_name : str
        A registered model.
    tags : mapping
        Of the new version, with those of `comparable_tags`.

    Returns
    -------
    str or None
        A sentence with the way to mend it; None where there is no champion, or a like one.
    """
    version = client.get_registered_model(model_name).aliases.get(CHAMPION)
    if version is None:
        return None
    theirs = client.get_model_version(model_name, str(version)).tags
    if theirs.get(OUTCOMES) != tags.get(OUTCOMES):
        reason = (
            "predicts other outcomes"
            if OUTCOMES in theirs
            else "does not say which outcomes it predicts"
        )
    elif theirs.get(COHORT_KIND) == "table" and tags.get(COHORT_KIND) != "table":
        ours = "on synthetic ones" if tags.get(COHORT_KIND) == "synthetic" else "does not say so"
        reason = f"was trained on real patients, and this version {ours}"
    else:
        return None
    return (
        f"version {version} of {model_name} stays champion: it {reason}; set "
        "registry.model_name to a name of this model's own, or remove the alias 'champion' by hand"
    )
