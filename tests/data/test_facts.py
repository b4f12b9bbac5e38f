"""The shipped tables of facts agree with each other, with the dictionary and with their marks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.cohort.dictionary import read_dictionary
from pipeline.cohort.therapies import read_therapies
from pipeline.errors import InputError
from pipeline.ingest.synthetic.facts import FACTORS, read_facts

ROOT = Path(__file__).parents[2]
DATA = ROOT / "data"
DICTIONARY = read_dictionary(ROOT / "configs" / "variables.yaml")
TABLES = sorted(DATA.glob("*.csv"))


@pytest.fixture(scope="module")
def facts():
    return read_facts(DATA)


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.name)
def test_every_row_says_its_source_and_evidence(table):
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    assert set(rows["evidence"]) <= {"published", "assumed", "damaged-source"}
    source = "source" if "source" in rows else "loadings_source"
    assert (rows[source] != "").all()


def test_the_readme_names_every_table():
    text = (DATA / "README.md").read_text(encoding="utf-8")
    for table in TABLES:
        assert f"`{table.name}`" in text


def test_targets_lie_near_the_rates_that_may_be_used(facts):
    rates = read_therapies(DATA / "therapies.csv").query("use == 'rate'")
    for target in facts.targets.itertuples():
        rows = rates[
            (rates["therapy"] == target.therapy) & rates["disease"].isin(["", target.disease])
        ]
        assert len(rows) > 0, target.therapy
        assert rows["any_pct"].min() - 5 <= target.any_pct <= rows["any_pct"].max() + 5
        assert rows["ge3_pct"].min() - 1 <= target.ge3_pct <= rows["ge3_pct"].max() + 1
        assert 0 < target.ge3_pct < target.any_pct < 100


def test_all_kinds_of_therapy_are_generated(facts):
    assert set(facts.targets["modality"]) == {
        "car_t",
        "t_cell_engager",
        "tcr_t",
        "checkpoint_inhibitor",
    }


def test_quartiles_are_in_order_and_plausible(facts):
    labs = facts.labs
    assert (labs["q25"] <= labs["median"]).all()
    assert (labs["median"] <= labs["q75"]).all()
    assert not labs.duplicated(["variable", "disease"]).any()
    for row in labs.itertuples():
        low, high = DICTIONARY[row.variable].range
        assert low <= row.q25
        assert row.q75 <= high
    levels = {disease for cell in labs["disease"] for disease in cell.split(";")}
    assert levels <= {"", *DICTIONARY["disease"].levels}


def test_drawn_values_stay_within_the_dictionary(facts):
    for name, row in facts.structure.iterrows():
        if np.isnan(row["low"]):
            continue
        low, high = DICTIONARY[name].range
        assert low <= row["low"] < row["high"] <= high, name


def test_factors_leave_every_score_something_of_its_own(facts):
    shared = (facts.structure[FACTORS] ** 2).sum(axis=1)
    assert (shared < 0.95).all()


def test_shares_add_up_and_levels_are_those_of_the_dictionary(facts):
    covariates = facts.covariates
    totals = covariates.groupby(["variable", "scope"])["pct"].sum()
    assert np.allclose(totals, 100)
    for variable, rows in covariates.groupby("variable"):
        known = DICTIONARY[variable]
        if known.kind == "categorical":
            assert set(rows["level"]) <= set(known.levels)
        else:
            assert set(rows["level"]) <= {str(number) for number in range(5)}


def test_effects_have_the_direction_of_the_dictionarys_trends(facts):
    sizes = ["cell_any", "cell_ge3", "engager_any", "engager_ge3"]
    for effect in facts.effects.to_dict("records"):
        trend = DICTIONARY[effect["variable"]].trend
        if trend is not None:
            sign = 1 if trend == "up" else -1
            assert all(sign * effect[size] >= 0 for size in sizes), effect["variable"]


def test_the_narrowest_scope_wins(facts):
    levels, shares = facts.shares("bridging")
    engager = (facts.targets["modality"] == "t_cell_engager").to_numpy()
    assert (shares[engager, levels.index("none")] == 1).all()
    _, bulky = facts.shares("bulky_disease")
    assert np.isnan(bulky[(facts.targets["disease"] == "MM").to_numpy()]).all()
    prior, chosen = facts.shares("prior_car_t")
    epcoritamab = (facts.targets["therapy"] == "epcoritamab").to_numpy()
    assert chosen[epcoritamab, prior.index("1")] == pytest.approx(0.25)


def test_damaged_tables_are_refused_in_words(tmp_path):
    for table in TABLES:
        (tmp_path / table.name).write_bytes(table.read_bytes())
    labs = pd.read_csv(DATA / "labs.csv", dtype=str, keep_default_na=False)
    labs.drop(columns="median").to_csv(tmp_path / "labs.csv", index=False)
    with pytest.raises(InputError, match=r"labs.csv, column 'median': column is missing"):
        read_facts(tmp_path)
    labs.assign(median="high").to_csv(tmp_path / "labs.csv", index=False)
    with pytest.raises(InputError, match=r"column 'median': not a number in \d+ row"):
        read_facts(tmp_path)
    labs.assign(evidence="rumour").to_csv(tmp_path / "labs.csv", index=False)
    with pytest.raises(InputError, match="unknown kind of evidence"):
        read_facts(tmp_path)
    (tmp_path / "labs.csv").unlink()
    with pytest.raises(InputError, match=r"labs.csv: no such file"):
        read_facts(tmp_path)
