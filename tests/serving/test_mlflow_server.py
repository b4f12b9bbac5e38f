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


def ask(address, body, content="application/json"):
    request = urllib.request.Request(
        f"{address}/invocations",
        data=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers={"Content-Type": content},
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


REFUSED = [
    # wrong types
    {"dataframe_records": [{"therapy": "Yescarta", "ldh": CANARY}]},
    {"dataframe_records": [{"therapy": "Yescarta", "ldh": [CANARY]}]},
    {"dataframe_records": [{"therapy": {"x": CANARY}, "ldh": 300}]},
    # wrong column names, as in a table turned by mistake
    {"dataframe_records": [{"unheard_of": CANARY}]},
    {"dataframe_records": [{CANARY: 1}]},
    {"dataframe_split": {"columns": [CANARY, CANARY], "data": [[1, 2]]}},
    # wrong shape
    {"dataframe_records": CANARY},
    {"dataframe_records": [CANARY, {"ldh": CANARY}]},
    {"dataframe_split": {"columns": ["ldh"], "data": [[CANARY, CANARY]]}},
    {"dataframe_split": {CANARY: ["ldh"], "data": [[1]]}},
    {"dataframe_split": CANARY},
    {"inputs": {"ldh": [CANARY]}},
    {"inputs": {"ldh": [1, 2], "age": [CANARY]}},
    {"inputs": CANARY},
    {"instances": [CANARY]},
    {"instances": {"ldh": CANARY}},
    {"inputs": [[CANARY]], "instances": [[CANARY]]},
    {"messages": CANARY},
    {CANARY: 1},
    [CANARY],
    CANARY,
    # no JSON, no UTF-8
    f'{{"dataframe_records": [{{"ldh": "{CANARY}"'.encode(),
    f"ldh\n{CANARY}".encode(),
    b"\xff" + CANARY.encode(),
]
OTHER_CONTENT = [
    (f"therapy,ldh\nYescarta,{CANARY}", "text/csv"),
    (f'therapy,ldh\nYescarta,"{CANARY}', "text/csv"),
    (f"{CANARY},{CANARY}\n1", "text/csv"),
    (f"{CANARY}", "application/vnd.apache.parquet"),
    (f"{CANARY}", f"text/{CANARY}"),
    (f"{CANARY}", f"text/csv; charset={CANARY}"),
    (f"{CANARY}", f"text/csv; {CANARY}=1"),
]


@pytest.mark.parametrize("body", REFUSED, ids=range(len(REFUSED)))
def test_no_error_repeats_what_was_sent(server, body):
    address, log = server
    status, text = ask(address, body)
    assert status == 400, text
    assert CANARY not in text
    assert "stack_trace" not in text
    assert CANARY not in log.read_text()


@pytest.mark.parametrize(("body", "content"), OTHER_CONTENT, ids=range(len(OTHER_CONTENT)))
def test_nor_does_one_about_other_content(server, body, content):
    address, log = server
    status, text = ask(address, body.encode(), content)
    assert status in (400, 415), text
    assert CANARY not in text
    assert CANARY not in log.read_text()


def test_columns_that_the_model_does_not_read_are_left_out_of_the_log(server):
    address, log = server
    status, text = ask(address, {"dataframe_records": [{"therapy": "Yescarta", CANARY: CANARY}]})
    assert status == 200, text
    assert CANARY not in text
    assert CANARY not in log.read_text()


def test_the_error_still_says_what_was_wrong(server):
    address, _ = server
    _, text = ask(address, {"dataframe_records": [{"therapy": "Yescarta", "ldh": CANARY}]})
    assert "column 'ldh': 1 value is no number" in json.loads(text)["message"]
    _, text = ask(address, b'{"dataframe_records": [\n{"ldh": 1')
    assert "no valid JSON at line 2, character 10" in json.loads(text)["message"]
    _, text = ask(address, {"rows": []})
    assert "Expected one of dataframe_split, dataframe_records" in json.loads(text)["message"]
