import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.metrics import brier_score_loss, log_loss

from pipeline.config import Evaluation, Subgroups
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.grouping import Grouping
from pipeline.evaluation.oof import oof_frame
from pipeline.registry.entry import flat_metrics
from tests.evaluation.reference import auroc_of_folds

SETTINGS = Evaluation(
    bootstrap=200, processes=1, subgroups=Subgroups(minimum_patients=50, minimum_events=20)
)


def drawn(n=900, seed=2, repeats=2):
    """Risks that are right for group a, too low by one logit for group b."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"p{k:04d}" for k in range(n)])
    group = np.where(np.arange(n) % 3 == 0, "b", "a")
    score = rng.normal(-0.3, 1, n)
    risk = expit(score + (group == "b"))
    observed = {"ge2": (rng.random(n) < risk).astype(int)}
    stated = expit(score + 0.05 * rng.normal(size=(repeats, n)))
    folds = np.stack([rng.permutation(n) % 5 for _ in range(repeats)])
    frame = oof_frame(ids, folds, observed, {"model": stated[:, :, None]})
    return frame, ids, group


def grouping(ids, group):
    members = pd.Series(group, index=ids)
    return Grouping("kind", "Kind", tuple(sorted(set(group))), members)


@pytest.fixture(scope="module")
def judged():
    frame, ids, group = drawn()
    therapy = pd.Series(np.where(np.arange(len(ids)) % 2, "x", "y"), index=ids)
    found = evaluate(frame, therapy, None, SETTINGS, 3, None, [grouping(ids, group)])
    return frame, ids, group, found


def test_figures_of_a_group_are_scikit_learns_on_its_patients(judged):
    frame, ids, group, found = judged
    (table,) = found["outcomes"]["ge2"]["subgroups"]
    assert (table["variable"], table["label"]) == ("kind", "Kind")
    functions = {"log_loss": log_loss, "brier": brier_score_loss}
    for entry in table["groups"]:
        rows = frame[frame["patient_id"].isin(ids[group == entry["group"]])]
        one = rows[rows["repeat"] == 0]
        assert (entry["n"], entry["events"]) == (len(one), one["observed"].sum())
        for name, function in functions.items():
            expected = [function(r["observed"], r["model"]) for _, r in rows.groupby("repeat")]
            figure = entry["figures"][name]
            assert figure["estimate"] == pytest.approx(np.mean(expected), abs=1e-12)
            assert figure["low"] < figure["estimate"] < figure["high"]
        expected = [auroc_of_folds(r, "model") for _, r in rows.groupby("repeat")]
        ranking = entry["figures"]["auroc"]["estimate"]
        assert ranking == pytest.approx(np.mean(expected), abs=1e-12)
        expected = [r["observed"].sum() / r["model"].sum() for _, r in rows.groupby("repeat")]
        assert entry["figures"]["observed_expected"]["estimate"] == pytest.approx(
            np.mean(expected), rel=1e-12
        )


def test_a_group_whose_risks_are_too_low_shows_it(judged):
    a, b = judged[3]["outcomes"]["ge2"]["subgroups"][0]["groups"]
    assert (
        a["figures"]["calibration_intercept"]["low"]
        < 0
        < (a["figures"]["calibration_intercept"]["high"])
    )
    assert b["figures"]["calibration_intercept"]["low"] > 0.5
    assert b["figures"]["observed_expected"]["low"] > 1.1


def test_an_interval_is_about_as_wide_as_statistical_theory_says(judged):
    """Hanley and McNeil's standard error of an AUROC, times 2 x 1.96."""
    found = judged[3]
    for entry in found["outcomes"]["ge2"]["subgroups"][0]["groups"]:
        auroc, events = entry["figures"]["auroc"]["estimate"], entry["events"]
        others = entry["n"] - events
        q1, q2 = auroc / (2 - auroc), 2 * auroc**2 / (1 + auroc)
        variance = (
            auroc * (1 - auroc) + (events - 1) * (q1 - auroc**2) + (others - 1) * (q2 - auroc**2)
        ) / (events * others)
        width = entry["figures"]["auroc"]["high"] - entry["figures"]["auroc"]["low"]
        assert width == pytest.approx(2 * 1.96 * np.sqrt(variance), rel=0.2)


