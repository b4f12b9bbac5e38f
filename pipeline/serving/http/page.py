"""The page's files, as they lie in ``pipeline/serving/page``, each at an address of its own."""

from __future__ import annotations

from importlib.resources import files
from pathlib import PurePath

from fastapi import FastAPI, Request, Response

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Address to content and media type.
_FILES = {
    "/" if file.name == "index.html" else f"/{file.name}": (
        file.read_bytes(),
        _KINDS[PurePath(file.name).suffix],
    )
    for file in (files("pipeline.serving") / "page").iterdir()
}
ADDRESSES = frozenset(_FILES)


def add_page(app: FastAPI) -> None:
    """Let the application answer with the page, which may load nothing from elsewhere."""
    for path, (content, kind) in _FILES.items():

        async def page(_: Request, content: bytes = content, kind: str = kind) -> Response:
            headers = {"content-security-policy": _POLICY}
            return Response(content, media_type=kind, headers=headers)

        app.add_route(path, page, methods=["GET"], include_in_schema=False)
