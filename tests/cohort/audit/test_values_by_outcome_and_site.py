"""Values that are computed, spread, crowded, exchanged or misplaced, and what must not alarm."""

import numpy as np
import pandas as pd
import pytest

from pipeline.cohort.audit.alignment import misaligned_site, shifted_rows
from pipeline.cohort.audit.crowding import crowded_by_class
from pipeline.cohort.audit.distribution import against_trend, spread_by_outcome
from pipeline.cohort.audit.material import Material
from pipeline.cohort.audit.precision import computed_values, decimals_of, digits_by_outcome
from pipeline.cohort.audit.sites import exchanged_columns, site_unit
from pipeline.config import Audit
from tests.cohort.audit.clean import FULL, OUTCOMES, clean_cohort


@pytest.fixture(scope="module")
def clean():
    return clean_cohort(600, 11)[0]


def findings(check, cohort):
    material = Material(cohort, FULL.restricted_to(cohort), OUTCOMES, "ge2", Audit(), {}, 1)
    return list(check(material))


@pytest.mark.parametrize(
    "check",
    [
        site_unit,
        exchanged_columns,
        computed_values,
        digits_by_outcome,
        spread_by_outcome,
        against_trend,
        crowded_by_class,
        shifted_rows,
        misaligned_site,
    ],
)
def test_a_clean_cohort_raises_nothing(clean, check):
    assert not findings(check, clean)


def test_decimals_are_those_that_are_written():
    values = np.array([12.0, 0.5, 12.34, 1 / 3, 6.206, 120.0])
    assert decimals_of(values).tolist() == [0, 1, 2, 6, 3, 0]


def test_a_small_factor_at_one_site_is_named_by_its_unit(clean):
    rows = clean["site"] == "centre 2"
    cohort = clean.assign(hemoglobin=clean["hemoglobin"].where(~rows, clean["hemoglobin"] * 0.6206))
    (finding,) = findings(site_unit, cohort)
    assert (finding.column, finding.severity) == ("hemoglobin", "error")
    assert finding.figure["likely_unit"] == "mmol/L"
    assert finding.count == (rows & clean["hemoglobin"].notna()).sum()


def test_a_site_of_another_therapy_is_in_no_other_unit(clean):
    # B-ALL has a third of the platelets here: the site's level is its patients', not its unit's.
    rows = clean["disease"] == "B-ALL"
    cohort = clean.assign(
        site=np.where(rows, "children's", "adults'"),
        platelets=clean["platelets"].where(~rows, clean["platelets"] / 3),
    )
    mixed = cohort.assign(site=np.where(np.arange(len(cohort)) % 9 == 0, "adults'", cohort["site"]))
    assert not [f for f in findings(site_unit, mixed) if f.column == "platelets"]


def test_exchanged_columns_name_each_other(clean):
    rows = clean["site"] == "centre 2"
    exchanged = {"anc": clean["anc"].where(~rows, clean["alc"])}
    exchanged["alc"] = clean["alc"].where(~rows, clean["anc"])
    (finding,) = findings(exchanged_columns, clean.assign(**exchanged))
    assert {finding.column, finding.figure["with"]} == {"anc", "alc"}


def test_decimals_that_go_with_size_or_site_are_no_leak(clean):
    crp = clean["crp"]
    by_size = crp.where(crp < 20, crp.round())  # small values with a decimal, large ones whole
    by_site = clean["ferritin"].where(
        clean["site"] != "centre 2", (clean["ferritin"] / 10).round() * 10
    )
    assert not findings(digits_by_outcome, clean.assign(crp=by_size, ferritin=by_site))


def test_a_factor_in_the_events_shows_in_their_digits(clean):
    events = clean["crs_grade"] >= 2
    cohort = clean.assign(crp=clean["crp"].where(~events, (clean["crp"] * 4).round(1)))
    (finding,) = findings(digits_by_outcome, cohort)
    assert (finding.column, finding.severity) == ("crp", "error")