def test_small_groups_are_hidden_with_what_would_reveal_them():
    frame, ids, _ = drawn()
    first = frame[frame["repeat"] == 0].set_index("patient_id").loc[ids, "observed"].to_numpy()
    group = np.where(np.arange(900) < 300, "a", np.where(np.arange(900) < 600, "b", "c"))
    group = group.astype(object)
    # Nine events in 'tiny', and two groups that are large enough to be shown.
    events = np.flatnonzero(first == 1)[:9]
    group[events] = "tiny"
    group[np.flatnonzero(first == 0)[:61]] = "tiny"
    found = evaluate(frame, None, None, SETTINGS, 3, None, [grouping(ids, group)])
    shown = {e["group"]: e for e in found["outcomes"]["ge2"]["subgroups"][0]["groups"]}
    hidden = [name for name, entry in shown.items() if entry["events"] is None]
    assert "tiny" in hidden
    assert len(hidden) == 2
    for name in hidden:
        assert shown[name]["n"] >= 10
        assert shown[name]["reason"] == "fewer than 10 patients in a cell"
        for figure in shown[name]["figures"].values():
            assert figure["estimate"] is None
    metrics = flat_metrics(found)
    assert not [name for name in metrics if "tiny" in name or f".{hidden[0]}." in name]
    assert [name for name in metrics if name.startswith("ge2.by_kind.c.calibration_slope")]
    assert not [name for name in metrics if name.endswith((".c.n", ".c.events"))]
    json.dumps(found, allow_nan=False)


def test_a_group_of_few_patients_has_no_size_and_one_other_has_none():
    frame, ids, group = drawn()
    group = group.astype(object)
    group[:4] = "few"
    found = evaluate(frame, None, None, SETTINGS, 3, None, [grouping(ids, group)])
    a, b, few = found["outcomes"]["ge2"]["subgroups"][0]["groups"]
    assert (a["n"], b["n"], few["n"]) == (int((group == "a").sum()), None, None)
    assert (b["events"], few["events"]) == (None, None)


def test_groups_below_the_minimum_size_have_counts_but_no_figures():
    frame, ids, _ = drawn()
    group = np.where(np.arange(900) < 40, "small", "large")
    found = evaluate(frame, None, None, SETTINGS, 3, None, [grouping(ids, group)])
    large, small = found["outcomes"]["ge2"]["subgroups"][0]["groups"]
    assert (small["n"], small["reason"]) == (40, "fewer than 50 patients")
    assert small["events"] >= 10
    assert small["figures"]["brier"]["reason"] == "fewer than 50 patients"
    assert "reason" not in large
    few = Evaluation(bootstrap=100, processes=1, subgroups=Subgroups(minimum_events=300))
    found = evaluate(frame, None, None, few, 3, None, [grouping(ids, group)])
    assert found["outcomes"]["ge2"]["subgroups"][0]["groups"][1]["reason"] == (
        "fewer than 50 patients"
    )
    assert "fewer than 300 events" in found["definition"]["subgroups"]


def test_what_is_not_in_the_cohort_is_said(judged):
    assert judged[3]["definition"]["subgroups_not_in_cohort"] == list(SETTINGS.subgroups.by)


def test_risks_constant_in_a_group_rank_nobody_there():
    frame, ids, group = drawn()
    flat = frame["patient_id"].isin(ids[group == "b"])
    frame["model"] = expit(logit(frame["model"]))
    frame.loc[flat, "model"] = 0.4
    found = evaluate(frame, None, None, SETTINGS, 3, None, [grouping(ids, group)])
    _, b = found["outcomes"]["ge2"]["subgroups"][0]["groups"]
    assert b["figures"]["auroc"]["reason"] == "risks are constant within folds"
    assert b["figures"]["brier"]["estimate"] > 0


