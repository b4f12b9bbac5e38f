"""The registry on a real PostgreSQL, started on loopback for these tests."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

INITDB = shutil.which("initdb") or next(
    (str(p) for p in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(INITDB is None, reason="PostgreSQL's initdb is not installed"),
]

REGISTER = """
import sys
from mlflow import MlflowClient
from pipeline.registry.champion import make_champion
from pipeline.registry.client import mlflow_at
uri, name, source, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
with mlflow_at(uri):
    client = MlflowClient()
    made = [client.create_model_version(name, source).version for _ in range(count)]
    for version in made:
        make_champion(client, name, str(version))
print(*made)
"""


def _free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def database():
    """Address of an empty database; initdb refuses root, so another user runs it."""
    # Not below pytest's own folder, which is closed to other users.
    home = Path(tempfile.mkdtemp(prefix="postgresql-"))
    data, port = home / "data", _free_port()
    prefix = []
    if os.getuid() == 0:
        user = next(
            (u.pw_name for u in pwd.getpwall() if u.pw_name in ("postgres", "nobody")), None
        )
        if user is None or shutil.which("runuser") is None:
            pytest.skip("PostgreSQL does not run as root, and there is no other user to run it")
        prefix = ["runuser", "-u", user, "--"]
        shutil.chown(home, user)
    binaries = Path(os.path.realpath(INITDB)).parent
    control = shutil.which("pg_ctl") or str(binaries / "pg_ctl")

    def run(*arguments):
        ended = subprocess.run(
            [*prefix, *map(str, arguments)], cwd=home, capture_output=True, text=True, timeout=120
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr

    run(INITDB, "-D", data, "-U", "registry", "--auth=trust", "-E", "UTF8")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home}"
    run(control, "-D", data, "-w", "-l", home / "log", "-o", options, "start")
    yield f"postgresql+psycopg://registry@127.0.0.1:{port}/postgres"
    run(control, "-D", data, "-m", "immediate", "stop")
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def registered(database, small_run, configure, command, tmp_path_factory):
    """The small run, registered there by its own commands."""
    home = tmp_path_factory.mktemp("run")
    shutil.copytree(small_run.folder.parent, home / "runs")
    config = configure(home)
    ended = command("register", config, MLFLOW_TRACKING_URI=database)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return home


def test_artifacts_lie_beside_the_configured_store(registered, database):
    from mlflow import MlflowClient

    from pipeline.registry.client import mlflow_at

    with mlflow_at(database):
        place = MlflowClient().get_model_version("toy", "1").source
    assert list(registered.rglob("mlartifacts")), place


def test_a_run_registers_gets_its_alias_and_loads(registered, database, command, small_run):
    import pandas as pd

    patients, risks = registered / "patients.csv", registered / "risks.csv"
    cohort = pd.read_parquet(small_run.folder / "ingest" / "cohort.parquet").head(20)
    cohort.to_csv(patients, index=False)
    ended = command(
        "score", "--model", "models:/toy@challenger", "--input", patients, "--output", risks,
        MLFLOW_TRACKING_URI=database,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert len(pd.read_csv(risks)) == 20


def test_two_processes_register_at_once_and_nothing_is_lost(registered, database, environment):
    from mlflow import MlflowClient

    from pipeline.registry.client import mlflow_at

    with mlflow_at(database):
        client = MlflowClient()
        before = {v.version for v in client.search_model_versions("name='toy'")}
        source = client.get_model_version("toy", str(min(before, key=int))).source
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", REGISTER, database, "toy", source, "8"],
            env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    made = []
    for worker in workers:
        out, err = worker.communicate(timeout=240)
        assert worker.returncode == 0, err
        made += out.split()
    assert len(set(made)) == 16
    with mlflow_at(database):
        found = {str(v.version) for v in MlflowClient().search_model_versions("name='toy'")}
        champion = MlflowClient().get_model_version_by_alias("toy", "champion")
    assert found == {str(v) for v in before} | set(made)
    assert str(champion.version) in made
