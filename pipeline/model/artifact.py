"""The model as a folder of text: one JSON file, and LightGBM's own text per column of outcomes.

No pickle. Loading needs numpy and this package, not scikit-learn, shap or matplotlib.
Numbers are written so that they read back to the same bits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.cohort.dictionary import Dictionary
from pipeline.errors import InputError
from pipeline.features.plan import FeaturePlan
from pipeline.model.deviation import Deviation
from pipeline.model.head import Head, Prior
from pipeline.model.imputation import FactorImputer
from pipeline.model.interval import Uncertainty
from pipeline.model.linear import Basis, LinearLearner
from pipeline.model.risk_model import RiskModel
from pipeline.model.trees import Trees
from pipeline.model.update import Update

FORMAT = 4
_MODEL_FILE = "model.json"


@dataclass(frozen=True)
class Artifact:
    """Everything that scoring needs.

    Attributes
    ----------
    model : RiskModel
    plan : FeaturePlan
    dictionary : Dictionary
        The baseline variables that a patient may have.
    facts : dict
        Plain facts for people and rules: name, labels of outcomes, interval level, leading
        variables, scoring rules, provenance.
    """

    model: RiskModel
    plan: FeaturePlan
    dictionary: Dictionary
    facts: dict[str, Any]


def write_artifact(artifact: Artifact, folder: Path) -> None:
    """Write the model into an existing empty folder."""
    content = {
        "format": FORMAT,
        "facts": artifact.facts,
        "capped_by": artifact.model.capped_by,
        "therapies_seen": artifact.model.therapies_seen,
        "imputer": _plain(asdict(artifact.model.imputer)),
        "deviations": _deviations_to_json(artifact.model.heads, folder),
        "heads": [_head_to_json(head) for head in artifact.model.heads],
        "plan": artifact.plan.model_dump(mode="json", exclude_defaults=True),
        "dictionary": artifact.dictionary.to_json(),
    }
    options: dict[str, Any] = {"ensure_ascii": False, "allow_nan": False, "separators": (",", ":")}
    # A line per top-level part keeps differences between two models readable.
    lines = [f'"{part}":{json.dumps(value, **options)}' for part, value in content.items()]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (folder / _MODEL_FILE).write_text(text, encoding="utf-8", newline="\n")


def read_artifact(folder: Path) -> Artifact:
    """Read a model that ``write_artifact`` wrote.

    Raises
    ------
    InputError
        Where the folder holds no model, a damaged one, or one of another format.
    """
    file = folder / _MODEL_FILE
    if not file.is_file():
        raise InputError(
            "holds no model.json",
            file=folder,
            expected="a model folder such as models/default/train/model",
            mend="train a model with 'make run', or correct the path",
        )
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise InputError("is not whole JSON", file=file, mend="train the model again") from None
    if not isinstance(content, dict):
        raise InputError("is not a model", file=file, mend="train the model again")
    if content.get("format") != FORMAT:
        raise InputError(
            f"has format {content.get('format')}",
            file=file,
            expected=f"format {FORMAT}",
            mend="use the version of this package that wrote it, or train the model again",
        )
    try:
        return _artifact_from_json(content, folder)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError("is not a whole model", file=file, mend="train the model again") from None


def _artifact_from_json(content: dict[str, Any], folder: Path) -> Artifact:
    capped_by = tuple(content["capped_by"])
    deviations = [_deviation_from_json(part, folder) for part in content["deviations"]]
    learned = {name: deviation for names, deviation in deviations for name in names}
    heads = tuple(_head_from_json(entry, learned) for entry in content["heads"])
    imputer = FactorImputer(**{k: np.array(v) for k, v in content["imputer"].items()})
    return Artifact(
        model=RiskModel(heads, imputer, capped_by, tuple(content["therapies_seen"])),
        plan=FeaturePlan.model_validate(content["plan"]),
        dictionary=Dictionary.from_json(content["dictionary"]),
        facts=content["facts"],
    )


def trees_file(outcomes: Iterable[str]) -> str:
    """Name of the file that holds the trees of outcomes which share a deviation."""
    return f"trees_{'_'.join(outcomes)}.txt"


def shared_deviations(heads: Iterable[Head]) -> list[tuple[list[str], Deviation]]:
    """Each learned deviation once, with the outcomes that follow it."""
    found: dict[int, tuple[list[str], Deviation]] = {}
    for head in heads:
        if head.deviation is not None:
            found.setdefault(id(head.deviation), ([], head.deviation))[0].append(head.outcome)
    return list(found.values())


def _deviations_to_json(heads: tuple[Head, ...], folder: Path) -> list[dict[str, Any]]:
    parts = []
    for outcomes, deviation in shared_deviations(heads):
        trees, file = deviation.trees, trees_file(outcomes)
        (folder / file).write_text(trees.text, encoding="utf-8", newline="\n")
        parts.append(
            {
                "outcomes": outcomes,
                "trees": {
                    "file": file,
                    "sha256": _digest(trees.text),
                    "leaves": trees.leaves,
                    "trees": trees.trees,
                    "base": trees.base,
                },
                "ridge": _plain(asdict(deviation.ridge)),
                "elastic_net": _plain(asdict(deviation.elastic_net)),
            }
        )
    return parts


def _deviation_from_json(part: dict[str, Any], folder: Path) -> tuple[list[str], Deviation]:
    trees = part["trees"]
    file = folder / trees["file"]
    if not file.is_file():
        raise InputError("is missing", file=file, mend="copy the whole model folder")
    text = file.read_bytes().decode("utf-8", errors="replace")
    # LightGBM ends the whole process where its text is damaged.
    if _digest(text) != trees["sha256"]:
        raise InputError("is damaged or was changed", file=file, mend="train the model again")
    return part["outcomes"], Deviation(
        Trees(text, trees["leaves"], trees["trees"], trees["base"]),
        _linear(part["ridge"]),
        _linear(part["elastic_net"]),
    )


def _head_to_json(head: Head) -> dict[str, Any]:
    kept = (name for name in Head.__dataclass_fields__ if name != "deviation")
    entry = {name: getattr(head, name) for name in kept}
    entry["prior"] = asdict(head.prior)
    entry["update"] = asdict(head.update)
    entry["uncertainty"] = _plain(asdict(head.uncertainty))
    return entry


def _head_from_json(entry: dict[str, Any], learned: dict[str, Deviation]) -> Head:
    spread, prior = entry.pop("uncertainty"), Prior(**entry.pop("prior"))
    uncertainty = Uncertainty(_basis(spread["basis"]), np.array(spread["root"]))
    change = entry.pop("update")
    change["covariance"] = tuple(tuple(row) for row in change["covariance"])
    for name in ("b", "therapy_effects", "modality_effects"):
        entry[name] = tuple(entry[name])
    return Head(
        **entry,
        prior=prior,
        deviation=learned.get(entry["outcome"]),
        uncertainty=uncertainty,
        update=Update(**change),
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _linear(part: dict[str, Any]) -> LinearLearner:
    coefficients = np.array(part["coefficients"])
    return LinearLearner(_basis(part["basis"]), coefficients, part["penalty"])


def _basis(part: dict[str, Any]) -> Basis:
    scale = [np.inf if s is None else s for s in part["scale"]]
    return Basis(part["knots"], np.array(part["centre"]), np.array(scale))


def _plain(value: Any) -> Any:
    """Arrays to lists; infinity, the scale of a term without variation, to null."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(part) for part in value]
    return None if value == float("inf") else value