def of_sites(n=1200, sites=8, sd=0.6):
    """Sites that differ by more than chance, and a group that spans them all."""
    rng = np.random.default_rng(5)
    site = np.arange(n) % sites
    score = rng.normal(-0.3, 1, n)
    observed = (rng.random(n) < expit(score + rng.normal(0, sd, sites)[site])).astype(int)
    ids = np.array([f"p{k:04d}" for k in range(n)])
    folds = rng.permutation(n)[None, :] % 5
    frame = oof_frame(ids, folds, {"ge2": observed}, {"model": expit(score)[None, :, None]})
    return frame.assign(therapy_only=0.4), ids, pd.Series([f"s{k}" for k in site], index=ids)


def test_a_group_that_spans_the_sites_varies_with_them_as_all_patients_do():
    frame, ids, site = of_sites()
    everybody = grouping(ids, np.full(len(ids), "all"))
    part = evaluate(frame, None, site, SETTINGS, 3, None, [everybody])["outcomes"]["ge2"]
    (group,) = part["subgroups"][0]["groups"]
    # A group of all patients is all patients: the same samples, the same interval.
    for name in ("observed_expected", "log_loss", "auroc"):
        assert group["figures"][name] == part["models"]["model"][name]
    alone = evaluate(frame, None, None, SETTINGS, 3, None, [everybody])["outcomes"]["ge2"]
    narrow = alone["subgroups"][0]["groups"][0]["figures"]["observed_expected"]
    wide = group["figures"]["observed_expected"]
    assert wide["high"] - wide["low"] > 2 * (narrow["high"] - narrow["low"])


def test_the_error_of_a_difference_is_that_of_the_sites_means():
    """Sites of one size: the standard error of the mean of their means."""
    frame, ids, site = of_sites()
    found = evaluate(frame, None, site, SETTINGS, 3, None, [grouping(ids, np.full(1200, "all"))])
    difference = found["outcomes"]["ge2"]["subgroups"][0]["groups"][0]["differences"]
    y, p = frame["observed"], frame["model"]
    loss = np.where(y == 1, np.log(0.4 / p), np.log(0.6 / (1 - p)))
    means = pd.Series(loss).groupby(site.loc[frame["patient_id"]].to_numpy()).mean()
    found = difference["therapy_only"]["log_loss"]
    assert found["error"] == pytest.approx(means.std() / np.sqrt(8), rel=0.2)
    assert found["units"] == 8


def test_a_group_of_few_sites_is_resampled_by_patient():
    frame, ids, site = of_sites()
    found = evaluate(frame, None, site, SETTINGS, 3, None, [grouping(ids, site.to_numpy())])
    for entry in found["outcomes"]["ge2"]["subgroups"][0]["groups"]:
        assert entry["differences"]["therapy_only"]["log_loss"]["units"] == entry["n"] == 150


def test_the_difference_from_the_therapy_alone_is_paired_and_its_error_that_of_the_mean():
    frame, ids, group = drawn()
    frame = frame.assign(therapy_only=0.4)
    found = evaluate(frame, None, None, SETTINGS, 3, None, [grouping(ids, group)])
    for entry in found["outcomes"]["ge2"]["subgroups"][0]["groups"]:
        rows = frame[frame["patient_id"].isin(ids[group == entry["group"]])]
        y, p = rows["observed"], rows["model"]
        loss = np.where(y == 1, -np.log(p), -np.log1p(-p)) - np.where(
            y == 1, -np.log(0.4), -np.log(0.6)
        )
        mean = pd.Series(loss).groupby(rows["patient_id"].to_numpy()).mean()
        difference = entry["differences"]["therapy_only"]["log_loss"]
        assert difference["estimate"] == pytest.approx(mean.mean(), abs=1e-12)
        # 200 replicates: a standard deviation of them is known to 5 %.
        assert difference["error"] == pytest.approx(mean.std() / np.sqrt(len(mean)), rel=0.2)
        assert difference["low"] < difference["estimate"] < difference["high"]
