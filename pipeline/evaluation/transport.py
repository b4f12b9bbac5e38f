"""The procedure on sites, therapies and years that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.config import Evaluation, Transport
from pipeline.evaluation.left_out import Periods, Units, find_periods, find_units
from pipeline.evaluation.procedure import Procedure
from pipeline.evaluation.resampling import Split, fit_splits
from pipeline.evaluation.transport_definition import definition
from pipeline.evaluation.transport_figures import Fits, Judge

Progress = Callable[[str, int, int], None]


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
