"""The model that answers now, and the watch that replaces it when its source moves on."""

from __future__ import annotations

import asyncio
from typing import Any

from pipeline.errors import InputError
from pipeline.serving.http.logs import log
from pipeline.serving.http.metrics import Metrics
from pipeline.serving.http.source import Loaded, Source


class Holder:
    """Holds one loaded model; requests take it once and keep it to their end.

    Parameters
    ----------
    source : Source
    first : Loaded
        The model to begin with.
    metrics : Metrics

    Attributes
    ----------
    model : Loaded
        Replaced as a whole: a request under way keeps the one that it began with.
    trouble : str or None
        Why the newest model could not be loaded, where the last good one stays.
    """

    def __init__(self, source: Source, first: Loaded, metrics: Metrics) -> None:
        self._source, self.model, self._metrics = source, first, metrics
        self.trouble: str | None = None
        metrics.model(first.version)

    async def watch(self, seconds: float) -> None:
        """Ask the source at intervals, for ever, whether its model has changed."""
        while True:
            await asyncio.sleep(seconds)
            await self.refresh()

    async def refresh(self) -> None:
        """Load the source's model where it has changed; the last good one stays otherwise."""
        try:
            key = await asyncio.to_thread(self._source.key)
            if key == self.model.key:
                self._trouble(None)
                return
            loaded = await asyncio.to_thread(self._source.load)
        except Exception as error:
            # Whatever is wrong with the new model, the old one can answer.
            self._trouble(str(error) if isinstance(error, InputError) else type(error).__name__)
            return
        previous, self.model = self.model.version, loaded
        self._trouble(None)
        self._metrics.model(loaded.version)
        log("model changed", version=loaded.version, previous=previous)

    def close(self) -> None:
        """Let go of the source."""
        self._source.close()

    def _trouble(self, found: str | None) -> None:
        if found is not None:
            self._metrics.reload_failures.inc()
            if found != self.trouble:
                details: dict[str, Any] = {"kept": self.model.version, "reason": found}
                log("model not changed: the new one does not load", level="error", **details)
        self.trouble = found
