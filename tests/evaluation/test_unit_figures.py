"""Figures of one unit against published formulas and the bootstrap."""

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.metrics import log_loss, roc_auc_score

from pipeline.evaluation.bootstrap import weight_blocks
from pipeline.evaluation.discrimination import concordance_within
from pipeline.evaluation.unit_figures import (
    Measured,
    back,
    concordance,
    measure,
    summarised,
    with_interval,
)


def draw(n, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    margin = rng.normal(-0.5, 1.1, n)
    observed = (rng.random(n) < 1 / (1 + np.exp(-margin))).astype(float)
    return observed, 1 / (1 + np.exp(-(margin + shift))), rng.integers(0, 4, n)


def delong(observed, risk):
    """DeLong's variance, pair by pair, as in the article."""
    events, others = risk[observed == 1], risk[observed == 0]
    pairs = (events[:, None] > others) + 0.5 * (events[:, None] == others)
    return pairs.mean(), np.sqrt(
        pairs.mean(axis=1).var(ddof=1) / len(events) + pairs.mean(axis=0).var(ddof=1) / len(others)
    )


@pytest.mark.parametrize("digits", [1, 8])
def test_concordance_of_one_stratum_is_delongs(digits):
    observed, risk, _ = draw(150)
    risk = risk.round(digits)  # with ties, and without
    found = concordance(observed, risk, np.zeros(150, dtype=int))
    assert found == pytest.approx(delong(observed, risk), rel=1e-9)
    assert found[0] == pytest.approx(roc_auc_score(observed, risk))


def test_concordance_within_strata_agrees_with_the_bootstrap():
    observed, risk, strata = draw(600, seed=2)
    strata[:40] = -1
    estimate, error = concordance(observed, risk, strata)
    drawn = np.concatenate(
        [concordance_within(observed, risk, strata, w) for w in weight_blocks(600, 3000, 1)]
    )
    assert estimate == pytest.approx(drawn[0])
    assert error == pytest.approx(drawn[1:].std(), rel=0.06)


def test_recalibration_and_its_errors_are_those_of_a_logistic_regression():
    observed, risk, _ = draw(300, seed=3, shift=0.7)
    x = np.log(risk / (1 - risk))
    found = measure(observed, risk, None)
    intercept = sm.GLM(observed, np.ones(300), family=sm.families.Binomial(), offset=x).fit()
    slope = sm.GLM(observed, sm.add_constant(x), family=sm.families.Binomial()).fit()
    assert found["calibration_intercept"].value == pytest.approx(intercept.params[0], abs=1e-6)
    assert found["calibration_intercept"].error == pytest.approx(intercept.bse[0], rel=1e-5)
    assert found["calibration_slope"].value == pytest.approx(slope.params[1], abs=1e-6)
    assert found["calibration_slope"].error == pytest.approx(slope.bse[1], rel=1e-5)


def test_observed_over_expected_and_log_loss_by_hand():
    observed, risk = np.array([1.0, 0, 0, 1, 0, 0, 0, 1]), np.full(8, 0.25)
    found = measure(observed, risk, None)
    shown = with_interval(found["observed_expected"], "log", 0.95)
    assert shown["estimate"] == pytest.approx(1.5)  # 3 events, 2 expected
    assert shown["high"] == pytest.approx(1.5 * np.exp(1.959964 * np.sqrt((1 - 3 / 8) / 3)))
    assert back(found["log_loss"].value, "log") == pytest.approx(log_loss(observed, risk))


def test_risks_that_separate_the_classes_or_do_not_vary_have_no_ranking():
    observed = np.repeat([0.0, 1.0], 12)
    separated = measure(observed, np.linspace(0.1, 0.9, 24), None)
    constant = measure(observed, np.full(24, 0.4), None)
    for found in (separated["auroc"], separated["calibration_slope"], constant["calibration_slope"],
                  separated["auroc_within_therapy"]):  # fmt: skip
        assert not found.usable
    shown = with_interval(separated["auroc"], "logit", 0.95)
    assert (shown["estimate"], shown["low"], shown["high"]) == (1, None, None)
    assert shown["reason"].startswith("the risks separate the classes")
    backwards = measure(1 - observed, np.linspace(0.1, 0.9, 24), None)["auroc"]
    assert with_interval(backwards, "logit", 0.95)["estimate"] == 0


@pytest.mark.parametrize(
    ("risk", "strata", "figure", "reason"),
    [
        (np.linspace(0.1, 0.9, 24), None, "auroc_within_therapy", "no therapy is recorded"),
        (np.linspace(0.1, 0.9, 24), np.repeat([0, 1], 12), "auroc_within_therapy",
         "no therapy has patients of both classes"),
        (np.linspace(0.1, 0.9, 24), None, "calibration_slope", "the risks separate the classes"),
        (np.full(24, 0.4), None, "calibration_slope", "the risks do not vary"),
        (np.full(24, 0.4), None, "auroc", "the risks do not vary"),
    ],
)  # fmt: skip
def test_what_keeps_a_figure_from_being_is_told_as_it_is(risk, strata, figure, reason):
    found = measure(np.repeat([0.0, 1.0], 12), risk, strata)[figure]
    assert with_interval(found, "identity", 0.95)["reason"] == reason


def test_a_summary_passes_over_units_without_the_figure_and_says_when_too_few_are_left():
    units = [Measured(0.8, 0.2), Measured(np.nan, np.nan), Measured(1.0, 0.3), Measured(0.9, 0.2)]
    found = summarised(units, "logit", 0.95)
    assert found["units"] == 3
    assert 0 < found["prediction_low"] < found["low"] < found["estimate"] < found["high"] < 1
    few = summarised(units[:3], "logit", 0.95)
    assert few["estimate"] is None
    assert few["reason"] == "2 units have this figure; a summary needs 3"
