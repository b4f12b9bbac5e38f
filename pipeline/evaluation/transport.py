"""The procedure on sites, therapies and years that it was not trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.config import Evaluation, Transport
from pipeline.evaluation.left_out import Periods, Units, find_periods, find_units
from pipeline.evaluation.procedure import Procedure
from pipeline.evaluation.resampled import enough_apart, with_resampled
from pipeline.evaluation.resampling import Split, fit_splits
from pipeline.evaluation.suppression import hidden_groups, hidden_sizes, pooled_name
from pipeline.evaluation.transport_definition import definition
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

Progress = Callable[[str, int, int], None]
Risks = Mapping[str, np.ndarray]
Fits = dict[str, Risks]


def judge_transport(
    procedure: Procedure,
    sites: np.ndarray | None,
    therapies: np.ndarray | None,
    years: np.ndarray | None,
    primary: str,
    settings: Transport,
    evaluation: Evaluation,
    seed: int,
    progress: Progress,
    scratch: Path | None = None,
    clusters: np.ndarray | None = None,
) -> dict[str, Any]:
    """Refit the entire procedure without each unit, and judge it there: ``transport.json``.

    Parameters
    ----------
    procedure : Procedure
    sites, therapies : ndarray of str, shape (n,), or None
        None, or missing, where unknown: such patients train every model.
    years : ndarray of float, shape (n,), or None
        Patients without a year take no part in the temporal test.
    primary : str
        Outcome by which the units are chosen, where there are too many.
    settings : Transport
    evaluation : Evaluation
    seed : int
    progress : callable
    scratch : Path, optional
        As in `fit_splits`.
    clusters : ndarray, shape (n,), optional
        What the evaluation's bootstrap draws as a whole, as `bootstrap_clusters` finds it.

    Returns
    -------
    dict
        ``definition`` and ``sites``, ``therapies``, ``temporal``. Each holds either a
        ``reason`` why it was not done, or ``outcomes``.

        For sites and therapies ``not_left_out``, each with ``unit``, ``n`` and ``reason`` (those
        of few patients together, with how many ``units`` they are), and per
        outcome: ``units``, each with ``unit``, ``n``, ``events``
        and ``figures`` (or a ``reason``), and ``differences`` of log-loss from
        ``therapy_only``; ``summary``, a random-effects summary of each figure, and
        ``summary_differences``. For therapies where there is a prior also ``without_prior``
        (figures) in each unit, ``without_prior`` among the differences, and
        ``summary_without_prior``. For the temporal split: ``train_years``, ``test_years``,
        ``train_n``, ``n``, and per outcome ``events``, ``figures`` and ``differences``.
        A figure that is undefined or not shown is None with a ``reason``.
    """
    # What too few patients train is decided as it would be without the unit.
    procedure = replace(procedure, decide_by_cohort=False)
    patients = procedure.patients
    first = list(patients.outcomes).index(primary)
    known = (patients.Y, first, settings, evaluation)
    of_sites = find_units(sites, *known, "site", patients.persons)
    of_therapies = find_units(therapies, *known, "therapy", patients.persons)
    periods = find_periods(years, settings)
    if isinstance(periods, Periods) and patients.persons is not None:
        periods = periods.apart(patients.persons, patients.Y[:, first], settings)

    splits: dict[str, Split] = {}
    unseen: dict[str, Split] = {}
    if isinstance(of_sites, Units):
        splits |= of_sites.splits("site", seed)
    if isinstance(periods, Periods):
        splits["later"] = periods.split(seed)
    if isinstance(of_therapies, Units):
        splits |= of_therapies.splits("therapy", seed)
        if np.isfinite(patients.published).any():
            unseen = of_therapies.splits("therapy_without_prior", seed)
    refits = len(splits) + len(unseen)

    def fit(fit_predict: Procedure, wanted: dict[str, Split], before: int) -> Fits:
        return fit_splits(
            fit_predict,
            wanted,
            evaluation.processes,
            lambda done, _: progress("transport: refits", before + done, refits),
            scratch,
        )

    fits = fit(procedure, splits, 0) | fit(without_prior(procedure), unseen, len(splits))
    strata = None if patients.therapies is None else pd.factorize(patients.therapies)[0]
    whole = (clusters, patients.persons)
    judge = Judge(patients.Y, list(patients.outcomes), strata, settings, evaluation, whole, seed)
    return {
        "definition": definition(settings, evaluation),
        "sites": {"reason": of_sites}
        if isinstance(of_sites, str)
        else judge.units(of_sites, "site", fits),
        "therapies": {"reason": of_therapies}
        if isinstance(of_therapies, str)
        else judge.units(of_therapies, "therapy", fits),
        "temporal": {"reason": periods}
        if isinstance(periods, str)
        else judge.temporal(periods, fits["later"]),
    }


def without_prior(procedure: Procedure) -> Procedure:
    """Return the procedure as it is where nothing is published about any therapy.

    It starts from the training patients' base rate. The therapy's attributes (modality,
    target) stay predictors; the product becomes an ordinary one.
    """
    patients = procedure.patients
    nothing = np.full_like(patients.published, np.nan)
    return replace(
        procedure,
        patients=replace(
            patients,
            published=nothing,
            published_sd=nothing,
            therapy_columns=np.zeros_like(patients.therapy_columns),
        ),
    )


@dataclass(frozen=True)
class Judge:
    """What the figures are computed from."""

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
        loss = patient_log_loss(y, model)
        found["differences"] = {
            name: mean_with_error(loss - patient_log_loss(y, risks[name][:, k]))
            for name in ("therapy_only", "without_prior")
            if name in risks
        }
        return found

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
        y, model = self.Y[rows, k], risks["model"][:, k]
        loss = patient_log_loss(y, model)
        gaps = {name: loss - patient_log_loss(y, risks[name][:, k]) for name in row["differences"]}
        strata = None if self.strata is None else self.strata[rows]
        return with_resampled(row, y, model, gaps, strata, clusters, self.evaluation, self.seed)

    def _summary(
        self, measured: list[dict[str, dict[str, Measured]]], risks: Risks
    ) -> dict[str, Any]:
        level = self.evaluation.interval_level

        def over(part: str) -> dict[str, Any]:
            return {
                name: summarised([m[part][name] for m in measured], scale, level)
                for name, scale in SCALES.items()
            }

        compared = [name for name in ("therapy_only", "without_prior") if name in risks]
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
