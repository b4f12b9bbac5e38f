"""Where a served model comes from: a folder, or an address of the MLflow registry."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

from pipeline.errors import InputError
from pipeline.model.artifact import read_artifact
from pipeline.model.example import example_record
from pipeline.serving.scorer import Scorer

_CARD = "model_card.html"


@dataclass(frozen=True)
class Loaded:
    """A model that has answered once.

    Attributes
    ----------
    key : str
        Changes when the model does.
    version : str
        For people: the registered version, or the folder's run.
    scorer : Scorer
    card : bytes or None
        The model card as HTML, where it lies with the model.
    """

    key: str
    version: str
    scorer: Scorer
    card: bytes | None


class Source(Protocol):
    """A place that can say whether its model has changed, and load it. Both may block."""

    def key(self) -> str:
        """Name what would be loaded now."""

    def load(self) -> Loaded:
        """Load it, and let it answer once."""

    def close(self) -> None:
        """Let go of what was opened."""


class FolderSource:
    """A model folder such as ``models/default/train/model``.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def key(self) -> str:
        """Name the folder's model by its last change."""
        try:
            found = (self._folder / "model.json").stat()
        except OSError:
            return ""
        return f"{found.st_mtime_ns}/{found.st_size}"

    def load(self) -> Loaded:
        """Load the model, and the card that came with it."""
        return _loaded(self.key(), None, self._folder, card_of(self._folder))

    def close(self) -> None:
        """Nothing is open."""


def card_of(model: Path) -> Path | None:
    """Find the card of a model folder: of the run that it lies in, or of its recalibration."""
    folder = model.resolve()
    places = folder.parents[1] / "card" / _CARD, folder.parent / _CARD
    return next((place for place in places if place.is_file()), None)


class RegistrySource:
    """An address such as ``models:/crs-risk@champion``.

    MLflow takes seconds to import and captures what a process prints: it works in a process
    of its own, which lives as long as the service.

    Parameters
    ----------
    uri : str
    store : str
        The tracking store's address.
    """

    def __init__(self, uri: str, store: str) -> None:
        self._uri, self._store = uri, store
        self._process: ProcessPoolExecutor | None = None

    def key(self) -> str:
        """Name the version that the address means now."""
        return str(self._ask("version"))

    def load(self) -> Loaded:
        """Download model and card of that version, and load the model."""
        version, folder, card = self._ask("download")
        return _loaded(version, version, Path(folder), Path(card) if card else None)

    def close(self) -> None:
        """End MLflow's process."""
        if self._process is not None:
            self._process.shutdown(wait=False, cancel_futures=True)
            self._process = None

    def _ask(self, what: str) -> Any:
        if self._process is None:
            self._process = ProcessPoolExecutor(
                1, mp_context=get_context("spawn"), initializer=_ignore_interrupts
            )
        try:
            return self._process.submit(_in_registry, what, self._uri, self._store).result()
        except BrokenProcessPool:
            self.close()
            raise InputError(
                "the process that asks the model registry has ended",
                mend="see whether the machine ran out of memory; it is started again",
            ) from None


def source_of(address: str, store: str) -> Source:
    """Tell a folder from an address of the registry."""
    if ":/" in address and not Path(address).exists():
        return RegistrySource(address, store)
    return FolderSource(Path(address))


def _in_registry(what: str, uri: str, store: str) -> Any:
    from pipeline.registry.address import fetch_served, served_version

    return served_version(uri, store) if what == "version" else fetch_served(uri, store)


def _ignore_interrupts() -> None:
    # Ctrl-C is for the service, which then ends this process; a killed parent ends it too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


def _loaded(key: str, version: str | None, folder: Path, card: Path | None) -> Loaded:
    scorer = Scorer(read_artifact(folder))
    # What cannot answer for a made-up patient must not replace what can.
    made_up = {str(k): v for k, v in example_record(scorer.artifact).iloc[0].items()}
    scorer.score([made_up], reasons=True)
    run = scorer.artifact.facts.get("provenance", {}).get("run", folder.name)
    return Loaded(key, version or f"run {run}", scorer, card.read_bytes() if card else None)
