"""How fast the scorer is, as ratios measured in one run: the machine and its load cancel out.

``make benchmark`` measures them. ``python -m pipeline.benchmark.speed --model
models/default/train/model`` prints them and, with ``--load``, the latencies of the HTTP service
under 200 requests a second. The reference is ``lightgbm.Booster.predict`` on a numpy matrix, on
one thread, of every booster that the artifact holds: nested outcomes share one.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.benchmark.load import load
from pipeline.model.artifact import shared_deviations
from pipeline.model.example import example_record
from pipeline.serving.frames import inputs_of_frame
from pipeline.serving.http.describe import describe
from pipeline.serving.http.source import FolderSource
from pipeline.serving.scorer import Scorer
from pipeline.serving.scorer import load as load_scorer

ROWS = 20_000
# What each ratio must keep to: at most, or at least.
TARGETS = {
    "single_record_with_reasons": ("at most", 8.0),
    "batch_without_reasons": ("at least", 0.7),
    "load_to_first_answer_seconds": ("at most", 0.5),
    "pyfunc_over_mlflow": ("at most", 1.5),
}


def speed(model: Path, rounds: int = 400) -> dict[str, Any]:
    """Measure the scorer against the boosters inside it.

    Parameters
    ----------
    model : Path
        Model folder.
    rounds : int
        Of a few calls each, in turn; medians are compared.

    Returns
    -------
    dict
        Per name of ``TARGETS``: ``value`` and what it was computed from, in milliseconds; the
        ``target``, and whether it is ``met``.
    """
    scorer = load_scorer(str(model))
    frame = example_record(scorer.artifact)
    found: dict[str, dict[str, Any]] = {
        "single_record_with_reasons": _single(scorer, frame, rounds),
        "batch_without_reasons": _batch(scorer, frame),
        "load_to_first_answer_seconds": _first_answer(model),
        "pyfunc_over_mlflow": _pyfunc(model, frame, rounds // 4),
    }
    for name, (kind, target) in TARGETS.items():
        value = found[name]["value"]
        met = value <= target if kind == "at most" else value >= target
        found[name] |= {"target": f"{kind} {target:g}", "met": bool(met)}
    return found


def speed_alone(model: Path) -> dict[str, Any]:
    """Measure ``speed`` in a process of its own, in which no library takes a second thread."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.benchmark.speed", "--model", str(model)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def under_load(model: Path, rate: float, seconds: float) -> dict[str, Any]:
    """Start the service on loopback and keep it under a steady load."""
    loaded = FolderSource(model).load()
    values = describe(loaded, {})["example"]
    with _service(model) as address:
        load(address, values, rate, 2)  # connections, caches
        return load(address, values, rate, seconds)


def _single(scorer: Scorer, frame: pd.DataFrame, rounds: int) -> dict[str, float]:
    # As JSON brings it: plain numbers and text.
    record = json.loads(frame.iloc[0].dropna().to_json())
    if "crp" in record:
        record["crp"] = {"value": 3.5, "unit": "mg/dL", "day": -1}
    raw = _boosters(scorer, _matrix(scorer, frame))
    ours, theirs = _medians(rounds, lambda: scorer.score([record], reasons=True), raw, calls=10)
    return {"value": ours / theirs, "scorer_ms": ours, "boosters_ms": theirs}


def _matrix(scorer: Scorer, frame: pd.DataFrame) -> np.ndarray:
    encoder = scorer._encoder
    inputs = inputs_of_frame(frame, scorer.artifact.dictionary, encoder)
    return encoder.matrix(inputs, encoder.arms(inputs))


def _boosters(scorer: Scorer, Z: np.ndarray) -> Callable[[], None]:
    import lightgbm

    shared = shared_deviations(scorer.artifact.model.heads)
    boosters = [lightgbm.Booster(model_str=deviation.trees.text) for _, deviation in shared]

    def predict() -> None:
        for booster in boosters:
            booster.predict(Z, raw_score=True, num_threads=1)

    return predict


