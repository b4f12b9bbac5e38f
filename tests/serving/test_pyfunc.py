"""The registered model as a service loads it: elsewhere, without this project, no pickle."""

import json
import subprocess
import sys

import pandas as pd
import pytest
import yaml
from pandas.testing import assert_frame_equal

LOAD = """
import json, sys
import mlflow, pandas as pd
model = mlflow.pyfunc.load_model("models:/toy@challenger")
risks = model.predict(pd.read_parquet("patients.parquet"))
risks.to_parquet("risks.parquet")
import pipeline
try:
    foreign = model.predict(pd.DataFrame({"x": [1]}))["status"].tolist()
except pipeline.errors.InputError as error:
    foreign = str(error)
record = pd.DataFrame({"therapy": ["teclistamab"] * 2, "age": [60, 7], "ldh": [250, 9]})
record = record.assign(
    crp=4, ferritin=300, platelets=180, hemoglobin=12, tumour_burden=50, d_dimer=1, albumin=4
)
print(json.dumps({
    "code": pipeline.__file__,
    "imported": sorted({name.split(".")[0] for name in sys.modules}),
    "rows": {
        "integers": model.predict(record)["status"].tolist(),
        "index": model.predict(record.set_axis(["b", "b"])).index.tolist(),
        "empty": len(model.predict(pd.DataFrame({"therapy": [], "age": []}))),
        "foreign": foreign,
    },
    "inputs": model.metadata.get_input_schema().input_names(),
    "outputs": model.metadata.get_output_schema().input_names(),
}))
"""


@pytest.fixture(scope="module")
def served(small_run, cohort, environment, tmp_path_factory):
    """What a process in another folder, without this project on its path, got."""
    folder = tmp_path_factory.mktemp("service")
    cohort.to_parquet(folder / "patients.parquet")
    settings = environment(
        MLFLOW_TRACKING_URI=small_run.store,
        MLFLOW_ALLOW_PICKLE_DESERIALIZATION="false",
        MLFLOW_DISABLE_TELEMETRY="true",
    )
    del settings["PYTHONPATH"]
    ended = subprocess.run(
        [sys.executable, "-c", LOAD],
        cwd=folder, env=settings, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout.strip().splitlines()[-1])
    return said | {"risks": pd.read_parquet(folder / "risks.parquet"), "stderr": ended.stderr}


@pytest.fixture(scope="module")
def package(small_run):
    """The registered model's folder."""
    (found,) = (small_run.folder.parent / "mlartifacts" / "models").glob("*/artifacts")
    return found


def test_it_predicts_as_the_run_folders_own_model_does(served, risks):
    assert_frame_equal(served["risks"], risks)


def test_its_own_code_is_enough(served, small_run):
    assert str(small_run.folder.parent / "mlartifacts") in served["code"]
    assert served["code"].endswith("code/pipeline/__init__.py")


def test_serving_imports_nothing_of_training(served):
    for heavy in ("shap", "glum", "lightgbm", "optuna", "typer"):
        assert heavy not in served["imported"], heavy


def test_whole_numbers_and_empty_frames_are_taken_and_the_index_is_kept(served):
    assert served["rows"]["integers"] == ["ok", "abstain"]
    assert served["rows"]["index"] == ["b", "b"]
    assert served["rows"]["empty"] == 0


def test_rows_without_any_known_column_are_refused_rather_than_lost(served):
    assert "holds none of the model's columns" in served["rows"]["foreign"]


def test_the_signature_names_what_goes_in_and_comes_out(served, scorer, risks):
    assert served["inputs"] == list(scorer.inputs)
    assert served["outputs"] == list(risks)


def test_no_input_is_obligatory(package):
    signature = yaml.safe_load((package / "MLmodel").read_text())["signature"]
    assert not any(column["required"] for column in json.loads(signature["inputs"]))


def test_the_input_example_is_made_up_and_gets_a_risk(package, scorer, cohort):
    example = json.loads((package / "input_example.json").read_text())
    frame = pd.DataFrame(example["data"], columns=example["columns"])
    assert list(frame) == list(scorer.inputs)
    assert scorer.predict(frame)["status"].tolist() == ["ok"]
    numbers = frame.select_dtypes("number").columns
    agree = (cohort[numbers].to_numpy() == frame[numbers].to_numpy()).mean(axis=1)
    assert agree.max() < 0.5  # shared zeros of binary columns only


def test_the_requirements_are_those_of_scoring(package):
    lines = (package / "requirements.txt").read_text().split()
    assert sorted(line.split("==")[0] for line in lines) == [
        "lightgbm", "mlflow", "numpy", "pandas", "pydantic", "pyyaml",
    ]  # fmt: skip
    assert all("==" in line for line in lines)


def test_nothing_in_it_is_pickled(package):
    files = [path for path in package.rglob("*") if path.is_file()]
    assert {p.suffix for p in files} <= {
        "", ".txt", ".json", ".yaml", ".py", ".j2", ".css", ".js", ".html", ".svg", ".csv",
    }  # fmt: skip
    for path in files:
        head = path.read_bytes()[:2]
        assert head[:1] != b"\x80", path  # the first byte of a pickle since protocol 2
        path.read_text(encoding="utf-8")
    assert not (package / "python_model.pkl").exists()


def test_the_model_folder_is_the_runs_own_to_the_byte(package, model):
    copied = package / "artifacts" / "model"
    assert sorted(p.name for p in copied.iterdir()) == sorted(p.name for p in model.iterdir())
    for path in model.iterdir():
        assert (copied / path.name).read_bytes() == path.read_bytes()
