"""Scoring a table of patients from the shell."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import InputError, did_you_mean
from pipeline.ingest.files import read_frame
from pipeline.serving.scorer import load

# Columns that are named one by one where no risk rests on them.
_NAMED = 5


def score_file(model: str, source: Path, target: Path) -> str:
    """Score a file, write the risks, and say what was done and which columns were not read.

    Parameters
    ----------
    model : str
        Model folder or MLflow address.
    source : Path
        Columns named as in the model's dictionary, in its units. The patient identifier of
        that dictionary is kept beside the risks; where the file lacks it, the row's number,
        counted from 1.
    target : Path
        ``.parquet`` or ``.csv``; written whole or not at all.

    Raises
    ------
    InputError
        Where model, source or target cannot be used.
    """
    _check_target(target, source)
    scorer = load(model)
    frame = read_frame(source)
    if not any(name in frame for name in scorer.inputs):
        raise InputError(
            "holds none of the model's columns",
            file=source,
            expected="columns such as " + ", ".join(list(scorer.inputs)[:5]),
            mend="rename the columns to the names of the model's dictionary",
        )
    try:
        risks = scorer.predict(frame)
    except InputError as error:
        raise InputError(
            error.problem,
            file=source,
            column=error.column,
            expected=error.expected,
            mend=error.mend,
        ) from None
    identifier = scorer.artifact.facts.get("identifier")
    if identifier in frame:
        risks.insert(0, identifier, frame[identifier])
    else:
        risks.insert(0, "row", np.arange(1, len(risks) + 1))
    _write_whole(risks, target)
    abstained = int((risks["status"] == "abstain").sum())
    scored = "1 patient" if len(risks) == 1 else f"{len(risks):,} patients"
    said = f"{scored} scored, {abstained:,} of them without a risk: {target}"
    return "\n".join([said, *_unread(frame, list(scorer.inputs), identifier)])


def _unread(frame: pd.DataFrame, inputs: list[str], identifier: str | None) -> list[str]:
    """Name the columns that no risk rests on, first those whose names may be mistaken."""
    absent = [name for name in inputs if name not in frame]
    names = [str(name) for name in frame.columns if name not in {*inputs, identifier}]
    hints = {name: did_you_mean(name, absent) for name in names}
    mistaken = [f"Not read: column '{name}'{hint}" for name, hint in hints.items() if hint]
    others = [f"'{name}'" for name, hint in hints.items() if not hint]
    if len(others) > _NAMED:
        others[_NAMED:] = [f"and {len(others) - _NAMED} more"]
    return mistaken + ([f"Not read: {', '.join(others)}"] if others else [])


def _check_target(target: Path, source: Path) -> None:
    if target.suffix not in (".parquet", ".csv"):
        raise InputError(
            f"ends in '{target.suffix}'",
            file=target,
            expected="a name that ends in .parquet or .csv",
        )
    if not target.parent.is_dir():
        raise InputError("its folder does not exist", file=target, mend=f"mkdir {target.parent}")
    if target.is_dir():
        raise InputError("is a folder", file=target, expected="the name of a file to write")
    if target.exists() and source.exists() and target.samefile(source):
        raise InputError("is the input itself", file=target, mend="give --output a name of its own")


def _write_whole(table: pd.DataFrame, target: Path) -> None:
    aside = target.with_name(f".{target.name}.new")
    try:
        if target.suffix == ".csv":
            table.to_csv(aside, index=False)
        else:
            table.to_parquet(aside, index=False)
        aside.replace(target)
    except OSError as error:
        raise InputError(
            f"cannot be written ({os.strerror(error.errno or 0)})",
            file=target,
            mend="check free space and permissions, or name another --output",
        ) from None
    finally:
        if target.parent.is_dir():
            aside.unlink(missing_ok=True)
