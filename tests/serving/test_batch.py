"""``python -m pipeline score``: whole files out, or one sentence that says what is wrong."""

import json

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.serving import batch
from pipeline.serving.batch import score_file

RISK = ["risk_any", "risk_ge2", "prior_any"]


@pytest.fixture
def table(cohort, tmp_path):
    file = tmp_path / "patients.csv"
    cohort.to_csv(file, index=False)
    return file


@pytest.mark.parametrize("target", ["risks.csv", "risks.parquet"])
@pytest.mark.parametrize("source", ["csv", "parquet", "xlsx"])
def test_files_of_all_kinds_give_what_the_frame_gives(
    model, cohort, risks, tmp_path, source, target
):
    file = tmp_path / f"patients.{source}"
    getattr(cohort, {"xlsx": "to_excel"}.get(source, f"to_{source}"))(file, index=False)
    said = score_file(str(model), file, tmp_path / target)
    read = pd.read_csv if target.endswith("csv") else pd.read_parquet
    written = read(tmp_path / target)
    assert list(written) == ["patient_id", *risks]
    assert list(written["patient_id"]) == list(cohort["patient_id"])
    np.testing.assert_allclose(written[RISK], risks[RISK], rtol=1e-12)
    assert [json.loads(row) for row in written["notes"]] == [json.loads(r) for r in risks["notes"]]
    assert said.startswith("250 patients scored, 0 of them without a risk: ")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([file.name, target])


def test_without_identifiers_rows_are_numbered(model, cohort, tmp_path):
    file, target = tmp_path / "anonymous.csv", tmp_path / "risks.csv"
    cohort.head(3).drop(columns="patient_id").to_csv(file, index=False)
    score_file(str(model), file, target)
    assert list(pd.read_csv(target)["row"]) == [1, 2, 3]


def test_identifiers_that_look_like_numbers_keep_their_zeros(model, cohort, tmp_path):
    file, target = tmp_path / "patients.csv", tmp_path / "risks.csv"
    cohort.head(2).assign(patient_id=["007", "010"]).to_csv(file, index=False)
    score_file(str(model), file, target)
    assert list(pd.read_csv(target, dtype=str)["patient_id"]) == ["007", "010"]


def test_a_column_that_is_not_read_is_named_with_the_name_it_may_stand_for(model, cohort, tmp_path):
    file, target = tmp_path / "patients.csv", tmp_path / "risks.csv"
    columns = ["patient_id", "therapy", "disease", "ldh", "crp"]
    cohort[columns].rename(columns={"ldh": "LDH"}).assign(zzz=1).to_csv(file, index=False)
    _, *unread = score_file(str(model), file, target).splitlines()
    assert unread == ["Not read: column 'LDH'; did you mean 'ldh'?", "Not read: 'zzz'"]
    cohort[columns].to_csv(file, index=False)
    assert len(score_file(str(model), file, target).splitlines()) == 1


def test_no_column_of_the_model_is_refused(model, tmp_path):
    file = tmp_path / "other.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"other\.csv: holds none of the model's columns"):
        score_file(str(model), file, tmp_path / "risks.csv")
    assert not (tmp_path / "risks.csv").exists()


def test_text_in_a_number_names_the_file_and_leaves_what_was_there(model, table, tmp_path):
    target = tmp_path / "risks.csv"
    target.write_text("yesterday's")
    frame = pd.read_csv(table).astype({"crp": object})
    frame.loc[:3, "crp"] = "SENTINEL"
    frame.to_csv(table, index=False)
    said = r"patients\.csv, column 'crp': 4 values are no numbers"
    with pytest.raises(InputError, match=said) as error:
        score_file(str(model), table, target)
    assert "SENTINEL" not in str(error.value)
    assert target.read_text() == "yesterday's"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("risks.txt", r"ends in '\.txt'.*\.parquet or \.csv"),
        ("risks", "ends in ''"),
        ("nowhere/risks.csv", "folder does not exist.*mkdir"),
        ("folder.csv", "is a folder"),
        ("patients.csv", "is the input itself"),
        ("link.csv", "is the input itself"),
    ],
)
def test_a_target_that_cannot_be_is_refused_before_any_work(table, tmp_path, target, said):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "link.csv").symlink_to(table)
    before = table.read_bytes()
    with pytest.raises(InputError, match=said):
        score_file("no model is loaded", table, tmp_path / target)
    assert table.read_bytes() == before


def test_a_target_that_cannot_be_written_is_named(model, table, tmp_path, monkeypatch):
    def full(self, path, **_):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(batch.pd.DataFrame, "to_csv", full)
    with pytest.raises(InputError, match=r"risks\.csv: cannot be written \(No space left"):
        score_file(str(model), table, tmp_path / "risks.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["patients.csv"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"--model": "nowhere"}, "nowhere: holds no model.json"),
        ({"--input": "nowhere.csv"}, "nowhere.csv: no such file"),
        ({"--output": "nowhere/risks.csv"}, "its folder does not exist"),
        ({"--output": None}, "--output"),
    ],
)
def test_the_command_says_what_is_wrong(command, model, table, tmp_path, arguments, said):
    options = {"--model": model, "--input": table, "--output": tmp_path / "risks.csv"} | arguments
    flags = [part for pair in options.items() if pair[1] is not None for part in pair]
    ended = command("score", *flags, cwd=tmp_path)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_the_command_scores_quietly(command, model, table, tmp_path):
    target = tmp_path / "risks.parquet"
    ended = command("score", "-q", "--model", model, "--input", table, "--output", target)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert len(pd.read_parquet(target)) == 250
