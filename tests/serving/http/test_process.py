"""The service as a process: under load, when told to stop, and when the champion changes."""

import json
import signal
import threading
import time

import httpx
import pytest

from pipeline.benchmark.load import load


def test_a_steady_load_loses_nothing(live, values):
    found = load(live, values, rate=200, seconds=5)
    assert found["requests"] == 1000
    assert found["lost"] == 0
    # Generous, for machines that do other work: the benchmark reports the figure itself.
    assert found["p99_ms"] < 1000


def test_requests_under_way_are_answered_when_it_is_stopped(start, model, values):
    process, address = start("--model", model)
    body = {"patients": [{"values": values}] * 1000}
    answers = []

    def ask():
        answers.append(httpx.post(f"{address}/v1/risk", json=body, timeout=60))

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    asking.join()
    assert answers[0].status_code == 200
    assert len(answers[0].json()["answers"]) == 1000
    assert process.wait(timeout=20) is not None
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{address}/health")
    for line in process.log.read_text().splitlines():
        json.loads(line)


def test_without_a_model_it_says_so_and_does_not_start(command, tmp_path, small_run):
    ended = command("serve", "--config", small_run.config, "--model", tmp_path)
    assert ended.returncode == 2
    assert "holds no model.json" in ended.stderr


@pytest.mark.slow
def test_the_registered_champion_is_followed_without_losing_a_request(
    start, small_run, configure, tmp_path, values
):
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=small_run.store, registry_uri=small_run.store)
    version = client.get_model_version_by_alias("toy", "challenger").version
    client.set_registered_model_alias("toy", "served", version)
    settings = {"poll_seconds": 0.5}
    config = configure(
        tmp_path, serving=settings,
        registry={"model_name": "toy", "store": small_run.store.removeprefix("sqlite:///")},
    )  # fmt: skip
    _, address = start("--model", "models:/toy@served", "--config", config)
    assert httpx.get(f"{address}/ready").json()["model"] == f"toy version {version}"
    assert httpx.get(f"{address}/v1/card").status_code == 200
    files = client.get_model_version_download_uri("toy", version)
    run = client.get_model_version("toy", version).run_id
    second = client.create_model_version("toy", files, run)
    try:
        found = {}
        asking = threading.Thread(
            target=lambda: found.update(load(address, values, rate=50, seconds=12))
        )
        asking.start()
        client.set_registered_model_alias("toy", "served", second.version)
        asking.join()
        assert found["lost"] == 0
        assert httpx.get(f"{address}/ready").json()["model"] == f"toy version {second.version}"
    finally:
        client.delete_registered_model_alias("toy", "served")
        client.delete_model_version("toy", second.version)
