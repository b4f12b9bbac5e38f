from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.cohort.audit.statistics import max_statistic_p, stratified_auroc


def test_auroc_in_one_stratum_is_the_ordinary_auroc_with_ties():
    rng = np.random.default_rng(0)
    score, event = rng.integers(0, 6, 200).astype(float), rng.random(200) < 0.3
    found = stratified_auroc(score, event, np.zeros(200, dtype=int)).estimate
    assert found == pytest.approx(roc_auc_score(event, score), abs=1e-12)


def test_auroc_within_strata_weighs_each_stratum_by_its_pairs():
    rng = np.random.default_rng(1)
    strata = np.repeat([3, 7], [60, 140])
    event = rng.random(200) < np.where(strata == 3, 0.1, 0.9)
    score = rng.normal(size=200) + 5 * (strata == 7)  # the strata alone would score 0.9
    pairs, concordant = 0.0, 0.0
    for stratum in (3, 7):
        rows = strata == stratum
        n = event[rows].sum() * (~event[rows]).sum()
        pairs, concordant = pairs + n, concordant + n * roc_auc_score(event[rows], score[rows])
    found = stratified_auroc(score, event, strata).estimate
    assert found == pytest.approx(concordant / pairs, abs=1e-12)


def test_hanley_and_mcneil_standard_error_of_their_article():
    # Radiology 1982;143:29, table II: 51 abnormal, 58 normal, area 0.893, error 0.032.
    event = np.repeat([True, False], [51, 58])
    auroc = stratified_auroc(np.zeros(109), event, np.zeros(109, dtype=int))
    assert auroc.estimate == 0.5
    assert auroc.standard_error(0.893) == pytest.approx(0.032, abs=0.001)


def test_permutation_p_is_the_share_of_all_orders_at_least_as_extreme():
    left = np.array([1.0, 1, 1, 0, 0, 0, 0]) - 3 / 7
    right = np.array([2.0, 1, 3, 0, 1, -4, -3])

    def extreme(order):
        return abs(np.corrcoef(left, right[list(order)])[0, 1])

    every = np.array([extreme(order) for order in permutations(range(7))])
    exact = np.mean(every >= extreme(range(7)) - 1e-12)
    rng = np.random.default_rng(2)
    _, p = max_statistic_p(left[:, None], right[:, None], 9999, rng)
    assert p[0, 0] == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 9999))


def test_family_wise_error_is_held_over_many_columns():
    rng = np.random.default_rng(3)
    rejected = np.zeros(2)
    for _ in range(200):
        left, right = rng.random((60, 20)) < 0.2, rng.random((60, 2)) < 0.4
        left, right = left - left.mean(axis=0), right - right.mean(axis=0)
        rejected += max_statistic_p(left, right, 199, rng)[1].min(axis=0) <= 0.05
    assert (rejected <= 20).all()  # 10 expected of each; 20 is beyond three standard errors


def test_p_of_one_outcome_does_not_depend_on_how_many_others_are_tested():
    # A leak among many unrelated columns, found with the same p alone or beside other outcomes.
    rng = np.random.default_rng(4)
    left, right = rng.normal(size=(80, 15)), rng.normal(size=(80, 6))
    right[:, 0] += 0.35 * left[:, 3]
    left, right = left - left.mean(axis=0), right - right.mean(axis=0)
    alone = max_statistic_p(left, right[:, :1], 4999, rng)[1][3, 0]
    beside = max_statistic_p(left, right, 4999, rng)[1][3, 0]
    error = np.sqrt(2 * alone * (1 - alone) / 4999)
    assert 0.0005 < alone < 0.2
    assert beside == pytest.approx(alone, abs=4 * error)
