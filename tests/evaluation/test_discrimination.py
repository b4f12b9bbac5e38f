import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from pipeline.evaluation.discrimination import (
    average_precision,
    concordance_within,
    within_folds,
)


def cohort(n=300, levels=12, replicates=5, seed=1):
    """Tied risks (few levels), and integer weights with zeros among them."""
    rng = np.random.default_rng(seed)
    risk = rng.integers(1, levels, size=n) / levels
    observed = (rng.random(n) < risk).astype(float)
    return observed, risk, rng.integers(0, 4, size=(replicates, n)).astype(float)


def concordance_by_pairs(observed, risk, strata, weight):
    """Definition, pair by pair."""
    won = pairs = 0.0
    for i in np.flatnonzero(observed == 1):
        for j in np.flatnonzero(observed == 0):
            if strata[i] == strata[j] and strata[i] >= 0:
                w = weight[i] * weight[j]
                pairs += w
                won += w * (1.0 if risk[i] > risk[j] else 0.5 if risk[i] == risk[j] else 0.0)
    return won / pairs if pairs else np.nan


@pytest.mark.parametrize("levels", [3, 12, 100_000])
def test_auroc_and_average_precision_equal_scikit_learn_with_ties_and_weights(levels):
    observed, risk, weights = cohort(levels=levels)
    expected = [roc_auc_score(observed, risk, sample_weight=w) for w in weights]
    one = np.zeros(len(risk), dtype=int)
    assert concordance_within(observed, risk, one, weights) == pytest.approx(expected, abs=1e-12)
    expected = [average_precision_score(observed, risk, sample_weight=w) for w in weights]
    assert average_precision(observed, risk, weights) == pytest.approx(expected, abs=1e-12)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.sampled_from([0.1, 0.2, 0.3]),
            st.integers(-1, 2),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=25,
    )
)
def test_concordance_within_strata_is_the_share_of_pairs(rows):
    observed, risk, strata, weight = (np.array(c) for c in zip(*rows, strict=True))
    found = concordance_within(observed.astype(float), risk, strata, weight[None, :].astype(float))
    expected = concordance_by_pairs(observed, risk, strata, weight)
    assert found[0] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_concordance_within_strata_by_hand():
    # Product A: events 0.4, 0.9; others 0.4, 0.5: pairs 0.5 + 0 + 1 + 1 = 2.5 of 4.
    # Product B: event 0.2, other 0.1: 1 of 1. Together 3.5 of 5.
    observed = np.array([1, 1, 0, 0, 1, 0.0])
    risk = np.array([0.4, 0.9, 0.4, 0.5, 0.2, 0.1])
    strata = np.array([0, 0, 0, 0, 1, 1])
    assert concordance_within(observed, risk, strata, np.ones((1, 6)))[0] == pytest.approx(0.7)


def test_therapy_alone_discriminates_between_but_not_within_therapies():
    rng = np.random.default_rng(2)
    strata = rng.integers(0, 4, size=2000)
    risk = np.array([0.1, 0.3, 0.5, 0.8])[strata]
    observed = (rng.random(2000) < risk).astype(float)
    assert roc_auc_score(observed, risk) > 0.7
    assert concordance_within(observed, risk, strata, np.ones((1, 2000)))[0] == 0.5


def test_uninformative_risks_have_average_precision_equal_to_the_prevalence():
    observed = np.array([1, 0, 0, 0, 1.0])
    assert average_precision(observed, np.full(5, 0.3), np.ones((1, 5)))[0] == pytest.approx(0.4)


def test_one_class_is_undefined_in_that_replicate_only():
    observed, risk = np.array([1.0, 0.0, 0.0]), np.array([0.6, 0.2, 0.7])
    weights = np.array([[1.0, 1.0, 1.0], [0.0, 2.0, 1.0], [3.0, 0.0, 0.0]])
    together = concordance_within(observed, risk, np.zeros(3, dtype=int), weights)
    assert np.isnan(together).tolist() == [False, True, True]
    assert np.isnan(average_precision(observed, risk, weights)).tolist() == [False, True, False]
    strata = np.array([0, 1, 2])
    assert np.isnan(concordance_within(observed, risk, strata, weights)).all()


def test_pairs_of_one_fold_and_stratum():
    fold, strata = np.array([0, 1, 0, 1, 0]), np.array([0, 0, 1, 1, -1])
    codes = within_folds(fold, strata)
    same = (fold[:, None] == fold) & (strata[:, None] == strata) & (strata >= 0)
    np.testing.assert_array_equal((codes[:, None] == codes) & (codes >= 0), same)
    np.testing.assert_array_equal(within_folds(fold), fold)


def test_pairs_of_two_folds_cost_auroc_that_pairs_of_one_do_not():
    """A marker of no use on top of each training part's base rate: it ranks by chance, 0.5."""
    rng = np.random.default_rng(6)
    pooled, within = [], []
    for _ in range(400):
        observed = (rng.random(60) < 0.3).astype(float)
        fold = rng.permutation(60) % 5
        rate = np.array([observed[fold != k].mean() for k in range(5)])[fold]
        risk = rate + 1e-3 * rng.random(60)
        if 0 < observed.sum() < 60:
            one = np.ones((1, 60))
            pooled.append(concordance_within(observed, risk, np.zeros(60, dtype=int), one)[0])
            within.append(concordance_within(observed, risk, within_folds(fold), one)[0])
    assert np.mean(pooled) < 0.45
    assert np.nanmean(within) == pytest.approx(0.5, abs=0.015)
