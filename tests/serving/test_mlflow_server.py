"""``mlflow models serve`` really started: it scores, and its errors hold no patient's value."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CANARY = "canary-7391"


@pytest.fixture(scope="module")
def server(small_run, environment, tmp_path_factory):
    """Address of the scoring server, and the file that it logs to."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/toy@challenger",
             "--env-manager", "local", "-h", "127.0.0.1", "-p", str(port), "--workers", "1"],
            env=environment(
                MLFLOW_TRACKING_URI=small_run.store,
                # MLflow starts uvicorn by name.
                PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
                MLFLOW_ALLOW_PICKLE_DESERIALIZATION="false",
                MLFLOW_DISABLE_TELEMETRY="true",
            ),
            stdout=written, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        address = f"http://127.0.0.1:{port}"
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/ping", timeout=2).close()
                break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None, log.read_text()
                time.sleep(0.5)
        yield address, log
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def ask(address, body):
    request = urllib.request.Request(
        f"{address}/invocations",
        data=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_it_answers_with_the_scorer_s_risks(server, scorer, cohort, risks):
    records = cohort[[c for c in scorer.inputs if c in cohort]].head(5)
    content = json.loads(records.to_json(orient="split", index=False, double_precision=15))
    status, text = ask(server[0], {"dataframe_split": content})
    assert status == 200, text
    for row, answer in enumerate(json.loads(text)["predictions"]):
        assert answer["risk_ge2"] == pytest.approx(risks["risk_ge2"].iloc[row], abs=1e-9)


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_records": [{"therapy": "Yescarta", "ldh": CANARY}]},
        {"dataframe_records": [{"therapy": "Yescarta", "ldh": [CANARY]}]},
        {"dataframe_records": [{"therapy": {"x": CANARY}, "ldh": 300}]},
        {"dataframe_records": [{"unheard_of": CANARY}]},
        {"dataframe_records": CANARY},
        {"dataframe_split": {"columns": ["ldh"], "data": [[CANARY, CANARY]]}},
        {"inputs": {"ldh": [CANARY]}},
        {"inputs": CANARY},
        {"instances": [CANARY]},
        {CANARY: 1},
        pytest.param(
            f'{{"dataframe_records": [{{"ldh": "{CANARY}"'.encode(),
            marks=pytest.mark.xfail(
                strict=True,
                reason="MLflow itself repeats a body that is no JSON, before the model sees it: "
                "where that matters, serve with `make serve`",
            ),
        ),
    ],
    ids=range(11),
)
def test_no_error_repeats_what_was_sent(server, body):
    address, log = server
    _, text = ask(address, body)
    assert CANARY not in text
    assert CANARY not in log.read_text()
