"""Cohorts drawn block by block: the same bytes for a seed, whatever their size."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline.config import SyntheticSource
from pipeline.ingest.synthetic import draw_cohort, write_cohort
from pipeline.ingest.synthetic.report import (
    OUTCOMES,
)

ROOT = Path(__file__).parents[2]


DATA = ROOT / "data"


def written(folder, patients: int, seed: int = 5) -> tuple[Path, Path, dict, pd.DataFrame]:
    folder.mkdir()
    files = folder / "cohort.parquet", folder / "truth.parquet"
    return *files, *write_cohort(
        SyntheticSource(kind="synthetic", patients=patients), seed, OUTCOMES, DATA, *files
    )


def test_streamed_the_cohort_is_the_one_held_in_memory(tmp_path):
    cohort, truth, report = draw_cohort(
        SyntheticSource(kind="synthetic", patients=23_000), 5, OUTCOMES, DATA
    )
    cohort_file, truth_file, streamed, examples = written(tmp_path / "a", 23_000)
    pd.testing.assert_frame_equal(pd.read_parquet(cohort_file), cohort, check_exact=True)
    pd.testing.assert_frame_equal(pd.read_parquet(truth_file), truth, check_exact=True)
    assert streamed == report
    # What the data dictionary is restricted by.
    assert list(examples.columns) == list(cohort.columns)
    for name in ("site", "disease", "therapy"):
        assert set(examples[name]) == set(cohort[name])


def test_same_seed_same_bytes(tmp_path):
    one, other = written(tmp_path / "a", 12_000), written(tmp_path / "b", 12_000)
    for first, second in zip(one[:2], other[:2], strict=True):
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("patients", [10_000, 21_000])
def test_a_patient_does_not_depend_on_how_many_follow_in_other_blocks(patients):
    """Blocks of 10,000 have streams of their own: whole blocks of a longer cohort are the same."""
    shorter, its_truth, _ = draw_cohort(
        SyntheticSource(kind="synthetic", patients=patients), 5, OUTCOMES, DATA
    )
    longer, truth, _ = draw_cohort(
        SyntheticSource(kind="synthetic", patients=30_000), 5, OUTCOMES, DATA
    )
    whole = patients // 10_000 * 10_000
    pd.testing.assert_frame_equal(shorter[:whole], longer[:whole], check_exact=True)
    pd.testing.assert_frame_equal(its_truth[:whole], truth[:whole], check_exact=True)
    assert len(shorter) == patients


MILLION = """
import re, sys, time
from pathlib import Path
from pipeline.config import Outcome, SyntheticSource
from pipeline.ingest.synthetic import write_cohort
out = Path(sys.argv[2])
ge2 = {"ge2": Outcome(column="crs_grade", at_least=2, label="grade 2 or higher")}
source = SyntheticSource(kind="synthetic", patients=int(sys.argv[3]))
write_cohort(source, 1, ge2, Path(sys.argv[1]), out / "cohort.parquet", out / "truth.parquet")
# The peak of this program: getrusage would count that of the process which started it.
status = Path("/proc/self/status").read_text()
print(time.process_time(), int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to read memory from")
def test_a_million_patients_in_a_minute_of_one_core_and_bounded_memory(tmp_path):
    def run(patients: int) -> list[float]:
        told = subprocess.run(
            [sys.executable, "-c", MILLION, str(DATA), str(tmp_path), str(patients)],
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        return [float(word) for word in told.stdout.split()]

    seconds, memory = run(1_000_000)
    assert pq.ParquetFile(tmp_path / "cohort.parquet").metadata.num_rows == 1_000_000
    assert pq.ParquetFile(tmp_path / "truth.parquet").metadata.num_rows == 1_000_000
    assert seconds < 60  # of the processor, all threads together
    assert memory < 600  # MB
    assert memory < run(100_000)[1] + 150  # ten times the patients, hardly more memory


def test_another_seed_is_another_cohort():
    one, _, _ = draw_cohort(SyntheticSource(kind="synthetic", patients=100), 1, {}, DATA)
    two, _, _ = draw_cohort(SyntheticSource(kind="synthetic", patients=100), 2, {}, DATA)
    assert not one["crp"].equals(two["crp"])


def test_blocks_do_not_repeat_each_other():
    cohort, _, _ = draw_cohort(SyntheticSource(kind="synthetic", patients=20_000), 1, {}, DATA)
    assert not cohort["crp"][:10_000].equals(cohort["crp"][10_000:].reset_index(drop=True))
