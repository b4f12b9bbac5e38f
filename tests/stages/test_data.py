"""What the audit stage tells the terminal: how many findings, and why it failed."""

import json
from types import SimpleNamespace

import pytest

from pipeline.config import Audit, Predictors
from pipeline.stages.data import audit
from tests.cohort.audit.clean import OUTCOMES, clean_cohort


@pytest.fixture
def audited(tmp_path):
    """Run the stage on a cohort, and return its line and the messages of its errors."""

    def run(cohort, dictionary):
        ingest, out = tmp_path / "ingest", tmp_path / "audit"
        ingest.mkdir()
        out.mkdir()
        cohort.to_parquet(ingest / "cohort.parquet", index=False)
        (ingest / "dictionary.json").write_text(json.dumps(dictionary.to_json()))
        (ingest / "ingest.json").write_text("{}")
        config = SimpleNamespace(
            outcomes=OUTCOMES, primary_outcome="ge2", audit=Audit(), predictors=Predictors(),
            therapy_prior=None, seed=1,
        )  # fmt: skip
        line = audit(SimpleNamespace(config=config, run=tmp_path, out=out))
        findings = json.loads((out / "audit.json").read_text())["findings"]
        return line, [f["message"] for f in findings if f["severity"] == "error"]

    return run


def test_a_cohort_without_errors_is_told_in_one_line(audited):
    line, errors = audited(*clean_cohort(200, 11))
    assert not errors
    assert line.startswith("0 errors, ")
    assert "\n" not in line


def test_the_first_two_errors_follow_on_lines_of_their_own(audited):
    cohort, dictionary = clean_cohort(200, 11)
    spoilt = cohort.assign(
        grading_system="Penn",
        hemoglobin=cohort["hemoglobin"] * 10,  # g/L read as g/dL
        albumin=cohort["albumin"] * 10,
    )
    line, errors = audited(spoilt, dictionary)
    assert len(errors) > 2
    first, *told = line.split("\n")
    assert first.startswith(f"{len(errors)} errors, ")
    assert told == errors[:2]
    assert "Penn" in told[0]
