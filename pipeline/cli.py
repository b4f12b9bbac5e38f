"""The commands. ``python -m pipeline run configs/default.yaml`` is the one to know."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

from pipeline.config_file import read_config
from pipeline.display import Display
from pipeline.errors import InputError
from pipeline.runner import run_stages
from pipeline.stages import STAGES

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="From a cohort table to a calibrated, explained and registered model of CRS risk. "
    "Research use only.",
)

_INTERRUPTED = 130
_NOT_PROMOTED = 3

ConfigFile = Annotated[Path, typer.Argument(help="The run's config.", metavar="CONFIG")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


def main() -> None:
    """Run the command line; input errors end with exit code 2 and one sentence."""
    try:
        # Typer answers an interrupt, and an exit on purpose, with the code to end with.
        ended = app(standalone_mode=False)
        if ended == _INTERRUPTED:
            raise KeyboardInterrupt
        raise SystemExit(ended)
    except InputError as error:
        Display(quiet=False).fault(str(error))
        raise SystemExit(2) from None
    except (KeyboardInterrupt, typer.Abort):
        Display(quiet=False).fault("Stopped. The same command continues where it left off.")
        raise SystemExit(_INTERRUPTED) from None
    except Exception as error:
        if not hasattr(error, "show"):  # a usage error of the command line knows how to print
            raise
        error.show()
        raise SystemExit(2) from None


def _stage_command(name: str) -> Callable[[Path, bool], None]:
    def command(config: ConfigFile = Path("configs/default.yaml"), quiet: Quiet = False) -> None:
        _run(name, config, quiet)

    return command


for _stage in STAGES:
    app.command(_stage.name, help=f"{_stage.summary} Runs the stages before it if stale.")(
        _stage_command(_stage.name)
    )


@app.command()
def run(config: ConfigFile = Path("configs/default.yaml"), quiet: Quiet = False) -> None:
    """Run all stages, as far as they are stale."""
    _run(STAGES[-1].name, config, quiet)


@app.command()
def score(
    model: Annotated[str, typer.Option(help="Model folder, or models:/name@alias.")],
    input: Annotated[Path, typer.Option(help="CSV, Parquet, XLSX or XPT; dictionary's columns.")],
    output: Annotated[Path, typer.Option(help="Risks, as .parquet or .csv.")],
    quiet: Quiet = False,
) -> None:
    """Score a table of patients with a trained model."""
    from pipeline.serving.batch import score_file

    Display(quiet).say(score_file(model, input, output))


_Model = Annotated[str, typer.Option(help="Model folder, or models:/name@alias.")]
_Config = Annotated[Path, typer.Option(help="Config that holds the rules.")]
_DEFAULT_CONFIG = Path("configs/default.yaml")


@app.command()
def monitor(
    model: _Model,
    cohort: Annotated[
        Path, typer.Option(help="New patients, with the outcomes so far known; dictionary's units.")
    ],
    config: _Config = _DEFAULT_CONFIG,
    output: Annotated[Path, typer.Option(help="Folder for monitor.html and monitor.json.")] = Path(
        "models/monitor"
    ),
    quiet: Quiet = False,
) -> None:
    """Watch a model on new patients: drift, calibration over time, and one verdict.

    The verdict is fine, recalibrate or retrain, by the rules under `monitoring` of the config.
    Units that seem wrong are named.
    """
    from pipeline.monitoring.commands import monitor_file

    Display(quiet).say(monitor_file(model, cohort, read_config(config), output))


@app.command()
def benchmark(
    settings: Annotated[Path, typer.Option(help="What is compared, and on which tables.")] = Path(
        "configs/benchmark/benchmark.yaml"
    ),
    config: Annotated[
        list[Path] | None, typer.Option(help="A run config of yours to compare on; repeatable.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="A table's name; repeatable.")] = None,
    part: Annotated[
        Literal["compare", "speed", "both"], typer.Option(help="What to measure.")
    ] = "both",
    quiet: Quiet = False,
) -> None:
    """Compare the procedure with others, and time the scorer; stop and go on at will."""
    from pipeline.benchmark.report import headline, speed_lines
    from pipeline.stages.benchmark import run_comparison, run_speed

    begun = time.perf_counter()
    with Display(quiet) as display:
        if part != "compare":
            found, folder = run_speed(settings, config or [], display.progress)
            display.say(speed_lines(found))
        if part != "speed":
            results, folder = run_comparison(
                settings, config or [], only or [], display.progress, display.say
            )
            display.say(headline(results))
        report = os.path.relpath(folder / "report.md")
        display.say(f"Done in {time.perf_counter() - begun:.0f} s. Read the report: {report}")


@app.command()
def serve(
    model: Annotated[
        str | None,
        typer.Option(help="Model folder, or models:/name@alias.", show_default=False),
    ] = None,
    host: Annotated[str | None, typer.Option(help="In place of the config's.")] = None,
    port: Annotated[int | None, typer.Option(help="In place of the config's.")] = None,
    config: Annotated[Path, typer.Option(help="For its section 'serving'.")] = Path(
        "configs/default.yaml"
    ),
) -> None:
    """Serve a trained model over HTTP: page, JSON, CDS Hooks, FHIR, metrics."""
    from pipeline.serving.http.serve import serve as serve_model

    serve_model(read_config(config), model, host, port)


@app.command()
def recalibrate(
    model: _Model,
    cohort: Annotated[
        Path, typer.Option(help="The site's patients with known outcomes; dictionary's units.")
    ],
    config: _Config = _DEFAULT_CONFIG,
    output: Annotated[Path, typer.Option(help="Folder for the model and its card.")] = Path(
        "models/recalibrated"
    ),
    quiet: Quiet = False,
) -> None:
    """Recalibrate a model for a site, and register it as a new version with its parent.

    A closed test chooses: nothing, intercept, intercept and slope, or new weights of therapy
    and findings. What single findings mean stays the parent's: a refit is a run on the site's own
    table. The new version is challenger only: `promote` decides on champion. Values in another
    unit are refused: they would be built into the model.
    """
    from pipeline.monitoring.recalibration import recalibrate_file

    Display(quiet).say(recalibrate_file(model, cohort, read_config(config), output))


@app.command()
def promote(
    challenger: Annotated[str, typer.Option(help="Version number, @alias or address.")],
    champion: Annotated[str, typer.Option(help="The same.")] = "@champion",
    cohort: Annotated[
        Path | None,
        typer.Option(
            help="Patients with known outcomes whom neither version was fitted on; only a whole "
            "table is recognised, not some of its rows. Default: both runs' folds."
        ),
    ] = None,
    config: _Config = _DEFAULT_CONFIG,
    output: Annotated[Path | None, typer.Option(help="Figures, as .json.")] = None,
    quiet: Quiet = False,
) -> None:
    """Compare a challenger with the champion in pairs; move the alias, or say why not.

    Ends with exit code 3 where the challenger is refused.
    """
    from pipeline.monitoring.commands import promote_version

    said, refused = promote_version(challenger, champion, cohort, read_config(config), output)
    Display(quiet).say(said)
    if refused:
        raise typer.Exit(_NOT_PROMOTED)


@app.command()
def rollback(config: _Config = _DEFAULT_CONFIG, quiet: Quiet = False) -> None:
    """Make the previous champion champion again."""
    from pipeline.monitoring.commands import roll_back

    Display(quiet).say(roll_back(read_config(config)))


@app.command()
def fetch(
    cohort: Annotated[str, typer.Argument(help="Its name in the registry, such as cd22.")],
    registry: Annotated[Path, typer.Option(help="What public cohorts there are.")] = Path(
        "data/public_cohorts.yaml"
    ),
    quiet: Quiet = False,
) -> None:
    """Download a public cohort into the user's cache, as tables that its config reads."""
    from pipeline.ingest.public.fetch import fetch_cohort

    with _bytes_shown(quiet) as progress:
        line = fetch_cohort(cohort, registry, progress)
    Display(quiet).say(line)


@contextmanager
def _bytes_shown(quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A bar per file on a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn()
    tasks: dict[str, TaskID] = {}
    hidden = quiet or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:

        def progress(file: str, done: int, total: int) -> None:
            if file not in tasks:
                tasks[file] = bar.add_task(escape(file), total=total or None)
            bar.update(tasks[file], completed=done, total=total or None)

        yield progress


def _run(upto: str, config_file: Path, quiet: bool) -> None:
    begun = time.perf_counter()
    config = read_config(config_file)
    with Display(quiet) as display:
        display.heading(config, config_file)
        outcomes = run_stages(
            STAGES, upto, config, display.started, display.ended, display.progress
        )
        display.closing(config, outcomes, time.perf_counter() - begun)
