"""Sizes and tests of drift, by hand, by SciPy, and on a cohort compared with itself."""

import numpy as np
import pytest

from pipeline.config import Monitoring
from pipeline.monitoring.drift import drifted, measure_drift, population_stability, shown_shares
from pipeline.monitoring.observations import Observations

SETTINGS = Monitoring()


def test_psi_of_two_bins_by_hand():
    # 50:50 against 80:20 is 0.3 ln 1.6 + 0.3 ln 2.5 = 0.4159; chance gives 2 / 100,000.
    found = population_stability(np.array([5e4, 5e4]), np.array([8e4, 2e4]))
    assert found == pytest.approx(0.3 * np.log(1.6) + 0.3 * np.log(2.5) - 2e-5, abs=1e-4)


def test_psi_of_equal_populations_is_chance_alone():
    rng = np.random.default_rng(1)
    p = np.full(10, 0.1)
    drawn = [
        population_stability(rng.multinomial(2000, p), rng.multinomial(100, p)) for _ in range(500)
    ]
    # Uncorrected it would be about 9 (1/2000 + 1/100) = 0.095, next to the limit of 0.1.
    assert np.mean(drawn) < 0.04


def test_a_cohort_has_not_drifted_from_itself(artifact, cohort):
    seen = Observations.of(cohort, artifact, SETTINGS)
    risk, _ = seen.score(artifact)
    for entry in measure_drift(seen, artifact, risk, SETTINGS):
        assert entry["verdict"] in ("none", "not compared"), entry


def test_what_is_shifted_is_marked_and_nothing_else(artifact, cohort):
    shifted = cohort.assign(ldh=cohort["ldh"] * 3, ferritin=np.nan)
    seen = Observations.of(shifted, artifact, SETTINGS)
    risk, _ = seen.score(artifact)
    marked = {
        (e["kind"], e["name"])
        for e in measure_drift(seen, artifact, risk, SETTINGS)
        if e["verdict"] == "large"
    }
    assert {("values", "ldh"), ("missing", "ferritin")} <= marked
    assert {name for kind, name in marked if kind in ("values", "missing")} == {"ldh", "ferritin"}


def test_a_single_hidden_share_does_not_follow_from_the_total():
    assert shown_shares(np.array([80.0, 15.0, 5.0])) == [0.8, None, None]
    assert shown_shares(np.array([80.0, 20.0, 0.0])) == [0.8, 0.2, 0.0]


@pytest.mark.parametrize("patients", [12, 40, 100])
def test_gaps_are_not_invented_where_a_count_is_too_small_to_be_told(artifact, cohort, patients):
    # Cohorts drawn from the training patients have their gaps: among so many comparisons a false
    # discovery rate of 0.05 lets hardly any be marked.
    rng, marked = np.random.default_rng(4), 0
    for _ in range(8):
        seen = Observations.of(
            cohort.iloc[rng.choice(len(cohort), patients, replace=False)], artifact, SETTINGS
        )
        found = measure_drift(seen, artifact, seen.score(artifact)[0], SETTINGS)
        marked += any(entry["kind"] == "missing" for entry in drifted(found))
        for entry in found:
            if entry["kind"] == "missing" and entry["found"] is None:
                assert entry["size"] is entry["p"] is entry["adjusted_p"] is None
                assert "fewer than 10" in entry["reason"]
            elif entry["kind"] == "missing":
                absent = round(entry["found"] * patients)
                assert absent in (0, patients) or 10 <= absent <= patients - 10
    assert marked <= 1


def test_a_gap_of_all_but_a_few_is_marked_without_its_count(artifact, cohort):
    usual = artifact.facts["scoring"]["usually_known"]
    name = next(v for v in usual if artifact.dictionary[v].role == "lab")
    values = np.full(len(cohort), np.nan)
    values[:3] = cohort[name].median()
    seen = Observations.of(cohort.assign(**{name: values}), artifact, SETTINGS)
    found = measure_drift(seen, artifact, seen.score(artifact)[0], SETTINGS)
    (gap,) = [e for e in found if (e["kind"], e["name"]) == ("missing", name)]
    assert gap["verdict"] == "large"
    assert gap["found"] is None
    assert gap["reason"] == "known in fewer than 10"


def test_a_therapy_that_is_not_recorded_is_drift(artifact, cohort):
    seen = Observations.of(cohort.drop(columns=["therapy"]), artifact, SETTINGS)
    found = measure_drift(seen, artifact, seen.score(artifact)[0], SETTINGS)
    assert ("missing", "therapy") in {(entry["kind"], entry["name"]) for entry in drifted(found)}
