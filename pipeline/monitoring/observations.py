"""New patients as the monitor sees them: model inputs, outcomes so far known, time and site."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from pipeline.config import Monitoring
from pipeline.errors import InputError
from pipeline.features.encoder import Encoder
from pipeline.features.matrix import build_matrix, prior_log_odds
from pipeline.model.artifact import Artifact
from pipeline.model.head import SMALLEST_SHOWN
from pipeline.monitoring.closed_test import Site
from pipeline.serving.frames import inputs_of_frame
from pipeline.serving.scorer import Scorer


@dataclass(frozen=True)
class Observations:
    """Patients after the model's training.

    Attributes
    ----------
    values : dict of str to ndarray, shape (n,)
        Canonical values of the model's variables.
    observed : ndarray, shape (n, outcomes)
        0, 1, or NaN where the outcome is not (yet) known.
    period, site : ndarray of str, shape (n,), or None
        None for a patient of whom it is not known.
    absent : frozenset of str
        Columns of the model's variables and outcomes that the table does not hold.
    """

    values: dict[str, np.ndarray]
    observed: np.ndarray
    period: np.ndarray | None
    site: np.ndarray | None
    absent: frozenset[str]

    def __len__(self) -> int:
        return len(self.observed)

    @classmethod
    def of(
        cls, frame: pd.DataFrame, artifact: Artifact, settings: Monitoring, file: Path | None = None
    ) -> Self:
        """Read what the model and the monitor need from a table in the dictionary's units.

        Raises
        ------
        InputError
            Where the table holds none of the model's columns, fewer than ten patients, an
            outcome that is no number, or a time that is neither number nor date; values are
            counted, never quoted.
        """
        known = [v.name for v in artifact.dictionary if v.name in frame]
        if not known:
            raise InputError(
                "holds none of the model's columns",
                file=file,
                expected="columns such as " + ", ".join([v.name for v in artifact.dictionary][:5]),
                mend="rename the columns to the names of the model's dictionary",
            )
        if len(frame) < SMALLEST_SHOWN:
            raise InputError(
                f"holds fewer than {SMALLEST_SHOWN} patients",
                file=file,
                expected="a cohort: of so few nothing may be told",
            )
        try:
            values = _values(frame, artifact)
        except InputError as error:
            raise InputError(
                error.problem, file=file, column=error.column, expected=error.expected,
                mend=error.mend,
            ) from None  # fmt: skip
        read = {v.name for v in artifact.dictionary}
        read |= {outcome["column"] for outcome in artifact.facts["outcomes"].values()}
        return cls(
            values,
            _observed(frame, artifact, file),
            _periods(frame, settings.period, file),
            _texts(frame, settings.site),
            frozenset(read - set(frame.columns)),
        )

    def score(self, artifact: Artifact) -> tuple[np.ndarray, np.ndarray]:
        """Risks as served, NaN where there is none, (n, outcomes); who abstains, shape (n,)."""
        scored = Scorer(artifact).predict(pd.DataFrame(self.values), reasons=False)
        risks = scored[[f"risk_{outcome}" for outcome in artifact.model.outcomes]].to_numpy()
        return risks, (scored["status"] == "abstain").to_numpy()

    def sites(self, artifact: Artifact, usable: np.ndarray) -> dict[str, Site]:
        """Per outcome, the patients with a risk and a known outcome, as the closed test reads them.

        Parameters
        ----------
        usable : ndarray of bool, shape (n,)
        """
        Z = build_matrix(self.values, artifact.plan)
        published, _ = prior_log_odds(self.values, artifact.plan)
        rate, deviation = artifact.model.terms(Z, published)
        found = {}
        for k, head in enumerate(artifact.model.heads):
            rows = usable & ~np.isnan(self.observed[:, k])
            own_rate, own_deviation = head.update.parts(rate[rows, k], deviation[rows, k])
            found[head.outcome] = Site(
                self.observed[rows, k], own_rate, own_deviation, np.flatnonzero(rows)
            )
        return found

    def part(self, rows: np.ndarray) -> Self:
        """The same for some of the patients."""
        return replace(
            self,
            values={name: values[rows] for name, values in self.values.items()},
            observed=self.observed[rows],
            period=None if self.period is None else self.period[rows],
            site=None if self.site is None else self.site[rows],
        )

    def with_values(self, changed: dict[str, np.ndarray]) -> Self:
        """The same patients with some variables mended."""
        return replace(self, values=self.values | changed)


def _values(frame: pd.DataFrame, artifact: Artifact) -> dict[str, np.ndarray]:
    encoder = Encoder(artifact.plan)
    inputs = inputs_of_frame(frame, artifact.dictionary, encoder)
    values = {name: inputs.numbers[:, i] for i, name in enumerate(encoder.numbers)}
    for name, codes, levels in zip(encoder.texts, inputs.codes.T, inputs.levels, strict=True):
        # Position -1, the missing value's code, is the None at the end.
        values[name] = np.array([*levels, None], dtype=object)[codes]
    return values


def _observed(frame: pd.DataFrame, artifact: Artifact, file: Path | None) -> np.ndarray:
    columns = []
    for outcome in artifact.facts["outcomes"].values():
        if outcome["column"] not in frame:
            columns.append(np.full(len(frame), np.nan))
            continue
        given = frame[outcome["column"]]
        found = pd.to_numeric(given, errors="coerce")
        wrong = int((found.isna() & given.notna() & (given.astype(str).str.strip() != "")).sum())
        if wrong:
            raise InputError(
                "1 value is no number" if wrong == 1 else f"{wrong} values are no numbers",
                file=file,
                column=outcome["column"],
                expected="numbers, empty where the outcome is not known",
                mend="write the number alone (2, not 'Grade 2'), and leave unknown ones empty",
            )
        numbers = found.to_numpy(dtype=float, na_value=np.nan)
        reached = (numbers >= outcome["at_least"]).astype(float)
        columns.append(np.where(np.isnan(numbers), np.nan, reached))
    return np.column_stack(columns)


def _texts(frame: pd.DataFrame, column: str | None) -> np.ndarray | None:
    if column is None or column not in frame:
        return None
    return _labels(None if pd.isna(v) or not str(v).strip() else str(v) for v in frame[column])


def _labels(labels: Iterable[str | None]) -> np.ndarray:
    # Not by Series.map, which infers a type of text whose missing value is a NaN.
    return np.array(list(labels), dtype=object)


def _periods(frame: pd.DataFrame, column: str | None, file: Path | None) -> np.ndarray | None:
    """Period of each patient: a number as it is, a date as its quarter."""
    if column is None or column not in frame:
        return None
    given = frame[column].mask(frame[column].astype(str).str.strip() == "")
    numbers = pd.to_numeric(given, errors="coerce")
    are_numbers = bool(numbers.notna().any())
    dates = numbers if are_numbers else pd.to_datetime(given, errors="coerce", format="ISO8601")
    unread = int((given.notna() & dates.isna()).sum())
    if unread:
        raise InputError(
            f"{unread} of {int(given.notna().sum())} values cannot be read as a time",
            file=file,
            column=column,
            expected="a number such as the year, or a date such as 2026-05-01, in all rows alike",
            mend="correct them or leave them empty, or name another column under "
            "'monitoring.period'",
        )
    if are_numbers:
        return _labels(None if pd.isna(v) else f"{v:g}" for v in numbers)
    return _labels(None if pd.isna(d) else f"{d.year}-Q{d.quarter}" for d in dates)
