"""The scorer: raw baseline records in, risks with intervals, status and reasons out.

Batch, MLflow, HTTP, Dask and Spark all call it; it needs numpy, pandas and LightGBM's C
library, not scikit-learn, shap, matplotlib or MLflow.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.errors import InputError
from pipeline.features.encoder import Arm, Arms, Encoder, Inputs
from pipeline.model.artifact import Artifact, read_artifact
from pipeline.model.risk_model import Risks
from pipeline.serving.compiled import Compiled
from pipeline.serving.frames import inputs_of_frame
from pipeline.serving.records import RecordReader
from pipeline.serving.rules import Rules
from pipeline.serving.verdict import Verdict

ABSTAINED = "no risk: "
_FEW = 8
_BLOCK = 512  # rows at a time: what they need stays in the processor's cache
# What pandas calls "str"; stated, because an empty list says nothing of its type.
_STR = pd.StringDtype(na_value=np.nan)


class Scorer:
    """A loaded model.

    Parameters
    ----------
    artifact : Artifact
        As ``read_artifact`` returns it.

    Attributes
    ----------
    inputs : dict of str to str
        The columns that ``predict`` reads, each with its unit (or kind).
    """

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self._encoder = Encoder(artifact.plan)
        self._model = Compiled(artifact)
        self._rules = Rules(artifact, self._encoder)
        self._outcomes = artifact.model.outcomes
        self.inputs = {v.name: v.unit or v.kind for v in artifact.dictionary}
        self._statuses = _text(["ok", "abstain"])
        self._reader = RecordReader(artifact.dictionary, self._encoder, artifact.facts)

    def score(
        self, records: Sequence[Mapping[str, Any]], reasons: bool = True
    ) -> list[dict[str, Any]]:
        """Score records with a unit and a day for each value.

        Parameters
        ----------
        records : sequence of mapping
            Per patient, variable to a plain value in the dictionary's unit, or to
            ``{"value": 3.5, "unit": "mg/dL", "day": -1}``; see ``RecordReader.read``.
        reasons : bool
            Whether to add the exact contributions.

        Returns
        -------
        list of dict
            Per patient: ``status`` (``ok`` or ``abstain``), ``because`` (why there is no
            risk), ``warnings``, ``therapy`` (canonical name or None), ``risks`` (outcome to
            ``risk``, ``low``, ``high`` and ``prior``; None where unknown; and ``evidence``,
            which says what the prior is: as ``features.therapy.Rate`` has it, or the training
            cohort's ``base`` rate) and, if asked for and there is a risk,
            ``reasons`` (outcome to ``base``, ``contributions`` on the log-odds by source, and
            ``from``, the outcome whose head gave the risk).

        Raises
        ------
        InputError
            Where a name is unknown or a value is of a wrong type; values are not quoted.
        """
        verdict = Verdict(len(records))
        inputs = self._reader.read(records, verdict)
        arms, risks, base, parts = self._predicted(inputs, verdict, reasons)
        outcomes = self._outcomes
        names = ("risk", "low", "high", "prior")
        # Per name, patient and outcome.
        numbers = [getattr(risks, name).tolist() for name in names]
        answers = []
        told = zip(*numbers, verdict.because, verdict.warnings, strict=True)
        for row, (*of_names, because, warnings) in enumerate(told):
            found = list(zip(*of_names, strict=True))
            arm = arms.each[arms.of[row]] if arms.each else None
            answer: dict[str, Any] = {
                "status": "abstain" if because else "ok",
                "because": because,
                "warnings": warnings,
                "therapy": arm.therapy if arm else None,
                "risks": {
                    outcome: dict(zip(names, four, strict=True)) | {"evidence": evidence}
                    for outcome, four, evidence in zip(
                        outcomes, found, self._evidence(arm), strict=True
                    )
                },
            }
            if because or math.isnan(sum(map(sum, found))):
                for of_outcome in answer["risks"].values():
                    _withhold(of_outcome, bool(because))
            if reasons and not because:
                answer["reasons"] = self._reasons(risks, base, parts, row)
            answers.append(answer)
        return answers

    def predict(self, frame: pd.DataFrame, reasons: bool = True) -> pd.DataFrame:
        """Score a table of patients.

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
        verdict = Verdict(len(frame))
        inputs = self._few(frame)
        if inputs is None:
            inputs = inputs_of_frame(frame, self.artifact.dictionary, self._encoder)
        _, risks, base, parts = self._predicted(inputs, verdict, reasons)
        abstains = verdict.abstains
        columns: dict[str, Any] = {}
        for k, outcome in enumerate(self.artifact.model.outcomes):
            for name, found in (
                (f"risk_{outcome}", risks.risk),
                (f"risk_{outcome}_low", risks.low),
                (f"risk_{outcome}_high", risks.high),
            ):
                columns[name] = np.where(abstains, np.nan, found[:, k])
            columns[f"prior_{outcome}"] = risks.prior[:, k]
        columns["status"] = self._statuses.take(abstains.astype(int))
        patterns, pattern = verdict.patterns()
        notes = [[ABSTAINED + why for why in because] + told for because, told in patterns]
        written = [json.dumps(sentences, ensure_ascii=False) for sentences in notes]
        columns["notes"] = _text(written).take(pattern)
        if reasons:
            columns["reasons"] = _text(
                [
                    "{}" if abstained else json.dumps(self._reasons(risks, base, parts, row))
                    for row, abstained in enumerate(abstains)
                ]
            )
        return pd.DataFrame(columns, index=frame.index)

    def _few(self, frame: pd.DataFrame) -> Inputs | None:
        """Read a few plain rows as records: columns one by one would take most of the time."""
        if len(frame) > _FEW or not frame.columns.is_unique:
            return None
        known = [(at, name) for at, name in enumerate(frame.columns) if name in self.inputs]
        cells = frame.to_numpy(dtype=object).tolist()
        records = [{name: row[at] for at, name in known} for row in cells]
        texts = self._encoder.texts
        if not all(_is_plain(c, name in texts) for record in records for name, c in record.items()):
            return None
        try:
            return self._reader.read(records, Verdict(len(frame)))
        except InputError:
            return None  # told in a table's own words

    def _predicted(
        self, inputs: Inputs, verdict: Verdict, reasons: bool
    ) -> tuple[Arms, Risks, np.ndarray, np.ndarray]:
        arms = self._encoder.arms(inputs)
        # A row that will abstain may hold what no arithmetic is defined for.
        with np.errstate(invalid="ignore", over="ignore"):
            if len(inputs) <= _BLOCK:
                risks, base, parts = self._predicted_block(inputs, arms, reasons)
            else:
                blocks = [
                    self._predicted_block(inputs.part(rows), arms.part(rows), reasons)
                    for rows in (slice(at, at + _BLOCK) for at in range(0, len(inputs), _BLOCK))
                ]
                of_blocks, bases, parts_of = zip(*blocks, strict=True)
                risks = Risks(
                    *(
                        np.concatenate([getattr(r, f.name) for r in of_blocks])
                        for f in fields(Risks)
                    )
                )
                base, parts = np.concatenate(bases), np.concatenate(parts_of)
        self._rules.judge(inputs, arms, risks, verdict)
        return arms, risks, base, parts

    def _predicted_block(
        self, inputs: Inputs, arms: Arms, reasons: bool
    ) -> tuple[Risks, np.ndarray, np.ndarray]:
        return self._model.predict(self._encoder.matrix(inputs, arms), arms, reasons)

    def _evidence(self, arm: Arm | None) -> list[str | None]:
        """What each outcome's prior rests on."""
        of_rates = arm.evidence if arm else [None] * len(self._outcomes)
        return [
            evidence if head.prior.kind == "published" else "base"
            for head, evidence in zip(self.artifact.model.heads, of_rates, strict=True)
        ]

    def _reasons(
        self, risks: Risks, base: np.ndarray, parts: np.ndarray, row: int
    ) -> dict[str, Any]:
        outcomes, sources = self._outcomes, self._model.sources
        each = [dict(zip(sources, given, strict=True)) for given in parts[row].T.tolist()]
        if not parts[row].all():  # which is rare: nearly every source adds something
            each = [{name: part for name, part in found.items() if part} for found in each]
        return {
            outcome: {"base": start, "contributions": found, "from": outcomes[lender]}
            for outcome, start, found, lender in zip(
                outcomes,
                base[row].tolist(),
                each,
                risks.bound_by[row].tolist(),
                strict=True,
            )
        }


def score_frame(frame: pd.DataFrame, model: str, reasons: bool = True) -> pd.DataFrame:
    """Score a table with the model at an address, which each process loads once.

    For engines that send a function to their workers: see ``Scorer.predict``. With Dask,
    ``ddf.map_partitions(score_frame, address)``.
    """
    return _loaded(model).predict(frame, reasons)


@lru_cache(maxsize=4)
def _loaded(model: str) -> Scorer:
    return load(model)


def load(path_or_uri: str, store: str | None = None) -> Scorer:
    """Load a scorer from a model folder, or from an MLflow address such as ``models:/…``.

    Parameters
    ----------
    path_or_uri : str
    store : str, optional
        Address of the tracking store; by default the one of a run with default settings.

    Raises
    ------
    InputError
        Where there is no model at the address.
    """
    if ":/" in str(path_or_uri) and not Path(path_or_uri).exists():
        from pipeline.registry.address import fetch_model

        return Scorer(read_artifact(fetch_model(str(path_or_uri), store)))
    return Scorer(read_artifact(Path(path_or_uri)))


def _is_plain(cell: object, text: bool) -> bool:
    """Whether records and tables read a cell alike."""
    kind = type(cell)
    if kind is str:
        return text
    return kind in (float, bool, type(None)) or (kind is int and abs(cell) < 2**53)  # type: ignore[arg-type]


def _withhold(found: dict[str, Any], abstains: bool) -> None:
    for name, value in found.items():
        # The prior is told even where the model abstains: it is of the therapy, not of the patient.
        if value != value or (abstains and name not in ("prior", "evidence")):
            found[name] = None


def _text(values: Any) -> Any:
    return pd.array(values, dtype=_STR)
