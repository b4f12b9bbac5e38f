"""``python -m pipeline serve``: load the model, then answer until told to stop."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.config import Config
from pipeline.errors import InputError

_TOKENS = "CRS_RISK_TOKENS"


def serve(config: Config, model: str | None, host: str | None, port: int | None) -> None:
    """Serve a model over HTTP.

    Parameters
    ----------
    config : Config
        Its ``serving``, ``registry`` and ``evaluation.thresholds``.
    model : str or None
        Model folder or address; the registry's champion where None.
    host, port
        In place of the config's.

    Raises
    ------
    InputError
        Where there is no model to begin with, or the tokens cannot be read.
    """
    import uvicorn

    from pipeline.registry.address import tracking_uri
    from pipeline.serving.http.app import create_app
    from pipeline.serving.http.holder import Holder
    from pipeline.serving.http.logs import log, set_up_logs
    from pipeline.serving.http.metrics import Metrics
    from pipeline.serving.http.source import source_of

    settings = config.serving
    tokens = read_tokens(config)
    store = tracking_uri(config.path(config.registry.store))
    source = source_of(model or f"models:/{config.registry.model_name}@champion", store)
    set_up_logs()
    try:
        first = source.load()
    except InputError:
        source.close()
        raise
    metrics = Metrics()
    app = create_app(
        Holder(source, first, metrics), settings, metrics, tokens, config.evaluation.thresholds
    )
    host, port = host or settings.host, settings.port if port is None else port
    log("serving", model=first.version, address=f"http://{host}:{port}/", tokens=bool(tokens))
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=settings.graceful_seconds,
        # A slow client must not hold a connection for ever.
        timeout_keep_alive=30,
    )


def read_tokens(config: Config) -> tuple[str, ...]:
    """Bearer tokens from the environment and from the config's file; none lets everybody in.

    Raises
    ------
    InputError
        Where the file cannot be read or holds none: nobody would expect an open service then.
    """
    found = [t.strip() for t in os.environ.get(_TOKENS, "").split(",") if t.strip()]
    if config.serving.token_file is not None:
        file = Path(config.path(config.serving.token_file))
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            raise InputError(
                "cannot be read", file=file, mend="correct serving.token_file in the config"
            ) from None
        own = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        if not own:
            raise InputError("holds no token", file=file, expected="one token a line")
        found += own
    return tuple(found)
