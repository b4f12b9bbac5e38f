"""Logs as one JSON object a line. They name routes, codes and counts, never what was sent."""

from __future__ import annotations

import json
import logging
import sys
import time
from types import TracebackType
from typing import Any

_LOGGER = logging.getLogger("crs_risk")


def set_up_logs() -> None:
    """Write this service's and uvicorn's lines to standard error, and nobody else's."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    for name in ("crs_risk", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = ([handler], False) if "." not in name else ([], True)
        logger.setLevel(logging.INFO)
    # Its lines hold whole addresses; the service writes its own, by route.
    logging.getLogger("uvicorn.access").disabled = True


def log(event: str, level: str = "info", **details: Any) -> None:
    """Write one line.

    Parameters
    ----------
    event : str
    details
        Plain values that hold nothing of a patient.
    """
    _LOGGER.log(getattr(logging, level.upper()), event, extra={"details": details})


def place_of(error: BaseException) -> list[str]:
    """Where an error arose, by file and line: its message may quote what was sent."""
    places = []
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places[-6:]


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= getattr(record, "details", {})
        if record.exc_info and record.exc_info[1] is not None:
            # Of an exception only its kind and place: the message may quote what was sent.
            line["event"] = "error"
            line |= {
                "kind": type(record.exc_info[1]).__name__,
                "at": place_of(record.exc_info[1]),
            }
        return json.dumps(line, ensure_ascii=False)
