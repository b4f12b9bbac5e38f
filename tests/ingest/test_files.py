import numpy as np
import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.ingest.files import digest, read_cells, read_frame

COHORT = pd.DataFrame(
    {"ID": ["a1", "b2", "c3"], "CRP": [1.5, -0.25, 118.0], "GRADE": [0.0, 3.0, 1.0]}
)


@pytest.mark.parametrize("kind", [".csv", ".tsv", ".txt", ".parquet", ".xlsx", ".xpt"])
def test_every_kind_of_file_gives_the_same_cohort(tmp_path, write_table, kind):
    frame = read_frame(write_table(COHORT, tmp_path / f"cohort{kind}"))
    assert list(frame.columns) == list(COHORT.columns)
    assert frame["ID"].tolist() == ["a1", "b2", "c3"]
    np.testing.assert_array_equal(frame[["CRP", "GRADE"]].astype(float), COHORT[["CRP", "GRADE"]])


def test_xpt_missing_numbers_are_missing(tmp_path, write_table):
    cohort = COHORT.assign(CRP=[np.nan, 0.0, 1e-3])
    frame = read_frame(write_table(cohort, tmp_path / "cohort.xpt"))
    np.testing.assert_allclose(frame["CRP"], [np.nan, 0.0, 1e-3], rtol=1e-15)


def test_text_cells_stay_as_they_stand(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeffid, crp \n007,<0.25\n" x\ny, z",NA\n'.encode())
    frame = read_cells(path)
    assert list(frame.columns) == ["id", "crp"]
    assert frame["id"].tolist() == ["007", " x\ny, z"]
    assert frame["crp"].tolist() == ["<0.25", "NA"]


def test_empty_rows_and_columns_of_spreadsheets_are_dropped(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,crp,,\n1,2,,\n,,,\n3,,,\n,,,\n")
    frame = read_cells(path)
    assert list(frame.columns) == ["id", "crp"]
    assert frame["id"].tolist() == ["1", "3"]


def test_the_index_of_a_parquet_file_is_a_column(tmp_path):
    path = tmp_path / "a.parquet"
    COHORT.set_index("ID").to_parquet(path)
    assert set(read_cells(path).columns) == {"ID", "CRP", "GRADE"}


@pytest.mark.parametrize("sheet", ["Labs", 1])
def test_a_sheet_is_read_by_name_or_number(tmp_path, sheet):
    path = tmp_path / "a.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"note": ["x"]}).to_excel(book, sheet_name="Read me", index=False)
        COHORT.to_excel(book, sheet_name="Labs", index=False)
    assert list(read_cells(path, sheet=sheet).columns) == ["ID", "CRP", "GRADE"]


def test_scoring_input_keeps_identifiers_and_reads_numbers(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("patient_id,mrn,crp,age,sex\n007,1001,1.5,40,female\n012,1002,NA,,\n")
    frame = read_frame(path)
    assert frame["patient_id"].tolist() == ["007", "012"]
    assert frame["mrn"].tolist() == [1001, 1002]
    assert frame["mrn"].dtype == "int64"
    np.testing.assert_array_equal(frame["crp"], [1.5, np.nan])
    np.testing.assert_array_equal(frame["age"], [40, np.nan])
    assert frame["sex"].isna().tolist() == [False, True]


def test_a_text_with_one_word_among_numbers_stays_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,crp\n1,2.5\n2,high\n")
    assert read_frame(path)["crp"].tolist() == ["2.5", "high"]


def test_several_data_sets_in_one_transport_file_are_refused(tmp_path, write_table):
    path = write_table(COHORT, tmp_path / "a.xpt")
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(InputError, match=r"several data sets.*export one data set to each file"):
        read_cells(path)


def test_a_missing_file_to_score_is_mended_where_it_was_named(tmp_path):
    # Scoring reads no config: its path comes from the command line.
    with pytest.raises(InputError, match=r"no such file.*path given by --input") as error:
        read_frame(tmp_path / "patients.csv")
    assert "config" not in str(error.value).replace(str(tmp_path), "")


@pytest.mark.parametrize("kind", [".parquet", ".xlsx", ".xpt", ".csv"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_file_cut_off_anywhere_is_refused_in_a_sentence(tmp_path, write_table, kind, share):
    path = write_table(COHORT, tmp_path / f"whole{kind}")
    whole = path.read_bytes()
    cut = int(len(whole) * share)
    if kind == ".xpt" and cut % 80 == 0:
        cut += 1
    if kind == ".csv":
        cut = whole.rindex(b",")  # the last row loses its last cell
    path.write_bytes(whole[:cut])
    with pytest.raises(InputError, match=r"damaged or cut off|fewer cells than the header"):
        read_cells(path)


def test_the_digest_is_that_of_sha256sum(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")  # test vector of FIPS 180-4
    assert digest(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
