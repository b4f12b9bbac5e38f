import math

import numpy as np
import pytest

from pipeline.evaluation.bootstrap import (
    BLOCK_SIZE,
    around,
    expanded_level,
    summaries,
    summary,
    weight_blocks,
)
from pipeline.evaluation.discrimination import concordance_within
from pipeline.evaluation.overall import weighted_mean


def all_weights(*args, **kwargs):
    return np.concatenate(list(weight_blocks(*args, **kwargs)))


def test_the_first_row_is_the_data_and_each_replicate_has_as_many_patients():
    weights = all_weights(50, 200, seed=1)
    assert weights.shape == (201, 50)
    assert (weights[0] == 1).all()
    assert (weights.sum(axis=1) == 50).all()


def test_weights_are_multinomial():
    # Each count is binomial(50, 1/50): mean 1, variance 1 - 1/50, covariance -1/50.
    weights = all_weights(50, 20_000, seed=2)[1:]
    assert weights.mean() == 1
    assert weights.var(axis=0).mean() == pytest.approx(0.98, rel=0.02)
    assert np.cov(weights[:, 0], weights[:, 1])[0, 1] == pytest.approx(-0.02, abs=0.02)


def test_the_seed_decides_and_blocks_stay_small():
    n = 3000
    assert (all_weights(n, 300, seed=3) == all_weights(n, 300, seed=3)).all()
    assert (all_weights(n, 300, seed=3) != all_weights(n, 300, seed=4)).any()
    assert all(block.size <= BLOCK_SIZE for block in weight_blocks(n, 300, seed=3))


def test_patients_of_a_cluster_are_drawn_together():
    clusters = np.array(["a", "b", "b", "c", "c", "c"])
    weights = all_weights(6, 100, seed=5, clusters=clusters)
    assert (weights[:, 1] == weights[:, 2]).all()
    assert (weights[:, [3]] == weights[:, 3:]).all()
    assert (weights[1:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_clusters_that_differ_widen_the_interval():
    rng = np.random.default_rng(6)
    clusters = np.repeat(np.arange(20), 25)
    values = rng.normal(size=20)[clusters] + rng.normal(size=500)
    by_patient = weighted_mean(values, all_weights(500, 500, seed=1)).std()
    by_cluster = weighted_mean(values, all_weights(500, 500, seed=1, clusters=clusters)).std()
    assert by_cluster == pytest.approx(np.sqrt(1 / 20 + 1 / 500), rel=0.4)
    assert by_cluster > 3 * by_patient


def test_intervals_cover_the_true_auroc_about_as_often_as_they_say():
    # Binormal: AUROC = Phi(1 / sqrt 2) = 0.7602. 200 cohorts of 150; nominal 90 %.
    rng, hits, everyone = np.random.default_rng(7), 0, np.zeros(150, dtype=int)
    for cohort in range(200):
        observed = (np.arange(150) < 50).astype(float)
        risk = rng.normal(observed, 1)
        drawn = np.concatenate(
            [
                concordance_within(observed, risk, everyone, w)
                for w in weight_blocks(150, 200, seed=cohort)
            ]
        )
        found = summary(drawn, 0.90)
        hits += found["low"] <= 0.7602 <= found["high"]
    assert 0.84 <= hits / 200 <= 0.96


def test_interval_ends_are_percentiles_of_the_replicates():
    values = np.concatenate([[7.0], np.arange(1001.0)])
    expected = {"estimate": 7.0, "low": 25.0, "high": 975.0}
    assert summary(values, 0.95) == pytest.approx(expected)


def test_an_undefined_estimate_says_why():
    found = summary(np.full(101, np.nan), 0.95, "one class only")
    assert found == {"estimate": None, "low": None, "high": None, "reason": "one class only"}


@pytest.mark.parametrize(("undefined", "given"), [(5, True), (6, False)])
def test_few_undefined_replicates_are_left_out_and_many_void_the_interval(undefined, given):
    values = np.concatenate([[0.5], np.full(undefined, np.nan), np.linspace(0, 1, 100 - undefined)])
    found = summary(values, 0.9)
    assert found["estimate"] == 0.5
    assert (found["low"] is not None) == given
    if not given:
        assert found["reason"] == "undefined in 6 of 100 bootstrap samples"


def test_a_distance_is_cut_at_zero_and_holds_its_estimate():
    moved = np.linspace(0, 0.1, 101)
    found = around(0.02, moved, 0.95, "")
    assert found == {"estimate": 0.02, "low": 0.0, "high": pytest.approx(0.115)}
    assert around(0.2, moved, 0.95, "")["low"] == pytest.approx(0.105)


def test_a_figure_with_distances_beside_it_gets_its_interval_from_them():
    drawn = {"ici": np.full(102, 0.02), "ici_moved": np.append(0, np.linspace(0, 0.1, 101))}
    found = summaries(drawn, 0.95, {})
    assert list(found) == ["ici"]
    assert found["ici"]["high"] == pytest.approx(0.115)
    drawn["ici_moved"][1:20] = np.nan
    assert summaries(drawn, 0.95, {})["ici"]["reason"] == "undefined in 19 of 101 bootstrap samples"


@pytest.mark.parametrize(("units", "t"), [(5, 2.776), (8, 2.365), (30, 2.045), (1001, 1.962)])
def test_the_expanded_level_by_hand_from_a_table_of_t(units, t):
    reach = math.sqrt(units / (units - 1)) * t
    assert expanded_level(0.95, units) == pytest.approx(math.erf(reach / math.sqrt(2)), abs=2e-4)


def test_intervals_of_eight_sites_cover_about_as_often_as_they_say():
    # A mean with differences between sites, 300 times; percentiles alone cover 87 to 90 %.
    rng, hits, level = np.random.default_rng(8), 0, expanded_level(0.95, 8)
    clusters = np.repeat(np.arange(8), 25)
    for draw in range(300):
        values = rng.normal(size=8)[clusters] + rng.normal(size=200)
        found = summary(weighted_mean(values, all_weights(200, 400, draw, clusters)), level)
        hits += found["low"] <= 0 <= found["high"]
    assert 0.91 <= hits / 300 <= 0.985
