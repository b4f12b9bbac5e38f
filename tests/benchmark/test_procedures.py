"""Every compared procedure, on patients with missing values, categories and a prior."""

import numpy as np
import pytest

from pipeline.benchmark.cohort import PRIOR, Cohort
from pipeline.benchmark.procedures import PROCEDURES, why_skipped
from pipeline.benchmark.settings import Benchmark
from pipeline.config_file import read_config

SETTINGS = Benchmark(
    results="results", timed="any.yaml", seed=1, folds=2, repeats=1, bootstrap=100,
    interval_level=0.95,
    processes=1, calibration_folds=3, flaml_seconds=1, autogluon_seconds=10,
    procedures=["ours"], tables={"any": {"config": "any.yaml"}}, file="settings.yaml",
)  # fmt: skip


@pytest.fixture(scope="module")
def cohort(tmp_path_factory, configure, command):
    """250 synthetic patients, two outcomes."""
    config = configure(tmp_path_factory.mktemp("procedures"))
    ended = command("features", config)
    assert ended.returncode == 0, ended.stderr
    return Cohort.of(read_config(config))


def test_the_others_get_the_therapy_and_its_published_rate(cohort):
    assert cohort.has_prior
    for k in range(2):
        frame = cohort.features(k)
        np.testing.assert_array_equal(frame[PRIOR], cohort.patients.published[:, k])
    categories = [set(frame[c].cat.categories) for c in frame if frame[c].dtype == "category"]
    assert any("tisagenlecleucel" in levels for levels in categories)
    # As many values are missing as in our own matrix; one-hot codes count once.
    assert cohort.frame.isna().to_numpy().any()
    assert len(cohort.frame.columns) < cohort.patients.Z.shape[1]


@pytest.mark.parametrize("name", PROCEDURES)
def test_risks_of_new_patients(cohort, name):
    if reason := why_skipped(name):
        pytest.skip(f"{reason}: it is in the benchmark extra, or in none")
    rows = np.arange(len(cohort))
    train, test = cohort.part(rows[rows % 4 > 0]), cohort.part(rows[rows % 4 == 0])
    predict = PROCEDURES[name][0](train, cohort.patients.Y, SETTINGS, 7)
    risks = predict(test)
    assert risks.shape == (len(test), 2)
    assert np.all((risks >= 0) & (risks <= 1))
    # Nothing of the new patients' outcomes, nor of the others beside them, is used.
    alone = predict(test.part(np.arange(5)))
    np.testing.assert_allclose(alone, risks[:5], rtol=1e-6)
    if name not in ("base_rate", "flaml"):
        assert len(np.unique(risks[:, 0])) > 2
