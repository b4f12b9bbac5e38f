import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from pipeline.evaluation.classification import (
    classification_figures,
    count_alerts,
    smallest_cell,
    smallest_revealed,
)


def test_figures_by_hand():
    # At 0.3: alerts 0.3, 0.6, 0.9 (2 events of 3); no alert 0.1, 0.2 (1 event of 2).
    observed = np.array([0, 1, 0, 1, 1.0])
    risks = np.array([[0.1, 0.2, 0.3, 0.6, 0.9]])
    found = classification_figures(count_alerts(observed, risks, np.array([0.3]), np.ones((1, 5))))
    assert {name: values[0, 0] for name, values in found.items()} == pytest.approx(
        {"sensitivity": 2 / 3, "specificity": 1 / 2, "ppv": 2 / 3, "npv": 1 / 2,
         "alerts_per_100": 60}
    )  # fmt: skip


def test_counts_equal_scikit_learn_at_every_threshold_whatever_their_order():
    rng = np.random.default_rng(11)
    risks = rng.integers(0, 20, size=(1, 300)) / 20
    observed = (rng.random(300) < risks[0]).astype(float)
    weights = rng.integers(0, 3, size=(2, 300)).astype(float)
    thresholds = np.array([0.5, 0.05, 0.95])
    found = count_alerts(observed, risks, thresholds, weights)
    for b, w in enumerate(weights):
        for k, threshold in enumerate(thresholds):
            tn, fp, fn, tp = confusion_matrix(
                observed, risks[0] >= threshold, sample_weight=w
            ).ravel()
            assert found.true_positives[b, k] == tp
            assert found.false_positives[b, k] == fp
            assert found.events[b, 0] == tp + fn
            assert found.non_events[b, 0] == tn + fp


def test_counts_are_averaged_over_repeats():
    risks = np.array([[0.1, 0.9], [0.9, 0.9]])
    found = count_alerts(np.array([1.0, 0.0]), risks, np.array([0.5]), np.ones((1, 2)))
    assert found.true_positives[0, 0] == 0.5
    assert found.false_positives[0, 0] == 1.0


def test_without_alerts_the_ppv_is_undefined_and_the_rest_is_not():
    found = classification_figures(
        count_alerts(np.array([1.0, 0.0]), np.full((1, 2), 0.2), np.array([0.5]), np.ones((1, 2)))
    )
    assert np.isnan(found["ppv"][0, 0])
    assert found["sensitivity"][0, 0] == 0
    assert found["specificity"][0, 0] == 1


def test_smallest_cell_over_repeats():
    observed = np.array([1] * 20 + [0] * 30)
    risk = np.where(np.arange(50) % 2 == 0, 0.8, 0.2)  # cells 10, 10, 15, 15
    other = np.where(np.arange(50) < 3, 0.8, 0.2)  # 3 events called, no other
    assert smallest_cell(observed, np.stack([risk]), np.array([0.5]))[0] == 10
    assert smallest_cell(observed, np.stack([risk, other]), np.array([0.5]))[0] == 0


def test_thresholds_that_tell_few_patients_apart_are_not_both_shown():
    """Between 0.20 and 0.21 lie 3 patients with the event; between 0.21 and 0.40, 25 and 30."""
    risk = np.repeat([0.1, 0.205, 0.3, 0.5], [100, 3, 55, 100])
    observed = np.concatenate(
        [np.arange(100) < 20, np.ones(3), np.arange(55) < 25, np.arange(100) < 60]
    ).astype(float)
    steps = np.array([0.40, 0.20, 0.21])
    assert smallest_cell(observed, risk[None, :], steps).min() == 20
    found = smallest_revealed(observed, risk[None, :], steps, 10)
    # 0.21 is not shown, so that 0.40 stands beside 0.20: 28 and 30 patients between them.
    assert found.tolist() == [28, 20, 3]
    assert smallest_revealed(observed, risk[None, :], np.array([0.2, 0.2]), 10).tolist() == [20, 20]
