"""The registered model as a Spark function: the scorer's risks for every row of a frame."""

import os
import shutil
import sys

import numpy as np
import pytest

pytest.importorskip("pyspark")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java"),
]


@pytest.fixture(scope="module")
def spark():
    from pyspark.sql import SparkSession

    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "1")
        .getOrCreate()
    )
    yield session
    session.stop()


def test_spark_udf_agrees_with_the_scorer(spark, small_run, scorer, cohort, risks):
    import mlflow

    from pipeline.registry.client import mlflow_at

    columns = [name for name in scorer.inputs if name in cohort]
    records = cohort[columns].head(40).astype(object)
    records = records.where(records.notna(), None)
    with mlflow_at(small_run.store):
        schema = "risk_any double, risk_ge2 double, status string"
        udf = mlflow.pyfunc.spark_udf(
            spark, "models:/toy@challenger", result_type=schema, env_manager="local"
        )
    types = {
        name: "string" if cohort[name].dtype.kind not in "fi" else "double" for name in columns
    }
    frame = spark.createDataFrame(
        records.values.tolist(), ", ".join(f"`{n}` {t}" for n, t in types.items())
    )
    rows = frame.select(udf(*columns).alias("scored")).collect()
    for outcome in ("any", "ge2"):
        found = np.array([r.scored[f"risk_{outcome}"] for r in rows], dtype=float)
        expected = risks[f"risk_{outcome}"].head(40).to_numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert [r.scored["status"] for r in rows] == risks["status"].head(40).tolist()
