import json

import numpy as np
import pandas as pd
import pytest

from pipeline.ingest.tables import input_files, read_tables

GRADES = [0, 1, 2, 3, 4] * 5


@pytest.fixture
def folder(tmp_path):
    """Twenty-five patients: numbers 1 to 25, CRP in mg/dL, sex, CRS grade."""
    wide = pd.DataFrame(
        {
            "Pat. No": range(1, 26),
            "CRP": [f"{n / 10}" for n in range(1, 26)],
            "CRP day": ["0.3"] * 22 + ["1.1", "", "-31"],
            "Sex": ["M", "F", "?", "M", "F"] * 5,
            "CRS": GRADES,
        }
    )
    wide.to_csv(tmp_path / "wide.csv", index=False)
    return tmp_path


WIDE = {
    "file": "wide.csv",
    "key": "Pat. No",
    "missing": ["?"],
    "columns": {
        "crs_grade": "CRS",
        "sex": {"column": "Sex", "recode": {"M": "male", "F": "female"}},
        "crp": {"column": "CRP", "unit": "mg/dL", "day": "CRP day"},
    },
}


def test_one_table_becomes_a_cohort(folder, config_of, dictionary):
    cohort, report = read_tables(config_of([WIDE]), dictionary)
    # The id first, then the dictionary's order, whatever the order of the map.
    assert list(cohort.columns) == ["patient_id", "sex", "crp", "crs_grade"]
    assert cohort["patient_id"].tolist() == [str(n) for n in range(1, 26)]
    assert [str(t) for t in cohort.dtypes] == ["str", "str", "float64", "float64"]
    np.testing.assert_allclose(cohort["crp"][:22], np.arange(1, 23))  # mg/dL times ten
    assert cohort["crp"][22:].isna().all()  # day 1, no day, day -31
    assert cohort["crs_grade"].tolist() == GRADES
    assert cohort["sex"].value_counts().to_dict() == {"male": 10, "female": 10}
    assert report["variables"]["crp"] == {
        "source": "wide.csv: CRP",
        "unit": "mg/dL",
        "canonical_unit": "mg/L",
        "long": False,
        "dated": True,
        "present": 22,
        "missing": 3,
        "outside_window": 2,
        "undated": 1,
        "censored_low": 0,
        "censored_high": 0,
        "recoded": 0,
        "converted": True,
    }
    assert report["variables"]["sex"]["recoded"] == 20
    assert report["variables"]["sex"]["missing"] == 5


def test_the_window_is_the_configs(folder, config_of, dictionary):
    config = config_of([WIDE], window={"first_day": -40, "last_day": 0})
    cohort, report = read_tables(config, dictionary)
    assert cohort["crp"].notna().sum() == 23
    assert report["variables"]["crp"]["outside_window"] == 1


def test_outcomes_have_no_window(folder, config_of, dictionary):
    late = {"column": "CRS", "day": "CRP day"}
    columns = WIDE["columns"] | {"crs_grade": late}
    cohort, _ = read_tables(config_of([WIDE | {"columns": columns}]), dictionary)
    assert cohort["crs_grade"].tolist() == GRADES


@pytest.mark.parametrize("kind", [".csv", ".parquet", ".xlsx", ".xpt"])
@pytest.mark.parametrize("as_text", [False, True])
def test_keys_agree_across_kinds_of_files(
    folder, config_of, dictionary, write_table, kind, as_text
):
    ldh = pd.DataFrame({"ID": [3.0, 2.0, 99.0, 98.0], "LDH": [300.0, 200.0, 9900.0, 9800.0]})
    if as_text:
        ldh["ID"] = ["3", " 2", "99.0", "98"]
    write_table(ldh, folder / f"ldh{kind}")
    second = {"file": f"ldh{kind}", "key": "ID", "columns": {"ldh": "LDH"}}
    cohort, report = read_tables(config_of([WIDE, second]), dictionary)
    assert len(cohort) == 25
    assert cohort.set_index("patient_id")["ldh"].dropna().to_dict() == {"2": 200.0, "3": 300.0}
    assert report["unmatched_patients"] == 2
    assert report["variables"]["ldh"]["missing"] == 23
    assert [file["file"] for file in report["files"]] == ["wide.csv", f"ldh{kind}"]


