"""Runs stages: skips what is fresh, writes whole folders or nothing, continues after a stop.

Each stage owns one folder of the run. Its ``stage.json`` records the fingerprint of all that
went in and the digests of all that came out. A stage is fresh when both still stand.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from pipeline.config import Config
from pipeline.errors import InputError

RECORD = "stage.json"
_SOURCE_SUFFIXES = (".py", ".j2", ".css", ".js")

_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Job:
    """What a stage's function receives.

    Attributes
    ----------
    config : Config
        Only the sections that the stage declared; another one is an AttributeError, so that
        no stage can depend on what its fingerprint does not cover.
    settings : dict
        The same sections as plain JSON.
    run : Path
        The run folder; ``run / "ingest" / "cohort.parquet"``, say.
    out : Path
        An empty folder for the stage's files.
    scratch : Path
        A folder, not there at first, for parts of long work. It survives a stop as long as
        the stage's fingerprint stands, so that the next run finds the parts again, and goes
        when the stage is complete.
    progress : callable
        ``progress(what, done, total)`` for long work.
    """

    config: Config
    settings: dict[str, Any]
    run: Path
    out: Path
    scratch: Path
    progress: Progress


@dataclass(frozen=True)
class Stage:
    """One step of the pipeline.

    Attributes
    ----------
    name, summary : str
        The command's name and what it does, for people.
    after : tuple of str
        Stages whose folders it reads.
    sections : tuple of str
        Parts of the config that it reads.
    run : callable
        Reads from ``job.run``, writes to ``job.out``, and returns one line for people.
    files : callable
        External files that it reads.
    outside : callable
        What else it depends on, as text (an address, say).
    stands : callable
        Whether what it left outside its folder is still there.
    """

    name: str
    summary: str
    after: tuple[str, ...]
    sections: tuple[str, ...]
    run: Callable[[Job], str]
    files: Callable[[Config], list[Path]] = lambda config: []
    outside: Callable[[Config], str] = lambda config: ""
    stands: Callable[[Config], bool] = lambda config: True


@dataclass(frozen=True)
class Outcome:
    """How a stage ended: fresh or run, in how many seconds, and its line for people."""

    stage: str
    fresh: bool
    seconds: float
    line: str


def run_stages(
    stages: tuple[Stage, ...],
    upto: str,
    config: Config,
    started: Callable[[Stage], None],
    ended: Callable[[Outcome], None],
    progress: Progress,
) -> list[Outcome]:
    """Run a stage and what it needs, as far as they are stale.

    Parameters
    ----------
    upto : str
        Name of the stage wanted.
    started, ended, progress : callable
        Told of what happens, for display.

    Raises
    ------
    InputError
        From a stage; the stages before it stay done, and nothing of its own is left.
    """
    run = config.run_folder
    outcomes = []
    with _locked(run):
        source = package_digest()
        for stage in _needed(stages, upto):
            begun = time.perf_counter()
            mark = _fingerprint(stage, config, run, source)
            record = _fresh_record(run / stage.name, mark) if stage.stands(config) else None
            fresh = record is not None
            if record is None:
                started(stage)
                record = _run_whole(stage, config, run, mark, progress)
            seconds = time.perf_counter() - begun
            outcomes.append(Outcome(stage.name, fresh, seconds, record["line"]))
            ended(outcomes[-1])
    return outcomes


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def package_digest() -> str:
    """SHA-256 of this package's own source: the same wherever it is installed."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in _SOURCE_SUFFIXES:
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


def _needed(stages: tuple[Stage, ...], upto: str) -> list[Stage]:
    by_name = {stage.name: stage for stage in stages}
    wanted = {upto}
    for stage in reversed(stages):
        if stage.name in wanted:
            wanted |= set(by_name[stage.name].after)
    return [stage for stage in stages if stage.name in wanted]


def _fingerprint(stage: Stage, config: Config, run: Path, source: str) -> str:
    facts = {
        "source": source,
        "config": _settings(stage, config),
        "files": [(path.name, file_digest(path)) for path in stage.files(config)],
        "stages": {name: _outputs(run / name) for name in stage.after},
        "outside": stage.outside(config),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _settings(stage: Stage, config: Config) -> dict[str, Any]:
    return config.model_dump(mode="json", include=set(stage.sections))


def _outputs(folder: Path) -> Any:
    return json.loads((folder / RECORD).read_text(encoding="utf-8"))["outputs"]


def _fresh_record(folder: Path, mark: str) -> dict[str, Any] | None:
    """Return the stage's record if its inputs and outputs still stand."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if record["fingerprint"] == mark and record["outputs"] == _digests(folder):
            return cast(dict[str, Any], record)
    except (OSError, ValueError, KeyError, TypeError):
        # No record, or one that a crash or an editor left unreadable: the stage runs again.
        return None
    return None


def _run_whole(
    stage: Stage, config: Config, run: Path, mark: str, progress: Progress
) -> dict[str, Any]:
    """Run a stage into a folder aside, and move it into place when it is complete."""
    folder, aside, old = run / stage.name, run / f".{stage.name}.new", run / f".{stage.name}.old"
    parts = run / f".{stage.name}.parts"
    scratch = parts / mark
    stale = [part for part in parts.glob("*") if part != scratch]
    for leftover in (aside, old, *stale):
        shutil.rmtree(leftover, ignore_errors=True)
    aside.mkdir(parents=True)
    always = ("name", "file", "path", "run_folder")
    view = SimpleNamespace(**{name: getattr(config, name) for name in (*always, *stage.sections)})
    try:
        settings = _settings(stage, config)
        line = stage.run(Job(cast(Config, view), settings, run, aside, scratch, progress))
        record = {"fingerprint": mark, "line": line, "outputs": _digests(aside)}
        (aside / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        _to_disk(aside)
        if folder.exists():
            folder.rename(old)
        aside.rename(folder)
        shutil.rmtree(parts, ignore_errors=True)
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        raise InputError(
            f"cannot be written ({os.strerror(error.errno or 0)})",
            file=error.filename or folder,
            mend="check free space and permissions, then run again",
        ) from error
    finally:
        for leftover in (aside, old):
            shutil.rmtree(leftover, ignore_errors=True)
    return record


def _digests(folder: Path) -> dict[str, str]:
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != RECORD)
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in paths}


def _to_disk(folder: Path) -> None:
    # A rename may reach the disk before the data does: after a power cut the record would
    # then vouch for files that are empty.
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


@contextmanager
def _locked(run: Path) -> Iterator[None]:
    """Keep two runs of one name from writing into each other."""
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock = (run / ".lock").open("w")
    except OSError as error:
        raise InputError(
            f"cannot be written ({os.strerror(error.errno or 0)})",
            file=run,
            mend="set 'runs' in the config to a folder that can be written",
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                "another run is at work on it", file=run, mend="wait for it to end, or rename one"
            ) from None
        yield
