"""Differences, ranks and verdicts, by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from pipeline.benchmark.compare import against_the_best, difference, figures, losses, ranks


def test_losses_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    y, risks = rng.integers(0, 2, 50).astype(float), rng.uniform(0.05, 0.95, (2, 50))
    found = losses(y, risks)
    assert found["log_loss"].mean() == pytest.approx(np.mean([log_loss(y, r) for r in risks]))
    assert found["brier"].mean() == pytest.approx(np.mean([brier_score_loss(y, r) for r in risks]))


def test_a_difference_beyond_chance_is_a_win_and_none_is_a_tie():
    rng = np.random.default_rng(2)
    theirs = rng.uniform(0.4, 0.6, 400)
    noise = rng.normal(0, 0.1, 400)
    ahead = difference(theirs - 0.05 + noise, theirs, 500, 0.95, 3)
    assert ahead["verdict"] == "win"
    # The normal interval of a paired mean.
    half = 1.96 * noise.std(ddof=1) / 20
    assert ahead["estimate"] == pytest.approx(-0.05 + noise.mean())
    assert ahead["high"] - ahead["low"] == pytest.approx(2 * half, rel=0.15)
    assert difference(theirs + 0.05, theirs, 500, 0.95, 3)["verdict"] == "loss"
    centred = noise - noise.mean()
    assert difference(theirs + centred, theirs, 500, 0.95, 3)["verdict"] == "tie"


def test_mean_ranks_by_hand():
    table = pd.DataFrame(
        [
            ("a", "y", "ours", 0.1, 0.2), ("a", "y", "x", 0.2, 0.1), ("a", "y", "z", 0.3, 0.3),
            ("b", "y", "ours", 0.1, 0.1), ("b", "y", "x", 0.1, 0.3), ("b", "y", "z", 0.4, 0.2),
            ("b", "y", "only_here", 0.0, 0.0),
        ],
        columns=["table", "outcome", "procedure", "log_loss", "brier"],
    )  # fmt: skip
    found = ranks(table)
    # log-loss: ours 1 and 1.5, x 2 and 1.5, z 3 and 3; Brier: ours 2 and 1, x 1 and 3, z 3 and 2.
    assert found["log_loss"].to_dict() == {"ours": 1.25, "x": 1.75, "z": 3.0}
    assert found["brier"].to_dict() == {"ours": 1.5, "x": 2.0, "z": 2.5}
    assert list(found.index) == ["ours", "x", "z"]


def test_the_best_other_procedure_is_the_one_compared_with():
    def row(name, loss, verdict):
        paired = {"log_loss": {"estimate": 0.0, "verdict": verdict}}
        return {
            "procedure": name,
            "figures": {"log_loss": {"estimate": loss}},
            "ours_minus_theirs": None if name == "ours" else paired,
        }

    rows = [row("ours", 0.3, ""), row("far", 0.5, "win"), row("near", 0.2, "loss")]
    found = against_the_best(rows, "log_loss")
    assert (found["best"], found["verdict"]) == ("near", "loss")


def test_risks_constant_within_folds_have_no_slope():
    y = np.tile([0.0, 1.0], 20)
    folds = np.repeat([0, 1], 20)[None]
    risks = np.where(folds == 0, 0.4, 0.6)
    found = figures(y, risks, folds, 100, 0.95, 1)
    assert found["auroc"]["estimate"] is None
    assert found["calibration_slope"]["estimate"] is None
    assert found["brier"]["estimate"] == pytest.approx(np.mean((risks[0] - y) ** 2))
