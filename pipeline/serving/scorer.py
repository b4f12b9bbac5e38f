"""The scorer: raw baseline records in, risks with intervals, status and reasons out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.features.matrix import values_of
from pipeline.model.artifact import Artifact, read_artifact
from pipeline.model.predict import Prediction, predict_with_reasons
from pipeline.model.risk_model import PRIOR_SOURCE
from pipeline.serving.records import typed_records
from pipeline.serving.rules import judge_rows


class Scorer:
    """A loaded model.

    Parameters
    ----------
    artifact : Artifact
        As ``read_artifact`` returns it.
    """

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact

    @property
    def inputs(self) -> dict[str, str]:
        """The columns that ``predict`` reads, each with its unit (or kind)."""
        return {v.name: v.unit or v.kind for v in self.artifact.dictionary}

    def predict(self, frame: pd.DataFrame, reasons: bool = True) -> pd.DataFrame:
        """Score patients.

        Parameters
        ----------
        frame : DataFrame
            One row per patient, columns named as in the model's dictionary, in its units.
            Order does not matter; further columns are ignored; an absent column is missing.
        reasons : bool
            Whether to add the exact contributions as JSON.

        Returns
        -------
        DataFrame
            With the frame's index. Per outcome ``risk_…``, ``risk_…_low``, ``risk_…_high``
            and ``prior_…``; then ``status`` (``ok`` or ``abstain``), ``notes`` (a JSON list
            of sentences) and ``reasons`` (JSON: per outcome the base, the contribution of
            each source on the log-odds, and the outcome whose head gave the risk). Where
            the status is ``abstain`` there is no risk.

        Raises
        ------
        InputError
            Where a numeric column holds text or dates, or a column stands twice.
        """
        records = typed_records(frame, self.artifact.dictionary)
        values = values_of(records, self.artifact.plan)
        # A row that will abstain may hold what no arithmetic is defined for.
        with np.errstate(invalid="ignore", over="ignore"):
            prediction = predict_with_reasons(self.artifact, values)
        abstains, notes = judge_rows(self.artifact, values, prediction.risks)
        columns: dict[str, Any] = {}
        for k, outcome in enumerate(self.artifact.model.outcomes):
            for name, found in (
                (f"risk_{outcome}", prediction.risks.risk),
                (f"risk_{outcome}_low", prediction.risks.low),
                (f"risk_{outcome}_high", prediction.risks.high),
            ):
                columns[name] = np.where(abstains, np.nan, found[:, k])
            columns[f"prior_{outcome}"] = prediction.risks.prior[:, k]
        columns["status"] = np.where(abstains, "abstain", "ok")
        texts = {"notes": [json.dumps(row, ensure_ascii=False) for row in notes]}
        if reasons:
            texts["reasons"] = _reasons(prediction, self.artifact, abstains)
        # Stated, because an empty list says nothing of its type.
        columns |= {name: pd.array(rows, dtype="str") for name, rows in texts.items()}
        return pd.DataFrame(columns, index=frame.index)


def load(path_or_uri: str) -> Scorer:
    """Load a scorer from a model folder, or from an MLflow address such as ``models:/…``.

    Raises
    ------
    InputError
        Where there is no model at the address.
    """
    if ":/" in str(path_or_uri) and not Path(path_or_uri).exists():
        from pipeline.registry.address import fetch_model

        return Scorer(read_artifact(fetch_model(str(path_or_uri))))
    return Scorer(read_artifact(Path(path_or_uri)))


def _reasons(prediction: Prediction, artifact: Artifact, abstains: np.ndarray) -> list[str]:
    names = [*artifact.plan.sources, PRIOR_SOURCE]
    outcomes = artifact.model.outcomes
    base, parts = prediction.base.tolist(), prediction.contributions.tolist()
    bound_by = prediction.risks.bound_by.tolist()
    texts = []
    for row, abstained in enumerate(abstains):
        if abstained:
            texts.append("{}")
            continue
        reasons = {
            outcome: {
                "base": base[row][k],
                "contributions": {
                    name: parts[row][s][k] for s, name in enumerate(names) if parts[row][s][k]
                },
                "from": outcomes[bound_by[row][k]],
            }
            for k, outcome in enumerate(outcomes)
        }
        texts.append(json.dumps(reasons))
    return texts
