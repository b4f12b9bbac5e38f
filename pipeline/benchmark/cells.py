"""Cells: one procedure fitted and judged on one fold of one table; finished ones are kept."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipeline.benchmark import cohort as cohort_module
from pipeline.benchmark import procedures as procedures_module
from pipeline.benchmark.cohort import Cohort
from pipeline.benchmark.procedures import PROCEDURES, versions
from pipeline.benchmark.settings import Benchmark
from pipeline.evaluation.resampling import assign_folds, outcome_strata
from pipeline.model import fitting

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Cell:
    """One procedure on one fold of one table.

    Attributes
    ----------
    table, procedure : str
    repeat, fold : int
    key : str
        Digest of everything that decides what comes out.
    file : Path
        Where the finished cell lies.
    """

    table: str
    procedure: str
    repeat: int
    fold: int
    key: str
    file: Path


@dataclass(frozen=True)
class Judged:
    """Out-of-fold risks and times of one procedure on one table.

    Attributes
    ----------
    risks : ndarray, shape (repeats, n, outcomes)
    fit_seconds : ndarray, shape (repeats * folds,)
        Processor time of a fit, all outcomes together.
    rows_per_second : ndarray, shape (repeats * folds,)
        Risks of the fold's patients per second of processor time.
    """

    risks: np.ndarray
    fit_seconds: np.ndarray
    rows_per_second: np.ndarray


def folds_of(cohort: Cohort, settings: Benchmark) -> np.ndarray:
    """Outer fold of each patient, shape (repeats, n): the same for every procedure."""
    strata = outcome_strata(cohort.patients.Y, settings.folds)
    groups = cohort.patients.groups
    return assign_folds(strata, settings.folds, settings.repeats, settings.seed, groups)


def plan_cells(
    table: str, cohort: Cohort, procedures: list[str], settings: Benchmark
) -> list[Cell]:
    """List the cells of a table, one fold after the other."""
    data, found = cohort.digest, []
    marks = {name: _mark(name, cohort, settings) for name in procedures}
    for repeat in range(settings.repeats):
        for fold in range(settings.folds):
            for name in procedures:
                what = [data, marks[name], settings.seed, settings.folds, repeat, fold]
                key = hashlib.sha256(json.dumps(what).encode()).hexdigest()
                file = settings.results_folder / "cells" / table / f"{name}.{repeat}.{fold}.npz"
                found.append(Cell(table, name, repeat, fold, key, file))
    return found


def run_cells(
    cells: list[Cell], cohorts: dict[str, Cohort], settings: Benchmark, progress: Progress
) -> None:
    """Run the cells that are missing or stale, some at a time; each is written when it ends.

    Parameters
    ----------
    cells : list of Cell
    cohorts : dict of Cohort
        By table.
    settings : Benchmark
    progress : callable
        ``progress(what, done, total)``.
    """
    todo = [cell for cell in cells if not _is_fresh(cell)]
    done = len(cells) - len(todo)
    progress("benchmark: fits", done, len(cells))
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        ended: Iterator[Cell] = joblib.Parallel(
            n_jobs=settings.processes, return_as="generator_unordered"
        )(joblib.delayed(_run)(cell, cohorts[cell.table], settings) for cell in todo)
        for cell in ended:
            done += 1
            progress(f"benchmark: {cell.table}, {cell.procedure}", done, len(cells))


def gather(cells: list[Cell], cohort: Cohort, settings: Benchmark) -> Judged:
    """Put the finished cells of one procedure and table together."""
    folds = folds_of(cohort, settings)
    risks = np.full((*folds.shape, cohort.patients.Y.shape[1]), np.nan)
    fit, rows = [], []
    for cell in cells:
        with np.load(cell.file) as found:
            risks[cell.repeat, folds[cell.repeat] == cell.fold] = found["risks"]
            fit.append(float(found["fit_seconds"]))
            rows.append(len(found["risks"]) / max(float(found["predict_seconds"]), 1e-6))
    return Judged(risks, np.array(fit), np.array(rows))


def _mark(procedure: str, cohort: Cohort, settings: Benchmark) -> dict[str, Any]:
    """What decides, beside the data, what a procedure gives."""
    files = [Path(procedures_module.__file__), Path(cohort_module.__file__)]
    choices: dict[str, Any] = settings.model_dump(
        include={"calibration_folds", "flaml_seconds", "autogluon_seconds"}
    )
    if procedure == "ours":
        files = sorted(Path(fitting.__file__).parent.glob("*.py"))
        choices = cohort.settings.model_dump(mode="json")
        choices["trends"] = cohort.patients.trends
    # The code without comments and layout.
    code = [ast.dump(ast.parse(path.read_text(encoding="utf-8"))) for path in files]
    return {
        "procedure": procedure,
        "code": hashlib.sha256("".join(code).encode()).hexdigest(),
        "choices": choices,
        "versions": versions(procedure),
    }


def _is_fresh(cell: Cell) -> bool:
    try:
        with np.load(cell.file) as found:
            return str(found["key"]) == cell.key
    except (OSError, ValueError, KeyError):
        return False


def _run(cell: Cell, cohort: Cohort, settings: Benchmark) -> Cell:
    fold_of = folds_of(cohort, settings)[cell.repeat]
    train = cohort.part(np.flatnonzero(fold_of != cell.fold))
    test = cohort.part(np.flatnonzero(fold_of == cell.fold))
    seed = np.random.SeedSequence([settings.seed, cell.repeat, cell.fold]).generate_state(1)[0]
    fit = PROCEDURES[cell.procedure][0]
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begun = time.process_time()
        predict = fit(train, cohort.patients.Y, settings, int(seed >> 1))
        fitted = time.process_time()
        risks = predict(test)
        ended = time.process_time()
    cell.file.parent.mkdir(parents=True, exist_ok=True)
    aside = cell.file.with_name(f".{cell.file.name}")
    with aside.open("wb") as out:
        np.savez(
            out, risks=risks, key=np.array(cell.key), fit_seconds=np.array(fitted - begun),
            predict_seconds=np.array(ended - fitted),
        )  # fmt: skip
    os.replace(aside, cell.file)
    return cell
