"""What stands before every route: size, rate and tokens; and what is written after each.

Plain ASGI, because it must see a body before it is read, and every error whoever raises it.
"""

from __future__ import annotations

import hmac
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from uuid import uuid4

from pipeline.config import Serving
from pipeline.serving.http.logs import log, place_of
from pipeline.serving.http.metrics import Metrics
from pipeline.serving.http.page import ADDRESSES

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

# Open to all: what a load balancer asks, CDS Hooks' discovery, and what a browser opens by a link,
# to which it adds no token: the page, and the card, which holds no patient's data.
_OPEN = ADDRESSES | {"/v1/card", "/health", "/ready", "/cds-services"}
_CLIENTS_REMEMBERED = 10_000
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"x-frame-options", b"DENY"),
)


class Guard:
    """Wraps the application.

    Parameters
    ----------
    app : ASGI application
    settings : Serving
    tokens : iterable of str
        Whoever brings none of them is refused; where there are none, all are let in.
    metrics : Metrics
    """

    def __init__(
        self, app: App, settings: Serving, tokens: Iterable[str], metrics: Metrics
    ) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._tokens = [token.encode() for token in tokens]
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Check a request, pass it on, count it and write a line on it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, code = time.perf_counter(), 0

        async def sent(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
                own = {name for name, _ in message.get("headers", ())}
                extra = [pair for pair in _HEADERS if pair[0] not in own]
                message["headers"] = [*message.get("headers", ()), *extra]
            await send(message)

        try:
            refusal = self._refusal(scope)
            if refusal is None:
                body, refusal = await self._body(scope, receive)
            if refusal is not None:
                await _answer(sent, *refusal)
            else:
                await self._app(scope, _replay(body, receive), sent)
        except Exception as error:
            # A person can find the place by this number; the message may quote what was sent.
            number = uuid4().hex[:12]
            log(
                "error", level="error", number=number,
                kind=type(error).__name__, at=place_of(error),
            )  # fmt: skip
            if code == 0:
                await _answer(sent, 500, f"An error of the service, logged under {number}.")
        finally:
            self._note(scope, code, time.perf_counter() - begun)

    def _note(self, scope: Message, code: int, seconds: float) -> None:
        # The route as the program spells it: an address as sent may hold anything.
        route = getattr(scope.get("route"), "path", None) or "other"
        method = scope["method"] if scope["method"] in ("GET", "POST") else "other"
        self._metrics.requests.labels(route, method, str(code)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        told = scope.get("state", {}).get("told", {})
        log(
            "request", route=route, method=method, code=code,
            milliseconds=round(1000 * seconds, 2), **told,
        )  # fmt: skip

    def _refusal(self, scope: Message) -> tuple[int, str] | None:
        client = (scope.get("client") or ("unknown",))[0]
        if not self._within_rate(client):
            return 429, "Too many requests: wait a moment."
        if self._tokens and scope["path"] not in _OPEN:
            headers = dict(scope["headers"])
            scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
            known = [hmac.compare_digest(given.strip(), token) for token in self._tokens]
            if scheme.lower() != b"bearer" or not any(known):
                return 401, "A bearer token is needed."
        return None

    async def _body(
        self, scope: Message, receive: Receive
    ) -> tuple[list[Message], tuple[int, str] | None]:
        """Read the body, as far as it is not too long."""
        limit = self._settings.max_body_bytes
        too_long = 413, f"The request is longer than {limit:,} bytes."
        stated = dict(scope["headers"]).get(b"content-length", b"0")
        if stated.isdigit() and int(stated) > limit:
            return [], too_long
        messages, size = [], 0
        while True:
            message = await receive()
            messages.append(message)
            size += len(message.get("body", b""))
            if size > limit:
                return [], too_long
            if message["type"] != "http.request" or not message.get("more_body"):
                return messages, None

    def _within_rate(self, client: str) -> bool:
        now, settings = time.monotonic(), self._settings
        left, last = self._buckets.pop(client, (float(settings.burst), now))
        left = min(float(settings.burst), left + (now - last) * settings.requests_per_second)
        allowed = left >= 1
        self._buckets[client] = (left - 1 if allowed else left, now)
        if len(self._buckets) > _CLIENTS_REMEMBERED:
            self._buckets.popitem(last=False)
        return allowed


def _replay(messages: list[Message], receive: Receive) -> Receive:
    waiting = list(messages)

    async def received() -> Message:
        return waiting.pop(0) if waiting else await receive()

    return received


async def _answer(send: Send, code: int, sentence: str) -> None:
    body = json.dumps({"detail": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if code == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if code == 429:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
