"""The whole comparison: cells, figures, and what is written under ``models/benchmark/``."""

from __future__ import annotations

import hashlib
import json
import platform
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from pipeline.benchmark.cells import Judged, Progress, folds_of, gather, plan_cells, run_cells
from pipeline.benchmark.cohort import Cohort
from pipeline.benchmark.compare import (
    LOSSES,
    OURS,
    against_the_best,
    difference,
    figures,
    losses,
    ranks,
)
from pipeline.benchmark.plots import draw_differences
from pipeline.benchmark.procedures import PROCEDURES, versions, why_skipped
from pipeline.benchmark.report import write_report
from pipeline.benchmark.settings import Benchmark
from pipeline.config import Config
from pipeline.errors import InputError, did_you_mean


def compare(
    settings: Benchmark,
    configs: dict[str, Config],
    exports: dict[str, dict[str, Any]],
    out: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Compare all procedures on all tables.

    Parameters
    ----------
    settings : Benchmark
    configs : dict of Config
        By table; ``ingest``, ``audit`` and ``features`` of each have run.
    exports : dict of dict
        Facts of the tables that came out of a package.
    out : Path
        Where ``results.json``, ``report.md`` and ``differences.svg`` go.
    progress : callable

    Returns
    -------
    dict
        What ``results.json`` holds.
    """
    _refuse_unknown(settings)
    skipped = {name: why for name in settings.procedures if (why := why_skipped(name))}
    cohorts = {name: Cohort.of(config) for name, config in configs.items()}
    wanted = {
        name: [p for p in settings.procedures if p not in skipped and _applies(p, cohort)]
        for name, cohort in cohorts.items()
    }
    cells = {
        name: plan_cells(name, cohort, wanted[name], settings) for name, cohort in cohorts.items()
    }
    run_cells([c for found in cells.values() for c in found], cohorts, settings, progress)
    rows: list[dict[str, Any]] = []
    for done, (name, cohort) in enumerate(cohorts.items()):
        progress("benchmark: figures", done, len(cohorts))
        judged = {
            p: gather([c for c in cells[name] if c.procedure == p], cohort, settings)
            for p in wanted[name]
        }
        rows += _rows(name, cohort, judged, settings)
    results = {
        "settings": settings.model_dump(mode="json"),
        "python": platform.python_version(),
        "versions": {p: versions(p) for p in settings.procedures if p not in skipped},
        "skipped": skipped,
        "tables": {
            name: _table_facts(name, configs[name], cohort, exports.get(name))
            for name, cohort in cohorts.items()
        },
        "rows": rows,
        **_standings(rows),
    }
    _write(out, results)
    return results


def _refuse_unknown(settings: Benchmark) -> None:
    for name in settings.procedures:
        if name not in PROCEDURES:
            raise InputError(
                f"'{name}' is not a procedure{did_you_mean(name, PROCEDURES)}",
                file=settings.file,
                column="procedures",
                expected="some of " + ", ".join(PROCEDURES),
            )
    if OURS not in settings.procedures:
        raise InputError(
            f"'{OURS}' is not among the procedures",
            file=settings.file,
            column="procedures",
            mend=f"add '{OURS}': the others are compared with it",
        )


def _applies(procedure: str, cohort: Cohort) -> bool:
    return cohort.has_prior if procedure == "therapy_only" else True


def _rows(
    table: str, cohort: Cohort, judged: dict[str, Judged], settings: Benchmark
) -> list[dict[str, Any]]:
    names = {outcome: k for k, outcome in enumerate(cohort.patients.outcomes)}
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        rows = joblib.Parallel(n_jobs=settings.processes)(
            joblib.delayed(_row)(
                {"table": table, "outcome": outcome, "procedure": name},
                cohort.patients.Y[:, k],
                found.risks[:, :, k],
                judged[OURS].risks[:, :, k],
                folds_of(cohort, settings),
                settings,
            )
            for outcome, k in names.items()
            for name, found in judged.items()
        )
    return [
        row
        | {
            "fit_seconds": _spread(judged[row["procedure"]].fit_seconds),
            "rows_per_second": _spread(judged[row["procedure"]].rows_per_second),
        }
        for row in rows
    ]


def _row(
    names: dict[str, str],
    observed: np.ndarray,
    risks: np.ndarray,
    own_risks: np.ndarray,
    folds: np.ndarray,
    settings: Benchmark,
) -> dict[str, Any]:
    how = (settings.bootstrap, settings.interval_level, settings.seed)
    own, theirs = losses(observed, own_risks), losses(observed, risks)
    return {
        **names,
        "figures": _figures(observed, risks, folds, how, settings.results_folder / "figures"),
        "ours_minus_theirs": None
        if names["procedure"] == OURS
        else {loss: difference(own[loss], theirs[loss], *how) for loss in LOSSES},
    }


def _figures(
    observed: np.ndarray,
    risks: np.ndarray,
    folds: np.ndarray,
    how: tuple[int, float, int],
    cache: Path,
) -> dict[str, Any]:
    """Figures of risks, kept by what they are made of: a stopped comparison goes on."""
    key = hashlib.sha256(observed.tobytes() + risks.tobytes() + repr(how).encode()).hexdigest()
    file = cache / f"{key[:32]}.json"
    if file.exists():
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return found
    found = figures(observed, risks, folds, *how)
    cache.mkdir(parents=True, exist_ok=True)
    # Whole or not at all: the comparison may be stopped at any moment.
    aside = file.with_suffix(".new")
    aside.write_text(json.dumps(found), encoding="utf-8")
    aside.replace(file)
    return found


def _spread(values: np.ndarray) -> dict[str, float]:
    """Median over the folds, with the least and the greatest."""
    return {
        "median": float(np.median(values)),
        "low": float(values.min()),
        "high": float(values.max()),
    }


def _table_facts(
    name: str, config: Config, cohort: Cohort, export: dict[str, Any] | None
) -> dict[str, Any]:
    run = config.run_folder
    audit = json.loads((run / "audit" / "audit.json").read_text(encoding="utf-8"))
    plan = json.loads((run / "features" / "features.json").read_text(encoding="utf-8"))
    return {
        "name": name,
        "title": config.card.title,
        "patients": len(cohort),
        "events": {
            outcome: int(events)
            for outcome, events in zip(config.outcomes, cohort.patients.Y.sum(axis=0), strict=True)
        },
        "outcomes": {o: outcome.label for o, outcome in config.outcomes.items()},
        "predictors": len({c["source"] for c in plan["columns"]}),
        "left_out": plan["left_out"],
        "audit": audit["summary"],
        "export": export,
    }  # fmt: skip


def _standings(rows: list[dict[str, Any]]) -> dict[str, Any]:
    flat = pd.DataFrame(
        [
            {key: row[key] for key in ("table", "outcome", "procedure")}
            | {loss: row["figures"][loss]["estimate"] for loss in LOSSES}
            | {"slope": row["figures"]["calibration_slope"]["estimate"]}
            for row in rows
        ]
    )
    mean = ranks(flat)
    slope = (
        flat.assign(off=lambda f: np.abs(np.log(f["slope"].astype(float).clip(lower=0.05))))
        .groupby("procedure")["off"]
        .mean()
        .dropna()
    )
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["table"], row["outcome"]), []).append(row)
    return {
        "mean_ranks": {
            str(name): {k: float(v) for k, v in values.items()}
            for name, values in mean.to_dict("index").items()
        },
        # Mean of |log slope|: 0.1 is a slope off by a tenth, to either side.
        "slope_distance": {str(k): float(v) for k, v in slope.sort_values().items()},
        "against_the_best": [
            {
                "table": table,
                "outcome": outcome,
                **{loss: against_the_best(found, loss) for loss in LOSSES},
            }
            for (table, outcome), found in groups.items()
            if len(found) > 1
        ],
    }


def _write(folder: Path, results: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "results.json").write_text(text + "\n", encoding="utf-8")
    (folder / "differences.svg").write_bytes(draw_differences(results))
    write_report(folder)
