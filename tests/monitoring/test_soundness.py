"""A table that must not decide on a model is refused, and who gets no risk is counted in words."""

import json
from dataclasses import replace

import numpy as np
import pytest
from mlflow import MlflowClient

from pipeline.config import Monitoring
from pipeline.config_file import read_config
from pipeline.errors import InputError
from pipeline.monitoring.observations import Observations
from pipeline.monitoring.recalibration import recalibrate_file
from pipeline.monitoring.soundness import check_outcomes, check_units, without_risk
from pipeline.registry.client import mlflow_at

SETTINGS = Monitoring()


def test_a_unit_fault_is_not_built_into_the_model(small_run, model, artifact, cohort, tmp_path):
    # 1 mg/dL is 10 mg/L; every grade is higher, so that the closed test would call for an update.
    file = tmp_path / "site.csv"
    worse = cohort.assign(crp=cohort["crp"] / 10, crs_grade=(cohort["crs_grade"] + 1).clip(upper=2))
    worse.to_csv(file, index=False)
    before = len(registered(small_run))
    with pytest.raises(InputError, match="'crp' seems to be given in mg/dL instead of mg/L"):
        recalibrate_file(str(model), file, read_config(small_run.config), tmp_path / "out")
    assert len(registered(small_run)) == before


def registered(small_run):
    with mlflow_at(small_run.store):
        return MlflowClient().search_model_versions("name='toy'")


def test_the_place_is_named_and_confirmed_values_pass(artifact, cohort, tmp_path):
    site = cohort["site"].value_counts().index[0]
    here = cohort["site"] == site
    frame = cohort.assign(crp=cohort["crp"].where(~here, cohort["crp"] / 10))
    seen = Observations.of(frame, artifact, SETTINGS)
    with pytest.raises(InputError, match=f"'crp' at '{site}'") as refused:
        check_units(seen, artifact, SETTINGS, tmp_path / "site.csv")
    # The way on that the message names is one.
    told = float(refused.value.mend.rsplit(" ", 1)[1])
    check_units(
        seen, artifact, SETTINGS.model_copy(update={"unit_psi": told}), tmp_path / "site.csv"
    )


def test_the_column_of_the_outcome_is_named(artifact, cohort, tmp_path):
    with pytest.raises(InputError, match="has no column 'crs_grade'; did you mean 'CRS_max'"):
        check_outcomes(
            cohort.rename(columns={"crs_grade": "CRS_max"}), artifact, tmp_path / "site.csv"
        )
    # No variable of the dictionary is taken for a misspelt outcome.
    with pytest.raises(InputError, match=r"has no column 'crs_grade'\. Expected"):
        check_outcomes(cohort[["ldh", "heart_rate"]], artifact, tmp_path / "site.csv")


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (0, None),
        (4, "are fewer than 10 of 100 patients"),
        (30, "are 30 of 100 patients: 'therapy' is a therapy the model does not know (30 of 100)"),
        (95, "are all but fewer than 10 of 100 patients"),
        (100, "are all 100 patients"),
    ],
)
def test_patients_without_a_risk_are_counted_with_the_reason(artifact, cohort, rows, told):
    frame = cohort.sample(100, random_state=1).assign(ldh=300.0, crp=20.0, ferritin=400.0)
    frame["therapy"] = np.where(np.arange(100) < rows, "wondercel", frame["therapy"])
    lenient = artifact.facts | {"scoring": artifact.facts["scoring"] | {"minimum_present": 0}}
    known = replace(artifact, facts=lenient)
    found = without_risk(Observations.of(frame, known, SETTINGS), known)
    assert (found is None) if told is None else (told in found)


def test_the_reason_stands_where_nothing_could_be_tested(small_run, model, cohort, tmp_path):
    file = tmp_path / "site.csv"
    cohort.assign(therapy="wondercel").to_csv(file, index=False)
    said = recalibrate_file(str(model), file, read_config(small_run.config), tmp_path / "out")
    assert "'therapy' is a therapy the model does not know" in said
    assert f"all {len(cohort)} patients" in said
    assert json.loads((tmp_path / "out" / "recalibration.json").read_text(encoding="utf-8"))
