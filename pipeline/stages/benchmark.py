"""Prepares each table and the timed model by the ordinary stages, and measures them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.benchmark.export import export_table
from pipeline.benchmark.report import write_report
from pipeline.benchmark.run import compare
from pipeline.benchmark.settings import Benchmark, Table, read_benchmark
from pipeline.benchmark.speed import speed_alone
from pipeline.config import Config, SyntheticSource
from pipeline.config_file import read_config
from pipeline.errors import InputError, did_you_mean
from pipeline.runner import Progress, run_stages
from pipeline.stages import STAGES


def run_comparison(
    settings_file: Path,
    configs: list[Path],
    only: list[str],
    progress: Progress,
    say: Callable[[str], None],
) -> tuple[dict[str, Any], Path]:
    """Compare the procedures on the settings' tables, or on tables of one's own.

    Parameters
    ----------
    settings_file : Path
        As ``configs/benchmark/benchmark.yaml``.
    configs : list of Path
        Run configs to compare on instead of the settings' tables.
    only : list of str
        Names of tables; empty for all.
    progress, say : callable
        For display: of long work, and a line about each table.

    Returns
    -------
    tuple of dict and Path
        What ``results.json`` holds, and the folder where it lies.
    """
    settings = read_benchmark(settings_file)
    if configs:
        own = [read_config(path) for path in configs]
        given = {c.name: Table(config=str(c.file)) for c in own}
        settings = settings.model_copy(update={"tables": given})
    settings = _restricted(settings, only)
    prepared, exports = {}, {}
    for done, (name, table) in enumerate(settings.tables.items()):
        progress(f"benchmark: table {name}", done, len(settings.tables))
        prepared[name], exports[name] = _prepare(name, table, settings, progress)
        say(f"{name}: {_audit_line(prepared[name])}")
    # Part of the tables must not replace the report on all of them.
    part = "own" if configs else "part" if only else ""
    out = settings.results_folder / part
    return compare(settings, prepared, {k: v for k, v in exports.items() if v}, out, progress), out


def run_speed(
    settings_file: Path, configs: list[Path], progress: Progress
) -> tuple[dict[str, Any], Path]:
    """Time the model of the settings' config, or of the first of one's own.

    Returns
    -------
    tuple of dict and Path
        What ``speed.json`` holds, and the folder where it lies.
    """
    settings = read_benchmark(settings_file)
    config = read_config(configs[0] if configs else settings.path(settings.timed))
    run_stages(STAGES, "train", config, lambda _: None, lambda _: None, progress)
    progress("benchmark: speed", 0, 1)
    found = speed_alone(config.run_folder / "train" / "model")
    out = settings.results_folder / ("own" if configs else "")
    out.mkdir(parents=True, exist_ok=True)
    (out / "speed.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    write_report(out)
    return found, out


def _restricted(settings: Benchmark, only: list[str]) -> Benchmark:
    for name in only:
        if name not in settings.tables:
            raise InputError(
                f"no table '{name}'{did_you_mean(name, settings.tables)}",
                file=settings.file,
                column="--only",
                expected="some of " + ", ".join(settings.tables),
            )
    kept = {name: t for name, t in settings.tables.items() if name in only or not only}
    return settings.model_copy(update={"tables": kept})


def _prepare(
    name: str, table: Table, settings: Benchmark, progress: Progress
) -> tuple[Config, dict[str, Any] | None]:
    """Export the table where it comes from a package; ingest, audit and feature it."""
    config = read_config(settings.path(table.config))
    facts = None
    if table.export is not None:
        if config.source.kind != "table" or len(config.source.tables) != 1:
            raise InputError(
                "has an export, but its config does not read exactly one table",
                file=settings.file,
                column=f"tables.{name}",
            )
        facts = export_table(table.export, config.path(config.source.tables[0].file))
    changes: dict[str, Any] = {}
    if table.patients is not None:
        if not isinstance(config.source, SyntheticSource):
            raise InputError(
                "'patients' is the size of a synthetic cohort, and this is none",
                file=settings.file,
                column=f"tables.{name}",
            )
        changes["source"] = config.source.model_copy(update={"patients": table.patients})
    config = config.model_copy(update={"name": name, **changes})
    for stage in ("audit", "features"):
        run_stages(STAGES, stage, config, lambda _: None, lambda _: None, progress)
    return config, facts


def _audit_line(config: Config) -> str:
    file = config.run_folder / "audit" / "audit.json"
    summary = json.loads(file.read_text(encoding="utf-8"))["summary"]
    return f"audit: {summary['errors']} errors, {summary['warnings']} warnings"
