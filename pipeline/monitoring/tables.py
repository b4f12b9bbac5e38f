"""Tables of patients for a model in use: read, and outcomes held to the dictionary."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pipeline.cohort.dictionary import read_dictionary
from pipeline.cohort.grading_systems import comparable
from pipeline.config import Audit, Config
from pipeline.errors import InputError
from pipeline.ingest.checks import check_values
from pipeline.ingest.files import read_frame


def read_patients(file: Path, config: Config) -> pd.DataFrame:
    """Read patients whose outcomes may be held against a model's risks.

    Raises
    ------
    InputError
        Where outcomes are outside the dictionary's range or between grades, or graded by another
        system than the config's; values are counted, never quoted.
    """
    frame = read_frame(file, "--cohort")
    dictionary = read_dictionary(config.path(config.dictionary))
    for name in frame.columns:
        if name in dictionary and dictionary[name].role == "outcome":
            # What is no number has an error of its own, where the model reads the column.
            values = pd.to_numeric(frame[name], errors="coerce")
            check_values(values, dictionary[name], config, str(file))
    _check_grading(frame, config.audit, file)
    return frame


def _check_grading(frame: pd.DataFrame, settings: Audit, file: Path) -> None:
    """Refuse grades that are not comparable with ours."""
    if settings.grading_column not in frame:
        return
    systems = frame[settings.grading_column].dropna().astype(str).str.strip()
    stated = systems[systems != ""]
    others = sum(not comparable(system, settings.grading_system) for system in stated)
    if others:
        raise InputError(
            f"{others} of {len(frame)} patients are graded by another system",
            file=file,
            column=settings.grading_column,
            expected=f"grades by {settings.grading_system}, as the model's outcomes are",
            mend=f"grade these patients by {settings.grading_system} from their signs, or leave "
            "their outcomes and this column empty",
        )
