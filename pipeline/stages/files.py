"""Where stages leave what others read, and how it is read and written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipeline.cohort.dictionary import Dictionary
from pipeline.runner import Job

if TYPE_CHECKING:
    from pipeline.features.plan import FeaturePlan
    from pipeline.model.artifact import Artifact


def read_json(path: Path) -> Any:
    """Read what ``write_json`` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write facts; NaN and infinity are refused, for no reader of JSON agrees on them."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def cohort_of(job: Job) -> pd.DataFrame:
    """The canonical cohort, which ``ingest`` left."""
    return pd.read_parquet(job.run / "ingest" / "cohort.parquet")


def dictionary_of(job: Job) -> Dictionary:
    """The dictionary of the cohort's columns, which ``ingest`` left."""
    return Dictionary.from_json(read_json(job.run / "ingest" / "dictionary.json"))


def plan_of(job: Job) -> FeaturePlan:
    """The columns of the model matrix, which ``features`` left."""
    from pipeline.features.plan import FeaturePlan

    return FeaturePlan.model_validate(read_json(job.run / "features" / "features.json"))


def artifact_of(job: Job) -> Artifact:
    """The model, which ``train`` left."""
    from pipeline.model.artifact import read_artifact

    return read_artifact(job.run / "train" / "model")


def is_synthetic(job: Job) -> bool:
    """Whether the cohort was drawn, so that nobody in it is real."""
    return bool(read_json(job.run / "ingest" / "ingest.json")["kind"] == "synthetic")
