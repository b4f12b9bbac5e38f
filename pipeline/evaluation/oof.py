"""The table of out-of-fold risks: laid out long for a file, read back as arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd

KEYS = ("patient_id", "repeat", "fold", "outcome", "observed")
# Ends of the model's risk interval, where they were recorded: at the level that is served, and
# at further levels in per cent, such as low_80.
INTERVAL = re.compile(r"(low|high)(_[0-9.]+)?")


@dataclass(frozen=True)
class OutOfFold:
    """Out-of-fold risks of one outcome.

    Attributes
    ----------
    patient_id : ndarray, shape (n,)
    observed : ndarray of 0 and 1, shape (n,)
    folds : ndarray of int, shape (repeats, n)
    risks : dict of ndarray, shape (repeats, n)
        By model. Every model has a risk for every patient.
    intervals : dict of tuple of ndarray, shape (repeats, n)
        Lower and upper end of the model's risk by level, in per cent; ``served`` is the
        interval that goes with every prediction.
    abstained : int
        Patients to whom the model gives no risk; they are in none of the arrays.
    """

    patient_id: np.ndarray
    observed: np.ndarray
    folds: np.ndarray
    risks: dict[str, np.ndarray]
    intervals: dict[str, tuple[np.ndarray, np.ndarray]]
    abstained: int

    def part(self, rows: np.ndarray) -> Self:
        """The same for some of the patients, given as a mask."""
        return replace(
            self,
            patient_id=self.patient_id[rows],
            observed=self.observed[rows],
            folds=self.folds[:, rows],
            risks={name: risk[:, rows] for name, risk in self.risks.items()},
            intervals={
                k: (low[:, rows], high[:, rows]) for k, (low, high) in self.intervals.items()
            },
        )

    def constant_within_folds(self, model: str, strata: np.ndarray | None = None) -> bool:
        """Whether a model gives everyone in a fold, or in a stratum of it, the same risk.

        Such risks rank nobody there. Pooled over folds they even seem to rank backwards: the
        more events a fold holds, the fewer its training patients had.

        Parameters
        ----------
        model : str
        strata : ndarray of int, shape (n,), optional
            Therapy of each patient; patients of negative strata belong to none and are left
            out.
        """
        codes = np.zeros(len(self.observed), dtype=int) if strata is None else strata
        member = codes >= 0
        if not member.any():
            return False
        return all(
            _widest(risk[member], fold[member], codes[member]) < 1e-12
            for fold, risk in zip(self.folds, self.risks[model], strict=True)
        )


def _widest(risk: np.ndarray, fold: np.ndarray, stratum: np.ndarray) -> float:
    """Largest range of risks in any stratum of any fold."""
    cell = pd.DataFrame({"fold": fold, "stratum": stratum, "risk": risk}).groupby(
        ["fold", "stratum"]
    )["risk"]
    return float((cell.max() - cell.min()).max())


def oof_frame(
    patient_id: np.ndarray,
    folds: np.ndarray,
    observed: Mapping[str, np.ndarray],
    risks: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    """Lay out-of-fold risks out as a long table.

    Parameters
    ----------
    patient_id : ndarray, shape (n,)
    folds : ndarray of int, shape (repeats, n)
    observed : dict of ndarray of 0 and 1, shape (n,)
        By outcome, in the order of the risks' last axis.
    risks : dict of ndarray, shape (repeats, n, outcomes)
        By model.

    Returns
    -------
    DataFrame
        Columns ``patient_id, repeat, fold, outcome, observed`` and one per model; a row per
        outcome, repeat and patient.
    """
    repeats, n = folds.shape
    parts = [
        pd.DataFrame(
            {
                "patient_id": np.tile(patient_id, repeats),
                "repeat": np.repeat(np.arange(repeats), n),
                "fold": folds.ravel(),
                "outcome": outcome,
                "observed": np.tile(values, repeats).astype(int),
                **{name: risk[:, :, k].ravel() for name, risk in risks.items()},
            }
        )
        for k, (outcome, values) in enumerate(observed.items())
    ]
    return pd.concat(parts, ignore_index=True)


def read_outcome(oof: pd.DataFrame, outcome: str) -> OutOfFold:
    """Take one outcome's risks out of the long table.

    Patients to whom ``model`` gives no risk in some repeat are set aside for all models, so
    that every figure is of the same patients; a comparator without a risk for any patient
    left is dropped.

    Raises
    ------
    ValueError
        If the table is not one row per repeat and patient, outcomes differ between repeats,
        or a value is no risk or no outcome.
    """
    rows = oof[oof["outcome"] == outcome]
    patients, code = np.unique(rows["patient_id"].to_numpy(dtype=str), return_inverse=True)
    repeats = rows["repeat"].nunique()
    rows = rows.iloc[np.lexsort((code, rows["repeat"].to_numpy()))]
    shape = (repeats, len(patients))
    if len(rows) != repeats * len(patients) or rows.duplicated(["repeat", "patient_id"]).any():
        raise ValueError(f"outcome '{outcome}': expected one row per repeat and patient")

    def grid(column: str) -> np.ndarray:
        return rows[column].to_numpy(dtype=float).reshape(shape)

    observed = grid("observed")
    if (observed != observed[0]).any() or not np.isin(observed, (0, 1)).all():
        raise ValueError(f"outcome '{outcome}': observed must be 0 or 1, the same in every repeat")
    columns = [c for c in oof.columns if c not in KEYS and not INTERVAL.fullmatch(c)]
    risks = {name: grid(name) for name in columns}
    for name, risk in risks.items():
        if ((risk < 0) | (risk > 1)).any():
            raise ValueError(f"outcome '{outcome}': '{name}' holds values outside 0 to 1")
    kept = np.isfinite(risks["model"]).all(axis=0)
    risks = {name: risk[:, kept] for name, risk in risks.items()}
    return OutOfFold(
        patient_id=patients[kept],
        observed=observed[0, kept],
        folds=grid("fold")[:, kept].astype(int),
        risks={name: risk for name, risk in risks.items() if np.isfinite(risk).all()},
        intervals={
            column.removeprefix("low").removeprefix("_") or "served": (
                grid(column)[:, kept],
                grid(column.replace("low", "high", 1))[:, kept],
            )
            for column in oof.columns
            if INTERVAL.fullmatch(column) and column.startswith("low")
        },
        abstained=int((~kept).sum()),
    )


def aligned(values: pd.Series, patients: np.ndarray) -> np.ndarray:
    """Return each patient's value, shape (n,).

    Raises
    ------
    ValueError
        If a patient has none, or several.
    """
    by_patient = values.set_axis(values.index.astype(str))
    if not by_patient.index.is_unique or not pd.Index(patients).isin(by_patient.index).all():
        raise ValueError(f"'{values.name}' needs one value per patient of the out-of-fold risks")
    return by_patient.loc[patients].to_numpy()
