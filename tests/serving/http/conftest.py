"""The service in this process, around the small run's model."""

import asyncio
import io
import logging
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from pipeline.config import Serving
from pipeline.serving.http.app import create_app
from pipeline.serving.http.holder import Holder
from pipeline.serving.http.logs import set_up_logs
from pipeline.serving.http.metrics import Metrics
from pipeline.serving.http.source import FolderSource

PROJECT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def service(model):
    """Build a client: ``service(tokens=(…), folder=…, **settings)``."""

    def build(tokens=(), folder=model, **settings):
        source, metrics = FolderSource(folder), Metrics()
        holder = Holder(source, source.load(), metrics)
        chosen = Serving(requests_per_second=1e6, burst=10**6).model_copy(update=settings)
        app = create_app(holder, chosen, metrics, tokens, {"ge2": [0.1, 0.2]})
        client = TestClient(app, raise_server_exceptions=False)
        client.holder = holder
        client.refresh = lambda: asyncio.run(holder.refresh())
        return client

    return build


@pytest.fixture(scope="session")
def client(service):
    return service()


@pytest.fixture
def logged(capsys):
    """Everything that the service has printed so far: its log, and whatever else."""
    set_up_logs()
    lines = io.StringIO()
    logging.getLogger("crs_risk").handlers[0].setStream(lines)

    def so_far():
        printed = capsys.readouterr()
        return lines.getvalue() + printed.out + printed.err

    return so_far


@pytest.fixture(scope="session")
def values(client):
    """The example patient that the service itself offers."""
    return client.get("/v1/model").json()["example"]


@pytest.fixture
def run_copy(small_run, tmp_path):
    """A copy of the run's model and card that a test may change; returns the model folder."""
    shutil.copytree(small_run.folder / "train", tmp_path / "run" / "train")
    shutil.copytree(small_run.folder / "card", tmp_path / "run" / "card")
    return tmp_path / "run" / "train" / "model"


@pytest.fixture(scope="session")
def start(environment, small_run, tmp_path_factory):
    """Start the service as a process of its own: ``start(*options)`` gives process, address.

    The process's ``log`` is a file: a pipe that nobody reads would fill, and stop it.
    """
    running, folder = [], tmp_path_factory.mktemp("services")

    def begin(*options, **variables):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        log = folder / f"{port}.log"
        with log.open("w") as written:
            process = subprocess.Popen(
                [sys.executable, "-m", "pipeline", "serve", "--config", str(small_run.config),
                 "--port", str(port), *map(str, options)],
                env=environment(**variables), stderr=written, cwd=PROJECT,
            )  # fmt: skip
        process.log = log
        running.append(process)
        address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            if process.poll() is not None:
                raise AssertionError(log.read_text())
            try:
                if httpx.get(f"{address}/ready").status_code == 200:
                    return process, address
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError("the service did not start within a minute")

    yield begin
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def live(start, model):
    """Address of the service on the run folder's model."""
    return start("--model", model)[1]
