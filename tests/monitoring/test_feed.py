"""Faults of the data feed are named as such, and are no reason to update a model."""

import json

import numpy as np
import pytest

from pipeline.config import Monitoring
from pipeline.config_file import read_config
from pipeline.monitoring.commands import monitor_file
from pipeline.monitoring.monitor import monitor
from pipeline.monitoring.observations import Observations
from pipeline.monitoring.report import to_html

SETTINGS = Monitoring()


def watch(frame, artifact):
    return monitor(Observations.of(frame, artifact, SETTINGS), artifact, SETTINGS)


def kinds(found):
    return [(fault["kind"], fault["variable"]) for fault in found["faults"]]


def test_no_therapy_at_all_is_a_fault_of_the_table_not_of_the_model(artifact, cohort):
    found = watch(cohort.drop(columns=["therapy"]), artifact)
    assert kinds(found) == [("therapy", "therapy")]
    assert found["verdict"]["verdict"] == "fine"
    assert found["verdict"]["title"] != "Fine"
    assert "there is no column 'therapy'" in found["verdict"]["sentence"]
    assert "no patient gets a risk" in found["verdict"]["sentence"]


def test_impossible_ages_are_a_fault_of_the_table_not_of_the_model(artifact, cohort):
    found = watch(cohort.assign(age=-5.0), artifact)
    assert kinds(found) == [("implausible", "age")]
    assert found["verdict"]["verdict"] == "fine"
    assert "'age' is outside" in found["verdict"]["sentence"]
    (abstained,) = [r for r in found["verdict"]["reasons"] if r["rule"] == "abstained"]
    assert "'age' is not plausible" in abstained["sentence"]


def test_columns_of_another_name_are_named(artifact, cohort):
    usual = artifact.facts["scoring"]["usually_known"]
    assert {"ldh", "crp", "platelets"} <= set(usual)
    renamed = cohort.rename(columns={"ldh": "LDH", "crp": "CRP", "platelets": "PLT"})
    found = watch(renamed, artifact)
    assert {name for _, name in kinds(found)} == {"ldh", "crp", "platelets"}
    assert found["verdict"]["verdict"] == "fine"
    assert "are recorded in nobody: are the columns named so?" in found["verdict"]["sentence"]
    one = watch(cohort.rename(columns={"ldh": "LDH"}), artifact)
    assert "'ldh' is recorded in nobody: is the column named so?" in one["verdict"]["sentence"]


def test_a_site_that_measures_a_variable_in_few_is_none_of_these(artifact, cohort):
    some = cohort["ldh"].where(np.arange(len(cohort)) % 20 == 0)
    assert watch(cohort.assign(ldh=some), artifact)["faults"] == []


@pytest.mark.parametrize("columns_are_there", [True, False])
def test_too_few_leading_predictors_call_for_retraining_unless_the_columns_are_gone(
    artifact, cohort, columns_are_there
):
    leading = artifact.facts["scoring"]["leading"]
    # Recorded of a few patients each, or of nobody.
    left = np.arange(len(cohort)) < (5 if columns_are_there else 0)
    found = watch(cohort.assign(**{n: cohort[n].where(left) for n in leading}), artifact)
    assert found["verdict"]["verdict"] == ("retrain" if columns_are_there else "fine")
    assert bool(found["faults"]) is not columns_are_there


def test_a_therapy_that_no_table_knows_is_unseen_as_well(artifact, cohort):
    half = np.arange(len(cohort)) % 2 == 0
    found = watch(cohort.assign(therapy=cohort["therapy"].where(half, "canary-7391")), artifact)
    assert found["verdict"]["verdict"] == "retrain"
    assert (
        "50% of the patients have a therapy that training did not see"
        in (found["verdict"]["sentence"])
    )
    assert "table of therapies does not hold" in found["verdict"]["sentence"]
    assert "canary" not in json.dumps(found)


def test_where_every_therapy_was_seen_none_is_said_to_be_unseen(artifact, cohort):
    reasons = watch(cohort, artifact)["verdict"]["reasons"]
    assert [r["sentence"] for r in reasons if r["rule"] in ("unseen_therapy", "abstained")] == [
        "no patient has a therapy that training did not see.",
        "every patient gets a risk.",
    ]


def test_outcomes_recorded_only_where_there_was_crs_are_not_taken_at_their_word(artifact, cohort):
    found = watch(cohort.assign(crs_grade=cohort["crs_grade"].where(cohort["crs_grade"] > 0)),
                  artifact)  # fmt: skip
    assert ("outcomes", "crs_grade") in kinds(found)
    assert "first check how outcomes are recorded" in found["verdict"]["sentence"]
    known = int((cohort["crs_grade"] > 0).sum())
    assert found["outcomes_known"] == known
    page = to_html(found, {"model": "m", "cohort": "c.csv", "date": "2025-01-01"})
    assert f"outcomes are known for {known} of {len(cohort)}" in page


def test_outcomes_known_of_the_gravest_alone_differ_in_what_was_predicted(artifact, cohort):
    risk = Observations.of(cohort, artifact, SETTINGS).score(artifact)[0][:, 1]
    grave = risk > np.nanmedian(risk)
    found = watch(cohort.assign(crs_grade=cohort["crs_grade"].where(grave)), artifact)
    assert "patients with a known outcome have the higher risks" in found["verdict"]["sentence"]


def test_outcomes_that_are_still_to_come_are_no_fault(artifact, cohort):
    some = np.random.default_rng(3).random(len(cohort)) < 0.6
    found = watch(cohort.assign(crs_grade=cohort["crs_grade"].where(some)), artifact)
    assert found["faults"] == []
    assert found["outcomes_known"] == int(some.sum())


def test_the_command_names_inputs_that_drifted(small_run, model, cohort, tmp_path):
    file = tmp_path / "new.csv"
    cohort.rename(columns={"ferritin": "FERR"}).to_csv(file, index=False)
    said = monitor_file(str(model), file, read_config(small_run.config), tmp_path / "out")
    assert "1 input drifted: Ferritin. Read " in said


def test_the_page_shows_what_was_not_compared(artifact, cohort):
    found = watch(cohort.assign(ferritin=np.nan), artifact)
    page = to_html(found, {"model": "m", "cohort": "c.csv", "date": "2025-01-01"})
    assert "too few values to compare" in page
    assert "not compared" in page


def test_the_last_period_is_not_hidden_by_the_years_before(artifact, cohort):
    # Four periods as the model says, and a fifth in which most patients without CRS of grade 2
    # have it: the average over all is barely off.
    period = np.arange(len(cohort)) * 5 // len(cohort) + 2020
    late = (period == 2024) & (cohort["crs_grade"] < 2) & (np.arange(len(cohort)) % 4 != 0)
    graver = cohort.assign(infusion_year=period, crs_grade=cohort["crs_grade"].mask(late, 2.0))
    found = watch(graver, artifact)
    assert found["verdict"]["verdict"] == "recalibrate"
    (told,) = [
        r for r in found["verdict"]["reasons"]
        if (r["rule"], r["outcome"]) == ("last_period", "ge2")
    ]  # fmt: skip
    own = found["calibration"]["ge2"]["periods"][-1]
    assert own["period"] == "2024"
    assert own["oe"]["low"] > 1
    assert (
        f"{own['oe']['estimate']:.2f} times as many were observed as expected" in (told["sentence"])
    )
    assert told["sentence"].rstrip(".") in found["verdict"]["sentence"]
