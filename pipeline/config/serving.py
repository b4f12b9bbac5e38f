"""How the HTTP service runs: where, how much it takes, whom it lets in."""

from __future__ import annotations

from pydantic import Field

from pipeline.config.section import Section


class Serving(Section):
    """Settings of ``python -m pipeline serve``; ``--host`` and ``--port`` go before them."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    poll_seconds: float = Field(default=30.0, gt=0)
    graceful_seconds: int = Field(default=20, ge=0)
    max_body_bytes: int = Field(default=4_000_000, ge=1000)
    max_patients: int = Field(default=1000, ge=1)
    requests_per_second: float = Field(default=300.0, gt=0)
    burst: int = Field(default=600, ge=1)
    token_file: str | None = None
    cors_origins: list[str] = Field(default_factory=list)
    public_url: str | None = None
