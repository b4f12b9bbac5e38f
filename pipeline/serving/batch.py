"""Scoring a table of patients from the shell."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pipeline.errors import InputError
from pipeline.ingest.files import read_frame
from pipeline.serving.scorer import load


def score_file(model: str, source: Path, target: Path) -> str:
    """Score a file, write the risks, and return a sentence on what was done.

    Parameters
    ----------
    model : str
        Model folder or MLflow address.
    source : Path
        Columns named as in the model's dictionary, in its units; a column with the
        dictionary's patient identifier, or else the row number, is kept beside the risks.
    target : Path
        ``.parquet`` or ``.csv``; written whole or not at all.

    Raises
    ------
    InputError
        Where model, source or target cannot be used.
    """
    if target.suffix not in (".parquet", ".csv"):
        raise InputError(
            f"ends in '{target.suffix}'",
            file=target,
            expected="a name that ends in .parquet or .csv",
        )
    if not target.parent.is_dir():
        raise InputError("its folder does not exist", file=target, mend=f"mkdir {target.parent}")
    scorer = load(model)
    frame = read_frame(source)
    known = [name for name in scorer.inputs if name in frame]
    if not known:
        raise InputError(
            "holds none of the model's columns",
            file=source,
            expected="columns such as " + ", ".join(list(scorer.inputs)[:5]),
            mend="rename the columns to the names of the model's dictionary",
        )
    risks = scorer.predict(frame)
    identifier = frame[["patient_id"]] if "patient_id" in frame else frame[[]]
    _write_whole(pd.concat([identifier, risks], axis=1), target)
    abstained = int((risks["status"] == "abstain").sum())
    return f"{len(risks):,} patients scored, {abstained:,} of them without a risk: {target}"


def _write_whole(table: pd.DataFrame, target: Path) -> None:
    aside = target.with_name(f".{target.name}.new")
    try:
        if target.suffix == ".csv":
            table.to_csv(aside, index=False)
        else:
            table.to_parquet(aside, index=False)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