def test_zeros_in_front_tell_patients_apart(folder, config_of, dictionary):
    frame = pd.read_csv(folder / "wide.csv", dtype=str, keep_default_na=False)
    frame["Pat. No"] = ["01", "1", *frame["Pat. No"][2:]]
    frame.to_csv(folder / "wide.csv", index=False)
    cohort, _ = read_tables(config_of([WIDE]), dictionary)
    assert cohort["patient_id"][:2].tolist() == ["01", "1"]


def test_long_tables_join_and_may_come_first(folder, config_of, dictionary):
    rows = pd.DataFrame(
        {
            "ID": [25, 24, 1, 1, 77],
            "test": ["IL-6"] * 5,
            "value": [25, 24, 1, 2, 77],
            "day": [0, 1, -2, -1, 0],
        }
    )
    rows.to_csv(folder / "long.csv", index=False)
    long = {
        "file": "long.csv",
        "key": "ID",
        "long": {"name": "test", "value": "value", "day": "day"},
        "variables": {"il6": "IL-6"},
    }
    cohort, report = read_tables(config_of([WIDE, long]), dictionary)
    assert cohort.set_index("patient_id")["il6"].dropna().to_dict() == {"25": 25.0, "1": 2.0}
    assert report["variables"]["il6"]["source"] == "long.csv: IL-6 in test"
    assert report["variables"]["il6"]["present"] == 2
    assert report["variables"]["il6"]["long"]  # so its dropped rows are follow-up, not a fault
    assert report["variables"]["il6"]["outside_window"] == 1
    assert report["unmatched_patients"] == 1

    grades = pd.DataFrame({"ID": range(1, 26), "test": "CRS", "value": GRADES})
    grades.to_csv(folder / "grades.csv", index=False)
    first = {
        "file": "grades.csv",
        "key": "ID",
        "long": {"name": "test", "value": "value"},
        "variables": {"crs_grade": "CRS"},
    }
    cohort, _ = read_tables(config_of([first]), dictionary)
    assert cohort["patient_id"].tolist() == [str(n) for n in range(1, 26)]
    assert cohort["crs_grade"].tolist() == GRADES


def test_constants_fill_whole_columns(folder, config_of, dictionary):
    constants = {"therapy": "product X", "disease": "B-ALL", "prior_car_t": "no", "dose_level": 2}
    cohort, report = read_tables(config_of([WIDE], constants=constants), dictionary)
    assert set(cohort["therapy"]) == {"product X"}
    assert set(cohort["prior_car_t"]) == {0.0}
    assert set(cohort["dose_level"]) == {2.0}
    assert report["constants"] == constants
    assert "therapy" not in report["variables"]


def test_rows_in_any_order_give_the_same_patients(folder, config_of, dictionary):
    expected, _ = read_tables(config_of([WIDE]), dictionary)
    frame = pd.read_csv(folder / "wide.csv", dtype=str, keep_default_na=False)
    frame.sample(frac=1, random_state=3).to_csv(folder / "wide.csv", index=False)
    shuffled, _ = read_tables(config_of([WIDE]), dictionary)
    pd.testing.assert_frame_equal(
        shuffled.set_index("patient_id").sort_index(),
        expected.set_index("patient_id").sort_index(),
    )


def test_the_report_is_json_and_counts_patients(folder, config_of, dictionary):
    _, report = read_tables(config_of([WIDE]), dictionary)
    assert json.loads(json.dumps(report)) == report
    for counts in report["variables"].values():
        assert counts["present"] + counts["missing"] == report["patients"] == 25
    assert report["files"][0]["rows"] == 25
    assert report["files"][0]["columns"] == 5


def test_each_input_file_is_named_once(folder, config_of):
    twice = {"file": "wide.csv", "key": "Pat. No", "columns": {"ldh": "CRP"}}
    assert input_files(config_of([WIDE, twice])) == [folder / "wide.csv"]
