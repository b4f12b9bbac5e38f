"""The real trial cohort: counts worked out from the raw files with plain pandas."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.cohort.dictionary import read_dictionary
from pipeline.config_file import read_config
from pipeline.errors import InputError
from pipeline.ingest.tables import input_files, read_tables

CONFIG = Path(__file__).parents[2] / "configs" / "cd22.yaml"
DATA = CONFIG.parents[2] / "shared" / "cohorts" / "cd22"

needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the CD22 trial's files are not in ../shared/cohorts/cd22"
)


@pytest.fixture(scope="module")
def config():
    return read_config(CONFIG)


@pytest.fixture(scope="module")
def read(config):
    return read_tables(config, read_dictionary(config.path(config.dictionary)))


@pytest.fixture(scope="module")
def wide():
    return pd.read_csv(DATA / "clinical_wide_all_timepoints.csv")


@needs_data
def test_grades_are_those_of_astct(read):
    cohort, report = read
    assert report["patients"] == len(cohort) == 59
    # As published with the data: 7, 21, 19, 10 and 2 patients of grade 0 to 4.
    assert cohort["crs_grade"].value_counts().sort_index().tolist() == [7, 21, 19, 10, 2]
    assert set(cohort["grading_system"]) == {"ASTCT"}
    assert report["unmatched_patients"] == 0


@needs_data
@pytest.mark.parametrize(
    ("name", "column", "day", "dropped"),
    [
        ("crp", "CRP (mg/L)", "true date_CRP", 2),
        ("ferritin", "Ferritin (ug/L)", "true date_ferritin", 17),
        ("ldh", "LDH (U/L)", "True date_LDH", 2),
    ],
)
def test_only_values_drawn_by_the_day_of_infusion_count(read, wide, name, column, day, dropped):
    cohort, report = read
    place = "Inflammatory Markers | Day 0 (-1 -2) Timepoint | "
    values = pd.to_numeric(wide[place + column], errors="coerce")  # one LDH is 'Hemolyzed'
    late = values.notna() & (wide[place + day] >= 1)
    assert late.sum() == dropped
    assert report["variables"][name]["outside_window"] == dropped
    assert report["variables"][name]["undated"] == 0
    # Micrograms per litre are nanograms per millilitre: no value changes.
    by_patient = cohort.set_index("patient_id")[name]
    expected = values.mask(late).to_numpy()
    keys = wide["Demographics and Clinical Data | ID | Randomized ID"].astype(str)
    np.testing.assert_allclose(by_patient[keys], expected, rtol=1e-12)


@needs_data
@pytest.mark.parametrize(
    ("name", "cytokine"),
    [
        ("il6", "IL-6"),
        ("il15", "IL-15"),
        ("il10", "IL-10"),
        ("il8", "IL-8"),
        ("ifn_gamma", "IFN-gamma"),
        ("tnf_alpha", "TNF-alpha"),
    ],
)
def test_cytokines_are_those_of_the_day_of_infusion(read, name, cytokine):
    cohort, report = read
    rows = pd.read_csv(DATA / "cytokines_long_day_after_infusion.csv")
    rows = rows[(rows["cytokines"] == cytokine) & rows["cytokine_levels"].notna()]
    before = rows[rows["days"] <= 0]
    assert report["variables"][name]["present"] == before["patient_id"].nunique() == 52
    assert report["variables"][name]["outside_window"] == (rows["days"] > 0).sum()
    expected = before.set_index(before["patient_id"].astype(str))["cytokine_levels"]
    got = cohort.set_index("patient_id")[name].dropna()
    np.testing.assert_allclose(got.sort_index(), expected.sort_index())


@needs_data
def test_treatments_and_marrow_agree_with_the_sheet(read, wide):
    cohort, _ = read
    place = "Demographics and Clinical Data | "
    for name, column in {
        "prior_transplant": "Prior Treatments | Prior HCT (0=N/1=Y)",
        "prior_car_t": "Prior Treatments | Prior CAR (0=N/1=Y)",
        "t_cell_selection": "CAR Tx Group | TCS (0=No/1=Yes)",
        "extramedullary_disease": "Baseline Dz Burden | Extramedullary Disease (0=No/1=Yes)",
    }.items():
        assert cohort[name].sum() == wide[place + column].sum()
    marrow = wide[place + "Baseline Dz Burden | Bone marrow (Final)"]
    assert (marrow == "---").sum() == 2
    assert cohort["marrow_blasts"].notna().sum() == 57
    # An M2 marrow holds five per cent blasts or more: were one of the two columns a fraction,
    # they could not agree. In one patient the sheet's two columns differ.
    m2 = pd.to_numeric(wide[place + "Baseline Dz Burden | >/= M2 Marrow (0=N/1=Y)"], "coerce")
    blasts = cohort["marrow_blasts"]
    assert ((blasts >= 5) == m2)[blasts.notna()].sum() == 56


@needs_data
def test_nothing_known_only_afterwards_is_mapped(config, read):
    cohort, _ = read
    dictionary = read_dictionary(config.path(config.dictionary))
    post = {name for name in cohort.columns if dictionary[name].timing == "post"}
    assert post == {"crs_grade", "grading_system"}


def test_without_the_files_the_error_says_where_they_are(config, tmp_path, monkeypatch):
    monkeypatch.setenv("CRS_RISK_CACHE", str(tmp_path / "nothing fetched"))
    elsewhere = config.model_copy(update={"file": tmp_path / "configs" / "cd22.yaml"})
    with pytest.raises(InputError, match=r"clinical_wide_all_timepoints\.csv: no such file") as e:
        input_files(elsewhere)
    for part in (
        "python -m pipeline fetch cd22",
        "harel-coffee/car22-hlh-auto",
        "7501ecfbfdbdaeb32d92efc714e8c2aac7fdb059",
        "clinical_data_05-12-20_v1.xlsx",
        "ID Key_15C0029 CD22 CAR CRS Data_4-30-21_export.csv",
        "day_after_infusion_data_export.csv",
    ):
        assert part in str(e.value)