def _batch(scorer: Scorer, frame: pd.DataFrame) -> dict[str, float]:
    """A varied table, made from the example's values with gaps: no patient is needed."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({name: [frame[name].iloc[0]] * ROWS for name in frame})
    for name in table.select_dtypes("number"):
        spread = table[name] * np.exp(0.2 * rng.standard_normal(ROWS))
        whole = set(table[name].unique()) <= {0.0, 1.0}
        table[name] = (rng.random(ROWS) < 0.2).astype(float) if whole else spread
        table.loc[rng.random(ROWS) < 0.1, name] = np.nan
    raw = _boosters(scorer, np.ascontiguousarray(_matrix(scorer, table)))
    ours, theirs = _medians(9, lambda: scorer.predict(table, reasons=False), raw)
    return {"value": theirs / ours, "scorer_ms": ours, "boosters_ms": theirs, "rows": ROWS}


_FIRST = """
import sys, time
begun = time.perf_counter()
from pipeline.serving.scorer import load
scorer = load(sys.argv[1])
record = {"therapy": "axi-cel", "disease": "LBCL"}
(answer,) = scorer.score([{name: record[name] for name in scorer.inputs if name in record}])
print(time.perf_counter() - begun)
"""


def _first_answer(model: Path) -> dict[str, float]:
    """From nothing imported to an answer, less what numpy and pandas take to import."""
    own, libraries = [], []
    for _ in range(5):
        own.append(_timed_process(_FIRST, model))
        libraries.append(
            _timed_process(
                "import time; begun = time.perf_counter()\nimport numpy, pandas, pydantic\n"
                "print(time.perf_counter() - begun)",
                model,
            )
        )
    whole, others = float(np.median(own)), float(np.median(libraries))
    return {"value": whole - others, "whole_seconds": whole, "libraries_seconds": others}


def _timed_process(code: str, model: Path) -> float:
    done = subprocess.run(
        [sys.executable, "-c", code, str(model)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def _pyfunc(model: Path, frame: pd.DataFrame, rounds: int) -> dict[str, float]:
    """The registered model against one of the same signature that does nothing."""
    from pipeline.registry.client import mlflow_at

    with tempfile.TemporaryDirectory() as folder, mlflow_at(f"sqlite:///{folder}/mlflow.db"):
        import mlflow

        from pipeline.model.artifact import read_artifact
        from pipeline.registry.register import _signature

        signature = _signature(read_artifact(model))
        entry = Path(__file__).parents[1] / "serving" / "pyfunc.py"
        options: dict[str, Any] = {"signature": signature, "pip_requirements": ["mlflow"]}
        ours_at, nothing_at = Path(folder) / "ours", Path(folder) / "nothing"
        mlflow.pyfunc.save_model(
            ours_at, python_model=str(entry), artifacts={"model": str(model)}, **options
        )
        answer = mlflow.pyfunc.load_model(str(ours_at)).predict(frame)
        (Path(folder) / "nothing.py").write_text(_NOTHING.format(answer.to_json()))
        mlflow.pyfunc.save_model(
            nothing_at, python_model=str(Path(folder) / "nothing.py"), **options
        )
        ours, nothing = (mlflow.pyfunc.load_model(str(at)) for at in (ours_at, nothing_at))
        with_scorer, alone = _medians(
            rounds, lambda: ours.predict(frame), lambda: nothing.predict(frame)
        )
    return {"value": with_scorer / alone, "pyfunc_ms": with_scorer, "mlflow_ms": alone}


_NOTHING = """
import io
from typing import Any
import mlflow
import pandas as pd
class Nothing(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.answer = pd.read_json(io.StringIO({0!r}))
    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        return self.answer
mlflow.models.set_model(Nothing())
"""


def _medians(rounds: int, *functions: Callable[[], Any], calls: int = 1) -> list[float]:
    """Median milliseconds of each function; they take turns, so that a busy moment hits all.

    With several ``calls`` a turn, caches are as warm as in steady work: hardest on the scorer,
    because the boosters gain more.
    """
    for function in functions:
        for _ in range(3):
            function()
    times = np.empty((len(functions), rounds, calls))
    gc.collect()
    for at in range(rounds):
        for which, function in enumerate(functions):
            for call in range(calls):
                begun = time.perf_counter()
                function()
                times[which, at, call] = time.perf_counter() - begun
    return [float(1000 * median) for median in np.median(times, axis=(1, 2))]


@contextmanager
def _service(model: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "pipeline", "serve", "--model", str(model)]
    process = subprocess.Popen([*command, "--port", str(port)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"{address}/ready"):
                    break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Print the ratios, each with its target, as JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", type=Path, default=Path("models/default/train/model"))
    options.add_argument("--load", type=float, default=0.0, help="seconds of 200 requests a second")
    given = options.parse_args()
    found: dict[str, Any] = speed(given.model)
    if given.load:
        found["http"] = under_load(given.model, 200, given.load)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
