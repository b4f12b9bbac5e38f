"""Many tests at once, by hand and against SciPy."""

import numpy as np
from scipy.stats import false_discovery_control

from pipeline.monitoring.multiplicity import adjusted, rejected


def test_holm_by_hand():
    # 0.01 <= 0.05/3; 0.02 <= 0.05/2; 0.06 > 0.05.
    assert rejected({"a": 0.02, "b": 0.01, "c": 0.06}, 0.05) == {"a", "b"}
    assert rejected({"a": 0.02, "b": 0.03, "c": 0.04}, 0.05) == set()


def test_adjusted_p_values_are_benjamini_hochberg_s():
    p = np.random.default_rng(2).uniform(0, 0.2, 30)
    np.testing.assert_allclose(adjusted(p), false_discovery_control(p))
