"""The model as a folder of text: one JSON file and LightGBM's own text per head.

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

FORMAT = 3
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
        "heads": [_head_to_json(head, folder) for head in artifact.model.heads],
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
    heads = tuple(_head_from_json(entry, folder) for entry in content["heads"])
    imputer = FactorImputer(**{k: np.array(v) for k, v in content["imputer"].items()})
    return Artifact(
        model=RiskModel(heads, imputer, capped_by, tuple(content["therapies_seen"])),
        plan=FeaturePlan.model_validate(content["plan"]),
        dictionary=Dictionary.from_json(content["dictionary"]),
        facts=content["facts"],
    )


def _head_to_json(head: Head, folder: Path) -> dict[str, Any]:
    entry = {
        name: getattr(head, name)
        for name in Head.__dataclass_fields__
        if name not in ("prior", "deviation", "uncertainty", "update")
    }
    entry["prior"] = asdict(head.prior)
    entry["update"] = asdict(head.update)
    entry["deviation"] = None
    if head.deviation is not None:
        trees = head.deviation.trees
        file = f"trees_{head.outcome}.txt"
        (folder / file).write_text(trees.text, encoding="utf-8", newline="\n")
        entry["deviation"] = {
            "trees": {
                "file": file,
                "sha256": _digest(trees.text),
                "leaves": trees.leaves,
                "trees": trees.trees,
            },
            "ridge": _plain(asdict(head.deviation.ridge)),
            "elastic_net": _plain(asdict(head.deviation.elastic_net)),
        }
    entry["uncertainty"] = _plain(asdict(head.uncertainty))
    return entry


def _head_from_json(entry: dict[str, Any], folder: Path) -> Head:
    part, spread = entry.pop("deviation"), entry.pop("uncertainty")
    deviation = None
    if part:
        file = folder / part["trees"]["file"]
        if not file.is_file():
            raise InputError("is missing", file=file, mend="copy the whole model folder")
        text = file.read_bytes().decode("utf-8", errors="replace")
        # LightGBM ends the whole process where its text is damaged.
        if _digest(text) != part["trees"]["sha256"]:
            raise InputError("is damaged or was changed", file=file, mend="train the model again")
        deviation = Deviation(
            Trees(text, part["trees"]["leaves"], part["trees"]["trees"]),
            _linear(part["ridge"]),
            _linear(part["elastic_net"]),
        )
    uncertainty = Uncertainty(_basis(spread["basis"]), np.array(spread["root"]))
    prior, change = Prior(**entry.pop("prior")), entry.pop("update")
    change["covariance"] = tuple(tuple(row) for row in change["covariance"])
    for name in ("b", "therapy_effects"):
        entry[name] = tuple(entry[name])
    return Head(**entry, prior=prior, deviation=deviation, uncertainty=uncertainty,
                update=Update(**change))  # fmt: skip


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _linear(part: dict[str, Any]) -> LinearLearner:
    coefficients = np.array(part["coefficients"])
    return LinearLearner(_basis(part["basis"]), coefficients, part["intercept"], part["penalty"])


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
