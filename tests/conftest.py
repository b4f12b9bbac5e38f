"""One small run through the real commands, shared by all tests and workers of a session."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

PROJECT = Path(__file__).parents[1]

# MLflow reads it when it is imported, which tests of the registry do before they run.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

# Settings with which a model is fitted in a second: one choice each instead of several.
QUICK = {
    "model": {
        "inner_folds": 3,
        "trees": {"leaves": [4], "trees": [30]},
        "ridge": {"penalties": [100], "l1_ratio": 0.0, "knots": 4},
        "elastic_net": {"penalties": [20], "l1_ratio": 0.5, "knots": 0},
    },
    "audit": {"permutations": 199},
    "evaluation": {"folds": 2, "repeats": 1, "bootstrap": 100, "processes": 1},
    "transport": {"units": 2},
    "explanation": {"leading_variables": 2, "rows": 60},
    "card": dict.fromkeys(
        ("title", "intended_use", "intended_users", "horizon", "population"), "test"
    ),
    "registry": {"model_name": "toy", "experiment": "toy", "store": "runs/mlflow.db"},
}
SMALL = QUICK | {
    "name": "small",
    "runs": "runs",
    "dictionary": str(PROJECT / "configs" / "variables.yaml"),
    "source": {
        "kind": "synthetic",
        "facts": str(PROJECT / "data"),
        "patients": 250,
        "sites": 3,
        "therapies": {
            "axicabtagene ciloleucel": 5,
            "tisagenlecleucel": 5,
            "teclistamab": 3,
        },
    },
    "outcomes": {
        "any": {"column": "crs_grade", "at_least": 1, "label": "CRS of any grade"},
        "ge2": {"column": "crs_grade", "at_least": 2, "label": "CRS of grade 2 or higher"},
    },
    "primary_outcome": "ge2",
    "therapy_prior": {"table": str(PROJECT / "data" / "therapies.csv")},
}


def run_command(*arguments, cwd=PROJECT, **environment):
    """Run ``python -m pipeline`` as a person would, and return how it ended."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *map(str, arguments)],
        cwd=cwd,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
    )


def clean_environment(**changes):
    """This process's environment, without what points elsewhere or forces colours."""
    hidden = ("MLFLOW_", "FORCE_COLOR", "TTY_", "PYTHONPATH", "PYTEST_")
    kept = {name: v for name, v in os.environ.items() if not name.startswith(hidden)}
    return kept | {"PYTHONPATH": str(PROJECT)} | changes


@pytest.fixture(scope="session")
def command():
    """Run ``python -m pipeline`` with arguments."""
    return run_command


@pytest.fixture(scope="session")
def environment():
    """Make an environment for a process of one's own."""
    return clean_environment


@pytest.fixture(scope="session")
def configure():
    """Write a config that is quick to run: ``configure(folder, base, **changes)``."""

    def write(folder, base=None, **changes):
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "config.yaml"
        file.write_text(
            yaml.safe_dump((base or SMALL) | changes, sort_keys=False), encoding="utf-8"
        )
        return file

    return write


@pytest.fixture(scope="session")
def quick_settings():
    """Settings of a quick run, without source, outcomes and names."""
    return QUICK


@pytest.fixture(scope="session")
def small_run(tmp_path_factory, configure):
    """A finished run of 250 synthetic patients; nobody may change what is in it.

    Attributes: ``config`` (file), ``folder`` (the run's), ``store`` (MLflow's address) and
    ``output`` (what the run printed).
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    home, printed = shared / "small-run", shared / "small-run.txt"
    with (shared / "small-run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not printed.exists():
            ended = run_command("run", configure(home))
            assert ended.returncode == 0, ended.stdout + ended.stderr
            printed.write_text(ended.stdout, encoding="utf-8")
    return SimpleNamespace(
        config=home / "config.yaml",
        folder=home / "runs" / "small",
        store=f"sqlite:///{home / 'runs' / 'mlflow.db'}",
        output=printed.read_text(encoding="utf-8"),
    )
