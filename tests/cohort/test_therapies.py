"""The shipped table of therapies says what is published, and bad tables are refused."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline.cohort.dictionary import read_dictionary
from pipeline.cohort.therapies import canonical_names, read_therapies
from pipeline.errors import InputError

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "data" / "therapies.csv"


@pytest.fixture(scope="module")
def therapies() -> pd.DataFrame:
    return read_therapies(TABLE)


def study(therapies: pd.DataFrame, therapy: str, trial: str) -> pd.Series:
    rows = therapies[
        (therapies["therapy"] == therapy) & therapies["trial"].str.contains(trial, regex=False)
    ]
    assert len(rows) == 1
    return rows.iloc[0]


@pytest.mark.parametrize(
    ("therapy", "trial", "any_pct", "ge3_pct"),
    [  # prescribing information and first publications
        ("axicabtagene ciloleucel", "ZUMA-1 (label)", 94, 13),
        ("axicabtagene ciloleucel", "ZUMA-7", 92, 7),
        ("tisagenlecleucel", "ELARA", 53, 0),
        ("lisocabtagene maraleucel", "TRANSCEND NHL 001", 42, 2),
        ("teclistamab", "MajesTEC-1", 72.1, 0.6),
        ("talquetamab", "MonumenTAL-1", 76, 1.5),
        ("afamitresgene autoleucel", "SPEARHEAD-1", 75, 2),
    ],
)
def test_published_rates(therapies, therapy, trial, any_pct, ge3_pct):
    row = study(therapies, therapy, trial)
    assert (row["any_pct"], row["ge3_pct"], row["use"]) == (any_pct, ge3_pct, "rate")


def test_penn_grades_and_infusion_reactions_are_never_rates(therapies):
    rates = therapies[therapies["use"] == "rate"]
    assert "Penn" not in set(rates["grading_system"])
    assert not rates["therapy"].isin(["rituximab", "obinutuzumab", "alemtuzumab"]).any()
    assert study(therapies, "tisagenlecleucel", "ELIANA")["use"] == "attributes"
    assert study(therapies, "tisagenlecleucel", "JULIET")["use"] == "attributes"


def test_mixed_and_premedicated_cohorts_are_no_products_own_rate(therapies):
    for words in ("mixed", "pooled", "prophylactic"):
        rows = therapies[therapies["why_not"].str.contains(words)]
        assert len(rows) >= 1
        assert set(rows["use"]) == {"attributes"}


def test_the_cd22_trial_states_no_rate(therapies):
    row = study(therapies, "CD22 CAR-T (NCI 15-C-0029)", "15-C-0029")
    assert row[["any_pct", "ge3_pct"]].isna().all()
    assert (row["target"], row["costimulation"]) == ("CD22", "4-1BB")


def test_diseases_are_levels_of_the_data_dictionary(therapies):
    levels = read_dictionary(ROOT / "configs" / "variables.yaml")["disease"].levels
    assert set(therapies["disease"]) <= {"", *levels}


def test_brands_short_names_and_case_lead_to_the_inn(therapies):
    spelt = pd.Series(
        ["Axi-Cel", "KYMRIAH", " teclistamab ", "somethingmab", None], index=range(5, 10)
    )
    names = canonical_names(spelt, therapies)
    assert names.index.equals(spelt.index)
    assert names.tolist()[:4] == [
        "axicabtagene ciloleucel",
        "tisagenlecleucel",
        "teclistamab",
        "somethingmab",
    ]
    assert pd.isna(names.iloc[4])


def test_canonical_names_are_their_own_canonical_names(therapies):
    names = therapies["therapy"]
    assert canonical_names(names, therapies).tolist() == names.tolist()


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("any_pct", "104", "out of range in 1 row(s). Expected 0 to 100"),
        ("any_pct", "many", "not a number in 1 row(s)"),
        ("any_pct", "", "empty in 1 row(s) with use 'rate'"),
        ("ge3_pct", "95", "more CRS of grade 3 or higher than of any grade"),
        ("evidence", "hearsay", "'hearsay' is not allowed. Expected one of published, assumed"),
        ("grading_system", "CARTOX", "'CARTOX' is not allowed"),
        ("modality", "CAR-T", "'CAR-T' is not allowed"),
        ("aliases", "yescarta;Kymriah", "names both"),
        ("costimulation", "4-1BB", "2 different values"),
        ("use", "attributes", "'attributes' without a why_not in 1 row(s)"),
        ("source", "", "is empty in 1 row(s)"),
        ("step_up", "2", "out of range"),
    ],
)
def test_a_bad_row_is_refused_in_words(tmp_path, column, value, words):
    table = pd.read_csv(TABLE, dtype=str, keep_default_na=False)
    table.loc[0, column] = value
    file = tmp_path / "therapies.csv"
    table.to_csv(file, index=False)
    with pytest.raises(InputError) as refused:
        read_therapies(file)
    assert words in str(refused.value)
    assert "therapies.csv" in str(refused.value)
    assert f"'{column}'" in str(refused.value)


def test_missing_file_missing_column_and_unknown_column(tmp_path):
    with pytest.raises(InputError, match=r"no such file.*therapy_prior\.table"):
        read_therapies(tmp_path / "absent.csv")
    table = pd.read_csv(TABLE, dtype=str, keep_default_na=False)
    table.drop(columns="source").to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(InputError, match="'source': column is missing"):
        read_therapies(tmp_path / "a.csv")
    table.assign(ge2_pct="").to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(InputError, match="unknown column; did you mean 'ge3_pct'"):
        read_therapies(tmp_path / "b.csv")
