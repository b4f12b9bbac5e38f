"""The monitor as a whole: verdicts with their reasons, faults named, nothing of a patient."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from pipeline.config import Monitoring
from pipeline.config_file import read_config
from pipeline.errors import InputError
from pipeline.monitoring.commands import monitor_file
from pipeline.monitoring.monitor import monitor
from pipeline.monitoring.observations import Observations
from pipeline.monitoring.recalibration import recalibrate_file
from pipeline.monitoring.report import to_html
from pipeline.monitoring.tables import read_patients

SETTINGS = Monitoring()


def watch(frame, artifact, settings=SETTINGS):
    return monitor(Observations.of(frame, artifact, settings), artifact, settings)


def test_the_training_cohort_is_fine(artifact, cohort):
    found = watch(cohort, artifact)
    assert found["verdict"]["verdict"] == "fine", found["verdict"]
    assert found["verdict"]["calibration_judged"]
    assert found["faults"] == []


def test_outcomes_that_turn_round_are_not_fine(artifact, cohort):
    turned = cohort.assign(crs_grade=np.where(cohort["crs_grade"] >= 2, 0, 2))
    found = watch(turned, artifact)
    assert found["verdict"]["verdict"] in ("recalibrate", "retrain")
    assert any(
        r["outcome"] == "ge2" for r in found["verdict"]["reasons"] if r["calls_for"] != "fine"
    )


def test_a_unit_is_named_and_the_verdict_is_that_of_the_mended_values(artifact, cohort):
    # 1 mg/dL is 88.4 umol/L of creatinine (molar mass 113.12).
    found = watch(cohort.assign(creatinine=cohort["creatinine"] * 88.4), artifact)
    assert [f["variable"] for f in found["faults"]] == ["creatinine"]
    assert found["faults"][0]["unit"] == "umol/L"
    assert found["faults"][0]["factor"] == pytest.approx(1 / 88.4, rel=0.01)
    assert found["verdict"]["verdict"] == "fine"
    assert "'creatinine' seems to be given in umol/L" in found["verdict"]["sentence"]


def test_a_unit_at_one_site_is_named_with_the_site(artifact, cohort):
    site = cohort["site"].value_counts().index[0]
    here = cohort["site"] == site
    found = watch(cohort.assign(crp=cohort["crp"].where(~here, cohort["crp"] / 10)), artifact)
    assert [(f["variable"], f["place"]) for f in found["faults"]] == [("crp", f"at '{site}'")]


def test_a_factor_of_two_is_named_though_ferritin_varies_more_than_that(artifact, cohort):
    # 1 ug/L is 2.247 pmol/L of ferritin (445 kDa).
    found = watch(cohort.assign(ferritin=cohort["ferritin"] * 2.247), artifact)
    assert [(f["variable"], f["place"]) for f in found["faults"]] == [("ferritin", "everywhere")]
    assert found["faults"][0]["unit"] == "pmol/L"
    assert found["verdict"]["verdict"] == "fine"
    assert "unless values have truly risen to 2.2 times" in found["verdict"]["sentence"]


@pytest.mark.parametrize(
    "drifted",
    [
        lambda values: values * 1.5,
        lambda values: values**1.6 / values.median() ** 0.6,
        lambda values: values.where(np.arange(len(values)) % 2 == 0, values * 2.247),
    ],
    ids=["no unit's factor", "wider about the same median", "half of the patients"],
)
def test_a_drift_that_no_unit_explains_is_no_fault_of_the_feed(artifact, cohort, drifted):
    assert watch(cohort.assign(ferritin=drifted(cohort["ferritin"])), artifact)["faults"] == []


def test_a_therapy_never_seen_calls_for_retraining(artifact, cohort):
    half = np.arange(len(cohort)) % 2 == 0
    found = watch(cohort.assign(therapy=cohort["therapy"].where(half, "linvoseltamab")), artifact)
    assert found["verdict"]["verdict"] == "retrain"
    assert "linvoseltamab" in found["verdict"]["sentence"]


def test_more_events_than_expected_are_watched_before_they_call_for_an_update(artifact, cohort):
    spared = np.flatnonzero(cohort["crs_grade"] < 2)
    sentences = []
    for more in range(0, 70, 10):
        commoner = cohort["crs_grade"].copy()
        commoner.iloc[spared[:more]] = 2
        sentences.append(watch(cohort.assign(crs_grade=commoner), artifact)["verdict"]["sentence"])
    states = [
        "watch" if "; watch CRS of grade 2" in text else text.split(":")[0].lower()
        for text in sentences
    ]
    assert list(dict.fromkeys(states)) == ["fine", "watch", "recalibrate"], sentences


def test_without_outcomes_calibration_is_not_judged(artifact, cohort):
    found = watch(cohort.drop(columns=["crs_grade"]), artifact)
    assert not found["verdict"]["calibration_judged"]
    assert found["verdict"]["adequate"] is None
    assert found["verdict"]["sentence"] == (
        "Calibration was not judged: the table has no column 'crs_grade'."
    )


def test_a_cohort_that_could_not_show_a_doubling_of_the_odds_is_not_called_fine(artifact, cohort):
    # The interval of an intercept reaches 1.96 / sqrt(sum r (1 - r)): at most 1.96 / sqrt(n / 4),
    # so 40 patients cannot tell half a unit of log-odds, and 250 with such risks can.
    few = watch(cohort.head(40), artifact)["verdict"]
    assert few["verdict"] == "fine"
    assert few["adequate"] is False
    assert few["half_width"] >= 1.96 / np.sqrt(40 / 4) * 0.99
    assert few["sentence"].startswith("Too few to tell: from all 40 patients")
    assert f"{np.exp(few['half_width']):.1f} times as high" in few["sentence"]
    # Of twelve no ten are with it and ten without.
    handful = watch(cohort.head(12), artifact)["verdict"]
    assert "CRS of grade 2 or higher" in handful["not_judged"]
    assert handful["sentence"].startswith("Too few to tell")
    many = watch(cohort, artifact)["verdict"]
    assert many["adequate"] is True
    assert many["title"] == "Fine"


@pytest.mark.parametrize(
    ("grade", "told"),
    [
        (0, "high: fewer than 10 patients are with"),
        (2, "low: fewer than 10 patients are without"),
    ],
)
def test_no_event_where_many_were_expected_calls_for_recalibration(artifact, cohort, grade, told):
    # Too few to fit anything to, and the grossest miscalibration there is.
    found = watch(cohort.head(150).assign(crs_grade=float(grade)), artifact)["verdict"]
    assert found["verdict"] == "recalibrate"
    assert found["calibration_judged"]
    assert f"risks of CRS of any grade are too {told} it, where about" in found["sentence"]
    counts = [int(x) for x in re.findall(r"about (\d+)", found["sentence"])]
    assert counts
    assert min(counts) >= 10


def test_a_few_events_fewer_than_expected_are_chance(artifact, cohort):
    risk = Observations.of(cohort, artifact, SETTINGS).score(artifact)[0][:, 1]
    # About eleven expected, nine observed.
    rows = np.flatnonzero(~np.isnan(risk))
    rows = rows[: int(np.searchsorted(np.cumsum(risk[rows]), 11)) + 1]
    some = cohort.iloc[rows].assign(crs_grade=np.where(np.arange(len(rows)) < 9, 2.0, 1.0))
    reasons = watch(some, artifact)["verdict"]["reasons"]
    (found,) = [r for r in reasons if (r["rule"], r["outcome"]) == ("calibration", "ge2")]
    assert found["calls_for"] == "fine"


@pytest.mark.parametrize("column", ["infusion_year", "site"])
@pytest.mark.parametrize("nothing", [np.nan, None, ""], ids=["nan", "none", "blank"])
def test_a_patient_of_no_known_year_or_site_stands_outside_them(artifact, cohort, column, nothing):
    given = cohort[column].astype(object)
    given.iloc[7] = nothing
    frame = cohort.assign(**{column: given})
    seen = Observations.of(frame, artifact, SETTINGS)
    labels = seen.period if column == "infusion_year" else seen.site
    assert labels[7] is None
    assert all(isinstance(label, str) for label in np.delete(labels, 7))
    assert watch(frame, artifact)["verdict"]["verdict"] == "fine"


def test_dates_become_quarters(artifact, cohort):
    dated = cohort.assign(day=np.where(np.arange(len(cohort)) % 2, "2024-02-03", "2024-11-30"))
    seen = Observations.of(dated, artifact, Monitoring(period="day"))
    assert set(seen.period) == {"2024-Q1", "2024-Q4"}


@pytest.mark.parametrize(
    "times", ["01.05.2026", "1 May 2026", "2026"], ids=["points", "in words", "years among dates"]
)
def test_times_that_cannot_be_read_are_refused_not_lost(artifact, cohort, times):
    day = np.where(np.arange(len(cohort)) % 2, "2024-02-03", times)
    with pytest.raises(InputError, match=r"12\d of 250 values cannot be read as a time") as fault:
        Observations.of(cohort.assign(day=day), artifact, Monitoring(period="day"))
    assert times not in str(fault.value).replace("2026-05-01", "")
    # What is not known is no fault.
    day = np.where(np.arange(len(cohort)) % 2, "2024-02-03", None)
    Observations.of(cohort.assign(day=day), artifact, Monitoring(period="day"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crs_grade": 9.0}, r"100 of 250 values of 'crs_grade' are outside its range.*0 to 5"),
        ({"crs_grade": -1.0}, r"100 of 250 values of 'crs_grade' are outside its range"),
        ({"crs_grade": 2.5}, r"100 of 250 values of 'crs_grade' lie between two grades"),
        ({"grading_system": "CTCAE v3"}, r"100 of 250 patients are graded by another system"),
        ({"grading_system": "Penn"}, r"100 of 250 patients are graded by another system.*ASTCT"),
    ],
)
def test_outcomes_that_are_no_astct_grades_are_refused(
    small_run, model, cohort, tmp_path, change, message
):
    # A grade 9 would count as grade 3 or higher, and grades of two systems are no outcome.
    (column, value), rows = *change.items(), np.arange(len(cohort)) < 100
    file = tmp_path / "new.csv"
    cohort.assign(**{column: cohort[column].mask(rows, value)}).to_csv(file, index=False)
    config = read_config(small_run.config)
    for command in (monitor_file, recalibrate_file):
        with pytest.raises(InputError, match=message) as fault:
            command(str(model), file, config, tmp_path / "out")
        assert "new.csv" in str(fault.value)
        assert "CTCAE" not in str(fault.value)
    assert not (tmp_path / "out").exists()


def test_grades_by_lee_are_near_enough(cohort, small_run, tmp_path):
    file = tmp_path / "new.csv"
    cohort.assign(grading_system="Lee2014").to_csv(file, index=False)
    assert len(read_patients(file, read_config(small_run.config))) == len(cohort)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.head(9), "fewer than 10 patients"),
        (lambda c: c[["patient_id"]], "none of the model's columns"),
        (lambda c: c.assign(ldh="canary-7391"), f"{250} values are no numbers"),
        (lambda c: c.assign(crs_grade="canary-7391"), f"{250} values are no numbers"),
    ],
)
def test_what_cannot_be_watched_is_refused_without_a_value(artifact, cohort, change, message):
    with pytest.raises(InputError, match=message) as refusal:
        Observations.of(change(cohort), artifact, SETTINGS)
    assert "canary" not in str(refusal.value)


def test_the_page_holds_itself_and_no_patient(artifact, cohort):
    marked = cohort.copy()
    marked["ldh"] = marked["ldh"].where(np.arange(len(cohort)) != 3, 4321.987)
    found = watch(marked, artifact)
    page = to_html(found, {"model": "m", "cohort": "c.csv", "date": "2025-01-01"})
    for text in (page, json.dumps(found)):
        assert "4321.98" not in text
        assert not any(patient in text for patient in cohort["patient_id"].head(20))
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page
    assert found["verdict"]["sentence"].split(":")[0] in page


def test_the_command_writes_both_and_ends_with_the_verdict(command, model, cohort, tmp_path):
    cohort.to_csv(tmp_path / "new.csv", index=False)
    ended = command(
        "monitor", "--model", model, "--cohort", tmp_path / "new.csv", "--output", tmp_path / "out"
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("Fine")
    told = json.loads((tmp_path / "out" / "monitor.json").read_text(encoding="utf-8"))
    assert told["verdict"]["verdict"] == "fine"
    assert "drifted" not in ended.stdout
    assert (tmp_path / "out" / "monitor.html").is_file()


def test_the_command_says_what_is_wrong(command, model, tmp_path):
    pd.DataFrame({"patient_id": range(30)}).to_csv(tmp_path / "new.csv", index=False)
    ended = command("monitor", "--model", model, "--cohort", tmp_path / "new.csv")
    assert ended.returncode == 2
    assert "holds none of the model's columns" in ended.stderr
    assert "Traceback" not in ended.stderr
