"""What a model must beat first: the therapy alone, or the base rate where none is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from pipeline.cohort.dictionary import Dictionary
from pipeline.model.patients import Patients


@dataclass(frozen=True)
class Yardstick:
    """The comparator ``therapy_only`` in words.

    Attributes
    ----------
    key : str
        In the gate's criterion.
    short : str
        What it knows, as in "net benefit over therapy alone".
    model : str
        The comparator, as in "log-loss against the therapy-only model".
    """

    key: str
    short: str
    model: str

    @property
    def alone(self) -> str:
        """The same within a sentence, as in "adds to the therapy alone"."""
        return f"the {self.short}"


THERAPY = Yardstick("therapy_only", "therapy alone", "the therapy-only model")
BASE_RATE = Yardstick("base_rate", "base rate", "the base rate")


def yardstick(evaluation: Mapping[str, Any]) -> Yardstick:
    """Return what the comparator ``therapy_only`` of an evaluation is.

    Without a therapy it is the training patients' base rate, and to call a lower loss than that a
    win over the therapy would claim what nobody measured.

    Parameters
    ----------
    evaluation : mapping
        ``evaluation.json``.
    """
    recorded = evaluation.get("definition", {}).get("by_therapy", True)
    return THERAPY if recorded else BASE_RATE


def with_recorded_therapies(
    patients: Patients, cohort: pd.DataFrame, dictionary: Dictionary, column: str | None
) -> Patients:
    """Name each patient's therapy as the cohort records it, where no prior names it.

    Parameters
    ----------
    patients : Patients
        Where their plan has a therapy prior, they have therapies and are returned unchanged.
    cohort : DataFrame
    dictionary : Dictionary
    column : str or None
        That holds the therapy (``transport.therapy``); passed over where the cohort lacks it or
        the dictionary does not say that it is known at baseline.
    """
    if patients.therapies is not None or column is None or column not in cohort:
        return patients
    if column not in dictionary or not dictionary[column].is_baseline_predictor:
        return patients
    values = cohort[column]
    named = values.astype(str).astype(object).where(values.notna(), None)
    return replace(patients, therapies=named.to_numpy(dtype=object))
