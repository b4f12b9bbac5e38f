"""What a run prints: a line per stage, progress on a terminal, and where to look next."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from pipeline.config import Config
from pipeline.runner import Outcome, Stage


class Display:
    """Prints a run.

    Parameters
    ----------
    quiet : bool
        Print faults only.
    """

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self._out = Console(quiet=quiet, highlight=False, emoji=False, soft_wrap=True)
        self._errors = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)
        self._bar: Progress | None = None
        if self._out.is_terminal and not quiet:
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=self._out,
                transient=True,
            )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def heading(self, config: Config, file: Path) -> None:
        """Name the run."""
        self._out.print(f"[bold]{config.name}[/bold]  {escape(str(file))}")

    def started(self, stage: Stage) -> None:
        """Show that a stage is at work."""
        if self._bar:
            self._task = self._bar.add_task(escape(f"{stage.name}: {stage.summary}"), total=None)

    def progress(self, what: str, done: int, total: int) -> None:
        """Show how far a long stage has come."""
        if self._bar:
            if self._task is None:
                self._task = self._bar.add_task("", total=None)
            self._bar.update(self._task, description=escape(what), completed=done, total=total)

    def ended(self, outcome: Outcome) -> None:
        """Print a stage's line."""
        if self._bar and self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
        took = "fresh" if outcome.fresh else f"{outcome.seconds:.1f} s"
        mark = "[dim]·[/dim]" if outcome.fresh else "[green]✓[/green]"
        line = escape(outcome.line).replace("\n", "\n" + " " * 22)
        self._out.print(f" {mark} {outcome.stage:<9} {took:>7}  {line}")

    def closing(self, config: Config, outcomes: list[Outcome], seconds: float) -> None:
        """Say what there is to look at."""
        ran = [outcome for outcome in outcomes if not outcome.fresh]
        if ran:
            self._out.print(f"{len(ran)} of {len(outcomes)} stages ran in {seconds:.1f} s.")
        else:
            self._out.print(f"All {len(outcomes)} stages are fresh ({seconds:.1f} s).")
        card = config.run_folder / "card" / "model_card.html"
        if card.is_file() and outcomes[-1].stage == "card":
            self._out.print(f"Read the model card: {escape(os.path.relpath(card))}")

    def say(self, text: str) -> None:
        """Print a sentence."""
        self._out.print(escape(text))

    def fault(self, text: str) -> None:
        """Print what is wrong, to standard error."""
        self._errors.print(f"[red]✗[/red] {escape(text)}")
