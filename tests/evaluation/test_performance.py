"""Where risks rank nobody there is no AUROC, and no difference of one."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.oof import oof_frame
from tests.evaluation.marked import SETTINGS, cohort


def frame_rate(frame):
    return frame.loc[frame["outcome"] == "any", "observed"].mean()


def test_risks_that_are_constant_within_folds_rank_nobody():
    # The base rate of each training fold: pooled, it would seem to rank backwards.
    frame, therapy, truth = cohort(n=100)
    in_fold = frame.groupby(["outcome", "repeat", "fold"])["observed"].transform("sum")
    events = frame.groupby(["outcome", "repeat"])["observed"].transform("sum")
    frame["model"] = (events - in_fold + 0.5) / 81
    rows = frame[(frame["outcome"] == "any") & (frame["repeat"] == 0)]
    assert roc_auc_score(rows["observed"], rows["model"]) < 0.5
    found = evaluate(frame, therapy, None, SETTINGS, seed=1, truth=truth)["outcomes"]["any"]
    for name in ("auroc", "auroc_within_therapy", "auprc", "calibration_slope"):
        assert found["models"]["model"][name]["reason"] == "risks are constant within folds"
        assert found["models"]["therapy_only"][name]["estimate"] is not None
    difference = found["differences"]["therapy_only"]
    assert difference["auroc"]["reason"] == "risks are constant within folds"
    assert difference["log_loss"]["estimate"] > 0
    assert found["models"]["model"]["calibration_intercept"]["estimate"] is not None
    json.dumps(found, allow_nan=False)


def prior_alone(n=40, seed=0):
    """Three therapies' published rates, moved in the large by what each training fold holds."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"p{k:03d}" for k in range(n)])
    therapy = np.arange(n) % 3
    published = np.array([-1.0, 0.0, 0.8])[therapy]
    observed = (rng.random(n) < expit(published)).astype(int)
    folds = np.stack([rng.permutation(n) % 5 for _ in range(4)])
    risks = np.empty((4, n, 1))
    for repeat, fold in enumerate(folds):
        for k in range(5):
            rest = fold != k
            shift = 2 * (observed[rest].mean() - expit(published[rest]).mean())
            risks[repeat, ~rest, 0] = expit(published[~rest] + shift)
    marker = expit(published + observed + rng.normal(size=n))[None, :, None].repeat(4, axis=0)
    frame = oof_frame(
        ids, folds, {"ge2": observed}, {"model": risks, "therapy_only": risks, "easix": marker}
    )
    return frame, pd.Series([f"t{k}" for k in therapy], index=ids)


def test_a_prior_alone_ranks_nobody_within_therapies():
    frame, therapy = prior_alone()
    reason = "risks are constant within therapy and fold"
    # Left to itself the pooled concordance within therapies is backwards, not a half.
    one = frame[frame["repeat"] == 0].assign(therapy=lambda f: f["patient_id"].map(therapy))
    within = [roc_auc_score(r["observed"], r["model"]) for _, r in one.groupby("therapy")]
    assert np.mean(within) < 0.45
    found = evaluate(frame, therapy, None, SETTINGS, seed=1)["outcomes"]["ge2"]
    for name in ("model", "therapy_only"):
        assert found["models"][name]["auroc_within_therapy"]["estimate"] is None
        assert found["models"][name]["auroc_within_therapy"]["reason"] == reason
        assert found["models"][name]["auroc"]["estimate"] is not None
    assert found["models"]["easix"]["auroc_within_therapy"]["estimate"] > 0.5
    for difference in found["differences"].values():
        assert difference["auroc_within_therapy"]["estimate"] is None
        assert difference["auroc_within_therapy"]["reason"] == reason
        assert difference["log_loss"]["estimate"] is not None
    json.dumps(found, allow_nan=False)


def test_a_difference_is_undefined_where_either_side_ranks_nobody():
    frame, therapy = prior_alone()
    fitted = frame.assign(model=frame["easix"])
    found = evaluate(fitted, therapy, None, SETTINGS, seed=1)["outcomes"]["ge2"]
    assert found["models"]["model"]["auroc_within_therapy"]["estimate"] > 0.5
    against = found["differences"]["therapy_only"]["auroc_within_therapy"]
    assert against["reason"] == "risks are constant within therapy and fold"
    assert found["differences"]["easix"]["auroc_within_therapy"]["estimate"] == 0


def test_rates_that_differ_by_disease_within_a_therapy_are_ranked():
    frame, therapy = prior_alone()
    by_disease = frame["patient_id"].str[-1].astype(int) % 2
    frame["therapy_only"] = expit(np.log(frame["model"] / (1 - frame["model"])) + by_disease)
    found = evaluate(frame, therapy, None, SETTINGS, seed=1)["outcomes"]["ge2"]["models"]
    assert found["therapy_only"]["auroc_within_therapy"]["estimate"] is not None
    assert found["model"]["auroc_within_therapy"]["estimate"] is None


def test_constant_and_extreme_risks():
    frame, therapy, _ = cohort(n=100)
    frame["model"] = 0.4
    frame["therapy_only"] = frame["observed"].astype(float)  # exactly 0 and 1
    found = evaluate(frame, therapy, None, SETTINGS, seed=1)["outcomes"]["any"]
    constant, perfect = found["models"]["model"], found["models"]["therapy_only"]
    assert "constant" in constant["auroc"]["reason"]
    assert constant["ici"]["estimate"] == pytest.approx(abs(frame_rate(frame) - 0.4), abs=1e-6)
    assert found["clipped"] == 100
    assert perfect["auroc"]["estimate"] == 1
    assert perfect["log_loss"]["estimate"] == pytest.approx(1e-6, rel=0.01)
    assert "separate" in perfect["calibration_slope"]["reason"]
    json.dumps(found, allow_nan=False)
