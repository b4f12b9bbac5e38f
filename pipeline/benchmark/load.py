"""A steady load on a running service: what is lost, and how long answers take."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from urllib.parse import urlsplit

import numpy as np

_CONNECTIONS = 32
_PATIENCE = 30.0  # seconds, after which an answer counts as lost


def load(address: str, values: dict[str, Any], rate: float, seconds: float) -> dict[str, Any]:
    """Ask for one patient's risk again and again, at a rate that does not wait for answers.

    Requests leave on time whether or not earlier ones were answered, and each is timed from
    when it was due: a service that stalls shows it in every request that had to wait.

    Parameters
    ----------
    address : str
        Such as ``http://127.0.0.1:8000``.
    values : dict
        A patient, as ``POST /v1/risk`` takes it.
    rate : float
        Requests a second.
    seconds : float

    Returns
    -------
    dict
        ``requests``, ``answered`` (with code 200), ``lost``, and the median, 99th percentile
        and maximum of milliseconds to the answer.
    """
    return asyncio.run(_load(address, values, rate, seconds))


async def _load(
    address: str, values: dict[str, Any], rate: float, seconds: float
) -> dict[str, Any]:
    place = urlsplit(address)
    body = json.dumps({"values": values}).encode()
    head = (
        f"POST /v1/risk HTTP/1.1\r\nhost: {place.netloc}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body
    due: asyncio.Queue[float] = asyncio.Queue()
    times: list[float] = []
    workers = [
        asyncio.create_task(_ask(place.hostname or "", place.port or 80, request, due, times))
        for _ in range(_CONNECTIONS)
    ]
    count, begun = round(rate * seconds), time.perf_counter()
    for i in range(count):
        at = begun + i / rate
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        due.put_nowait(at)
    await due.join()
    for worker in workers:
        worker.cancel()
    milliseconds = 1000 * np.array(times or [np.inf])
    return {
        "requests": count,
        "answered": len(times),
        "lost": count - len(times),
        "rate": rate,
        "seconds": round(time.perf_counter() - begun, 2),
        "median_ms": round(float(np.median(milliseconds)), 2),
        "p99_ms": round(float(np.quantile(milliseconds, 0.99)), 2),
        "maximum_ms": round(float(milliseconds.max()), 2),
    }


async def _ask(
    host: str, port: int, request: bytes, due: asyncio.Queue[float], times: list[float]
) -> None:
    """Send requests as they fall due over one kept connection, and time their answers."""
    stream = None
    while True:
        at = await due.get()
        try:
            if stream is None:
                stream = await asyncio.open_connection(host, port)
            reader, writer = stream
            writer.write(request)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _PATIENCE)
            fields = dict(
                line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line
            )
            await reader.readexactly(int(fields[b"content-length"]))
            if head.split(b" ", 2)[1] == b"200":
                times.append(time.perf_counter() - at)
        except (OSError, asyncio.IncompleteReadError, KeyError):
            stream = None  # the request is lost
        finally:
            due.task_done()
