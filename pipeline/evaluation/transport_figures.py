"""Figures of the sites, therapies and years left out, and their summary over units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.config import Evaluation, Transport
from pipeline.evaluation.left_out import Periods, Units
from pipeline.evaluation.resampled import enough_apart, with_resampled
from pipeline.evaluation.suppression import hidden_groups, hidden_sizes, pooled_name
from pipeline.evaluation.unit_figures import (
    SCALES,
    Measured,
    mean_with_error,
    measure,
    patient_log_loss,
    summarised,
    with_interval,
)

HIDDEN = "not shown, as the count of a smaller group could be worked out; it is part of the summary"
COMPARED = ("therapy_only", "without_prior")

Risks = Mapping[str, np.ndarray]
Fits = dict[str, Risks]


@dataclass(frozen=True)
class Judge:
    """What the figures are computed from.

    Attributes
    ----------
    Y : ndarray of 0 and 1, shape (n, outcomes)
    outcomes : list of str
    strata : ndarray of int, shape (n,), or None
        Therapy of each patient.
    settings : Transport
    evaluation : Evaluation
    whole : tuple of ndarray, shape (n,), or None
        What may be resampled as a whole, the first that holds enough units first.
    seed : int
    """

    Y: np.ndarray
    outcomes: list[str]
    strata: np.ndarray | None
    settings: Transport
    evaluation: Evaluation
    whole: tuple[np.ndarray | None, ...]
    seed: int

    def units(self, units: Units, kind: str, fits: Fits) -> dict[str, Any]:
        """Judge each unit on its own patients, and summarise."""
        needed = self._needed
        n, events, hide_n, hidden = self._counts(units.group)
        risks = [dict(fits[f"{kind}_{u}"]) for u in range(len(units.names))]
        for u, found in enumerate(risks):
            if f"{kind}_without_prior_{u}" in fits:
                found["without_prior"] = fits[f"{kind}_without_prior_{u}"]["model"]
        outcomes = {}
        for k, outcome in enumerate(self.outcomes):
            rows, measured = [], []
            for u, name in enumerate(units.names):
                row: dict[str, Any] = {
                    "unit": name,
                    "n": None if hide_n[u] else int(n[u]),
                    "events": None if hidden[k, u] else int(events[k, u]),
                }
                if min(events[k, u], n[u] - events[k, u]) < needed:
                    row["reason"] = f"fewer than {needed} patients with or without the event"
                else:
                    measured.append(self._measured(k, units.group == u, risks[u]))
                    row |= {"reason": HIDDEN} if hidden[k, u] else self._row(measured[-1])
                rows.append(row)
            outcomes[outcome] = {"units": rows, **self._summary(measured, risks[0])}
        sizes = zip(units.others.items(), n[len(units.names) :], hide_n[len(units.names) :],
                    strict=False)  # fmt: skip
        return {
            "not_left_out": self._named(sizes),
            "outcomes": outcomes,
        }

    def _named(self, sizes: Iterable[tuple[tuple[str, str], int, bool]]) -> list[dict[str, Any]]:
        """Units that train every model; those of few patients together, without their names."""
        minimum, few = self.evaluation.minimum_cell, Counter[str]()
        found: list[dict[str, Any]] = []
        for (name, reason), count, hide in sizes:
            if count < minimum:
                few[reason] += 1
            else:
                found.append({"unit": name, "n": None if hide else int(count), "reason": reason})
        pooled = pooled_name(minimum)
        return found + [
            {"unit": pooled, "n": None, "units": units, "reason": reason}
            for reason, units in few.items()
        ]

    def temporal(self, periods: Periods, risks: Risks) -> dict[str, Any]:
        """Judge the later patients."""
        n, events, hide_n, hidden = self._counts(periods.group)
        later = periods.group == 0
        of_later = [None if codes is None else codes[later] for codes in self.whole]
        clusters = enough_apart(of_later, self.evaluation)
        outcomes: dict[str, Any] = {}
        for k, outcome in enumerate(self.outcomes):
            if min(events[k, 0], n[0] - events[k, 0]) < self._needed:
                reason = f"fewer than {self._needed} later patients with or without the event"
                outcomes[outcome] = {"events": None, "reason": reason}
            elif hidden[k, 0]:
                outcomes[outcome] = {"events": None, "reason": HIDDEN}
            else:
                row = self._row(self._measured(k, later, risks))
                if clusters is not None:
                    row = self._resampled(row, k, later, risks, clusters)
                outcomes[outcome] = {"events": int(events[k, 0]), **row}
        return {
            "train_years": periods.train_years,
            "test_years": periods.test_years,
            "train_n": None if hide_n[1] else int(n[1]),
            "n": None if hide_n[0] else int(n[0]),
            "outcomes": outcomes,
        }

    @property
    def _needed(self) -> int:
        """Patients of the smaller class that figures need."""
        return max(self.settings.minimum_events, self.evaluation.minimum_cell)

    def _counts(self, group: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Patients and events by group, and which of either are not given."""
        n = np.bincount(group)
        events = np.array([np.bincount(group, weights=y) for y in self.Y.T], dtype=int)
        minimum = self.evaluation.minimum_cell
        held = n > 0
        hide_n, hidden = np.ones(len(n), dtype=bool), np.ones(events.shape, dtype=bool)
        hide_n[held] = hidden_sizes(n[held], minimum)
        hidden[:, held] = hidden_groups(n[held], events[:, held], minimum)
        return n, events, hide_n, hidden

    def _measured(self, k: int, rows: np.ndarray, risks: Risks) -> dict[str, dict[str, Measured]]:
        """Figures of the model, and differences of log-loss, by name."""
        y = self.Y[rows, k]
        strata = None if self.strata is None else self.strata[rows]
        model = risks["model"][:, k]
        found = {"figures": measure(y, model, strata)}
        if "without_prior" in risks:
            found["without_prior"] = measure(y, risks["without_prior"][:, k], strata)
        gaps = self._gaps(k, rows, risks)
        found["differences"] = {name: mean_with_error(gap) for name, gap in gaps.items()}
        return found

    def _gaps(self, k: int, rows: np.ndarray, risks: Risks) -> dict[str, np.ndarray]:
        """Each patient's log-loss by the model less that by each comparator."""
        y = self.Y[rows, k]
        loss = patient_log_loss(y, risks["model"][:, k])
        return {
            name: loss - patient_log_loss(y, risks[name][:, k])
            for name in COMPARED
            if name in risks
        }

    def _row(self, found: dict[str, dict[str, Measured]]) -> dict[str, Any]:
        level = self.evaluation.interval_level
        row: dict[str, Any] = {
            part: {
                name: with_interval(found[part][name], scale, level)
                for name, scale in SCALES.items()
            }
            for part in ("figures", "without_prior")
            if part in found
        }
        row["differences"] = {
            name: {"log_loss": with_interval(gap, "identity", level)}
            for name, gap in found["differences"].items()
        }
        return row

    def _resampled(
        self, row: dict[str, Any], k: int, rows: np.ndarray, risks: Risks, clusters: np.ndarray
    ) -> dict[str, Any]:
        y, gaps = self.Y[rows, k], self._gaps(k, rows, risks)
        strata = None if self.strata is None else self.strata[rows]
        return with_resampled(
            row, y, risks["model"][:, k], gaps, strata, clusters, self.evaluation, self.seed
        )

    def _summary(
        self, measured: list[dict[str, dict[str, Measured]]], risks: Risks
    ) -> dict[str, Any]:
        level = self.evaluation.interval_level

        def over(part: str) -> dict[str, Any]:
            return {
                name: summarised([m[part][name] for m in measured], scale, level)
                for name, scale in SCALES.items()
            }

        compared = [name for name in COMPARED if name in risks]
        found = {
            "summary": over("figures"),
            "summary_differences": {
                name: {
                    "log_loss": summarised(
                        [m["differences"][name] for m in measured], "identity", level
                    )
                }
                for name in compared
            },
        }
        if "without_prior" in risks:
            found["summary_without_prior"] = over("without_prior")
        return found
