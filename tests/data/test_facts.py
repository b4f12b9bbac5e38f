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


def recalled(study) -> set[str]:
    """Columns of a study that its row calls assumed."""
    named = study.assumed_fields
    if named.startswith("all"):
        return {"any_pct", "ge3_pct", "onset_days", "grading_system"}
    return set(named.split(";"))


def unconfirmed(target, studies) -> set[str]:
    """Numbers of a target outside the range of what is published, but for rounding."""
    weak = set()
    for field, rounding in (("any_pct", 0.5), ("ge3_pct", 0.35), ("onset_days", 0.0)):
        published = [
            float(getattr(study, field))
            for study in studies
            if getattr(study, field)
            and field not in recalled(study)
            # A rate is one of a grading system, and of a row whose rates may be used.
            and (
                field == "onset_days"
                or (study.use == "rate" and "grading_system" not in recalled(study))
            )
        ]
        value = float(getattr(target, field))
        if not published or not min(published) - rounding <= value <= max(published) + rounding:
            weak.add(field)
    return weak


def test_a_target_is_marked_by_the_weakest_field_it_rests_on():
    studies = pd.read_csv(DATA / "therapies.csv", dtype=str, keep_default_na=False)
    targets = pd.read_csv(DATA / "generator_targets.csv", dtype=str, keep_default_na=False)
    for target in targets.itertuples():
        own = studies[
            (studies["therapy"] == target.therapy) & studies["disease"].isin(["", target.disease])
        ]
        weak = unconfirmed(target, list(own.itertuples()))
        assert set(filter(None, target.assumed_fields.split(";"))) == weak, target.therapy
        assert target.evidence == ("assumed" if weak else "published"), target.therapy
    # Recalled rates, as their rows in therapies.csv say.
    by_arm = targets.set_index(["therapy", "disease"])["evidence"]
    assert by_arm["brexucabtagene autoleucel", "B-ALL"] == "assumed"
    assert by_arm["epcoritamab", "LBCL"] == "assumed"
    assert by_arm["idecabtagene vicleucel", "MM"] == "assumed"
    assert by_arm["ciltacabtagene autoleucel", "MM"] == "assumed"
    assert by_arm["axicabtagene ciloleucel", "LBCL"] == "published"


def test_a_study_that_is_recalled_names_what_is():
    studies = pd.read_csv(DATA / "therapies.csv", dtype=str, keep_default_na=False)
    named = studies["assumed_fields"]
    assert named[studies["evidence"] == "assumed"].str.startswith("all").all()
    for fields in named[studies["evidence"] == "published"]:
        assert set(filter(None, fields.split(";"))) <= set(studies.columns)


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.name)
def test_no_row_that_calls_itself_assumed_is_marked_otherwise(table):
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    text = rows.filter(regex="source|note|reason").agg(" ".join, axis=1).str.lower()
    doubtful = text.str.contains(
        "assumed|judgement|recalled|typical|no single source|taken for other diseases"
    )
    assert set(rows.loc[doubtful, "evidence"]) <= {"assumed"}


def test_rates_of_other_scales_and_of_reactions_are_never_used():
    studies = pd.read_csv(DATA / "therapies.csv", dtype=str, keep_default_na=False)
    used = studies[studies["use"] == "rate"]
    assert "Penn" not in set(used["grading_system"])
    text = studies.agg(" ".join, axis=1).str.lower()
    assert (studies.loc[text.str.contains("infusion reaction"), "use"] == "attributes").all()


SHARED = ROOT.parent / "shared" / "reference"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the reference tables are not in ../shared")
def test_studies_say_what_the_reference_says():
    ours = pd.read_csv(DATA / "therapies.csv", dtype=str, keep_default_na=False)
    theirs = pd.read_csv(SHARED / "therapies.csv", dtype=str, keep_default_na=False)
    same = {
        "patients": "n_treated",
        "any_pct": "crs_any_pct",
        "ge3_pct": "crs_ge3_pct",
        "onset_days": "median_onset_days",
        "duration_days": "median_duration_days",
        "evidence": "evidence",
    }
    known = set(theirs[[*same.values()]].itertuples(index=False, name=None))
    # The CD22 trial's own rate would give its cohort's outcome away.
    own = ours[ours["why_not"].str.contains("its own trial") == 0]
    assert set(own[[*same]].itertuples(index=False, name=None)) <= known


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
