"""Every way to score gives the same risks: table, record, HTTP, MLflow, Dask."""

import numpy as np
import pandas as pd
import pytest

from pipeline.registry.client import mlflow_at
from pipeline.serving.batch import score_file
from pipeline.serving.scorer import score_frame


@pytest.fixture(scope="module")
def numbers(risks):
    return [name for name in risks if name.startswith(("risk_", "prior_"))]


def same(found, risks, numbers):
    np.testing.assert_allclose(found[numbers], risks[numbers], rtol=0, atol=1e-12)


def test_records_and_http_agree_with_the_table(scorer, cohort, risks, numbers, model):
    from starlette.testclient import TestClient

    from pipeline.config import Serving
    from pipeline.serving.http.app import create_app
    from pipeline.serving.http.holder import Holder
    from pipeline.serving.http.metrics import Metrics
    from pipeline.serving.http.source import FolderSource

    records = [
        {name: row[name] for name in scorer.inputs if pd.notna(row[name])}
        for _, row in cohort.iterrows()
    ]
    source, metrics = FolderSource(model), Metrics()
    app = create_app(Holder(source, source.load(), metrics), Serving(), metrics)
    patients = {"patients": [{"values": record} for record in records]}
    answer = TestClient(app).post("/v1/risk?reasons=false", json=patients).json()
    for answers in (scorer.score(records, reasons=False), answer["answers"]):
        assert [a["status"] for a in answers] == list(risks["status"])
        rows = [
            {
                f"{'prior' if key == 'prior' else 'risk'}_{outcome}{ending}": risk[key]
                for outcome, risk in a["risks"].items()
                for key, ending in (("risk", ""), ("low", "_low"), ("high", "_high"), ("prior", ""))
            }
            for a in answers
        ]
        same(pd.DataFrame(rows), risks, numbers)


def test_a_file_agrees_with_the_table(cohort, risks, numbers, model, tmp_path):
    cohort.to_parquet(tmp_path / "patients.parquet")
    score_file(str(model), tmp_path / "patients.parquet", tmp_path / "risks.parquet")
    found = pd.read_parquet(tmp_path / "risks.parquet")
    assert list(found["notes"]) == list(risks["notes"])
    same(found, risks, numbers)


def test_the_registered_model_agrees_with_the_table(small_run, cohort, risks, numbers):
    with mlflow_at(small_run.store):
        import mlflow

        loaded = mlflow.pyfunc.load_model("models:/toy@challenger")
        found = loaded.predict(cohort)
    assert list(found["notes"]) == list(risks["notes"])
    same(found, risks, numbers)


def test_dask_agrees_with_the_table(cohort, risks, numbers, model):
    dask = pytest.importorskip("dask.dataframe", reason="dask is not installed")
    parts = dask.from_pandas(cohort, npartitions=3)
    found = parts.map_partitions(score_frame, str(model)).compute()
    assert list(found["notes"]) == list(risks["notes"])
    same(found, risks, numbers)


def test_few_rows_agree_with_many(cohort, risks, numbers, scorer):
    # Up to eight plain rows are read as records, more as columns.
    found = pd.concat([scorer.predict(cohort.iloc[at : at + 7]) for at in range(0, 70, 7)])
    same(found, risks.head(70), numbers)
    assert list(found["notes"]) == list(risks["notes"].head(70))
