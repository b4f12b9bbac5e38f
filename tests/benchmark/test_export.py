"""Labels of real tables, by hand, and what a table's dictionary refuses as a predictor."""

import json
from pathlib import Path

import pandas as pd
import pytest

from pipeline.benchmark.export import export_table, labelled
from pipeline.benchmark.settings import Export, read_benchmark
from pipeline.cohort.dictionary import read_dictionary
from pipeline.config_file import read_config
from pipeline.errors import InputError

CONFIGS = Path(__file__).parents[2] / "configs" / "benchmark"
REAL = {n: t for n, t in read_benchmark(CONFIGS / "benchmark.yaml").tables.items() if t.export}


def export(horizon, dataset="any"):
    return Export(dataset=dataset, horizon=horizon, label="died", reference="none")


def test_label_by_hand():
    raw = pd.DataFrame(
        {
            "pid": range(7),
            "event": [1, 1, 1, 0, 0, 0, 1],
            "time": [1, 30, 31, 29, 30, 31, 400],
            "age": 50,
        }
    )
    # Dead by day 30: 1. Dead later, or seen alive on day 30: 0. Last seen on day 29: unknown.
    table = labelled(raw, export(30))
    assert dict(zip(table["pid"], table["died"], strict=True)) == {
        0: 1, 1: 1, 2: 0, 4: 0, 5: 0, 6: 0,
    }  # fmt: skip
    assert list(table) == ["pid", "age", "died"]


def test_without_a_horizon_the_label_is_the_event():
    raw = pd.DataFrame({"pid": [1, 2], "event": [0, 1], "time": [5, 5]})
    assert list(labelled(raw, export(None))["died"]) == [0, 1]


def test_whas500_against_its_published_counts(tmp_path):
    """SurvSet's 461 patients: 99 died within a year, nobody was lost before it."""
    pytest.importorskip("SurvSet", reason="SurvSet is in the benchmark extra")
    facts = export_table(REAL["whas500"].export, tmp_path / "t.csv")
    table = pd.read_csv(tmp_path / "t.csv")
    assert (facts["rows"], facts["patients"], facts["events"]) == (461, 461, 99)
    assert facts["censored_before_horizon"] == 0
    assert table["died_1_year"].sum() == 99
    assert json.loads((tmp_path / "t.json").read_text()) == facts


def test_flchain_counts_whom_it_leaves_out(tmp_path):
    """195 of 7,874 were last seen before 5 years without having died by then, 935 had died."""
    pytest.importorskip("SurvSet", reason="SurvSet is in the benchmark extra")
    chosen = Export(dataset="flchain", horizon=1825, label="died", reference="none")
    facts = export_table(chosen, tmp_path / "t.csv")
    assert facts["rows"] == 7874
    assert facts["censored_before_horizon"] == 195
    assert facts["events"] == 935


def test_an_unknown_dataset_is_named(tmp_path):
    pytest.importorskip("SurvSet", reason="SurvSet is in the benchmark extra")
    with pytest.raises(InputError, match="SurvSet holds no table 'suport2'"):
        export_table(export(1, "suport2"), tmp_path / "t.csv")


@pytest.mark.parametrize("name", REAL)
def test_every_mapped_column_is_there_and_every_label_is_an_outcome(name, tmp_path):
    pytest.importorskip("SurvSet", reason="SurvSet is in the benchmark extra")
    config = read_config(CONFIGS / REAL[name].config)
    export_table(REAL[name].export, tmp_path / "t.csv")
    columns = {c.column for c in config.source.tables[0].columns.values()}
    assert columns <= set(pd.read_csv(tmp_path / "t.csv", nrows=1).columns)
    dictionary = read_dictionary(config.path(config.dictionary))
    assert dictionary[REAL[name].export.label].role == "outcome"
    assert [o.column for o in config.outcomes.values()] == [REAL[name].export.label]


# Each of these tells, or was made of, what happened after the time of prediction.
LEAKS = {
    "support2": ["num_sps", "num_surv2m", "num_surv6m", "fac_dnr", "fac_sfdm2"],
    "rhc": ["num_surv2md1"],
    "flchain": ["fac_chapter"],
    "vlbw": ["num_lowph", "num_pltct", "fac_pvh", "fac_ivh", "fac_ipe", "fac_vent", "fac_pneumo",
             "fac_pda", "fac_cld"],
    "whas500": ["num_los"],
}  # fmt: skip


@pytest.mark.parametrize(("name", "column"), [(n, c) for n, cs in LEAKS.items() for c in cs])
def test_what_leaks_is_no_predictor(name, column):
    config = read_config(CONFIGS / f"{name}.yaml")
    dictionary = read_dictionary(config.path(config.dictionary))
    columns = config.source.tables[0].columns
    variables = [v for v, source in columns.items() if source.column == column]
    assert len(variables) == 1
    assert not dictionary[variables[0]].is_baseline_predictor