def test_half_of_the_events_in_another_unit_widen_the_column(clean):
    rng = np.random.default_rng(1)
    half = (clean["crs_grade"] >= 2) & (rng.random(len(clean)) < 0.5)
    cohort = clean.assign(crp=clean["crp"].where(~half, (clean["crp"] * 10).round(1)))
    (finding,) = [f for f in findings(spread_by_outcome, cohort) if f.column == "crp"]
    assert finding.figure["ratio"] > 1.3


def test_a_reversed_column_runs_against_its_trend(clean):
    rng = np.random.default_rng(2)
    # ECOG coded the other way round, in a cohort in which it matters.
    event = clean["crs_grade"] >= 2
    ecog = np.where(event, rng.choice([0, 1], len(clean)), rng.choice([1, 2, 3], len(clean)))
    (finding,) = findings(against_trend, clean.assign(ecog=ecog.astype(float)))
    assert (finding.column, finding.severity) == ("ecog", "warning")


@pytest.mark.parametrize("rows", [1, -2])
def test_shifted_rows_are_counted(clean, rows):
    (finding,) = findings(shifted_rows, clean.assign(anc=np.roll(clean["anc"].to_numpy(), rows)))
    assert finding.column == "anc"
    assert finding.figure["rows"] == abs(rows)


def test_a_cohort_sorted_by_group_or_date_is_not_shifted(clean):
    assert not findings(shifted_rows, clean.sort_values(["therapy", "site"], kind="stable"))
    drift = np.linspace(0.7, 1.4, len(clean))
    drifting = {name: clean[name] * drift for name in ("crp", "ferritin", "ldh")}
    assert not findings(shifted_rows, clean.assign(**drifting))


def test_rows_mixed_up_within_a_site_break_what_goes_together_elsewhere():
    rng = np.random.default_rng(3)
    n = 600
    marrow = rng.normal(size=n)
    noise = rng.normal(size=(4, n))
    site = rng.integers(0, 3, n)
    names = ["platelets", "anc", "alc", "amc"]
    values = np.exp(1 + 0.6 * marrow + 0.3 * noise).round(3)
    cohort = pd.DataFrame(dict(zip(names, values, strict=True)))
    cohort.insert(0, "patient_id", [f"{i}" for i in rng.permutation(n)])
    cohort["site"] = np.array(["a", "b", "c"])[site]
    cohort["crs_grade"] = rng.integers(0, 4, n).astype(float)
    assert not findings(misaligned_site, cohort)
    rows = np.flatnonzero(site == 1)
    mixed = cohort["anc"].to_numpy(copy=True)
    mixed[rows] = mixed[rng.permutation(rows)]
    found = findings(misaligned_site, cohort.assign(anc=mixed))
    assert ("anc", "error") in [(f.column, f.severity) for f in found]


def test_classes_that_truly_differ_do_not_crowd():
    rng = np.random.default_rng(4)
    for _ in range(10):  # AUROC of one lab about 0.7, its spread growing with the grade
        grade = rng.integers(0, 4, 500)
        labs = np.exp(3 + 0.25 * grade + rng.normal(size=(8, 500)) * (0.5 + 0.1 * grade)).round(1)
        names = ["crp", "ldh", "ferritin", "platelets", "il6", "d_dimer", "ast", "alt"]
        cohort = pd.DataFrame(dict(zip(names, labs, strict=True)))
        cohort.insert(0, "patient_id", [str(i) for i in range(500)])
        cohort["crs_grade"] = grade.astype(float)
        assert not findings(crowded_by_class, cohort)


@pytest.mark.parametrize("patients", [1, 3, 20, 61])
def test_tiny_cohorts_stop_no_check(patients):
    head = clean_cohort(100, 6)[0].head(patients)
    for check in (digits_by_outcome, spread_by_outcome, crowded_by_class, misaligned_site):
        assert not [f for f in findings(check, head) if f.severity == "error"]
