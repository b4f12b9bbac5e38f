"""Whether terms tell what the model does not, on drawn data."""

import numpy as np
import pytest
from scipy.stats import binomtest

from pipeline.monitoring.changes import changed_effects
from pipeline.monitoring.closed_test import Site
from tests.monitoring.sites import drawn, expit


def test_score_test_of_changed_effects_keeps_its_level_with_rare_terms():
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(300):
        site = drawn(rng, 300)
        terms = (rng.random((300, 3)) < [0.5, 0.15, 0.12]).astype(float)
        p, _ = changed_effects(site, terms, ["a", "b", "c"], np.zeros(3), 1.0)
        alarms += p <= 0.05
    assert binomtest(alarms, 300, 0.05).pvalue > 0.01 or alarms < 15


def test_a_changed_effect_is_found_and_named():
    rng = np.random.default_rng(8)
    n = 1500
    site = drawn(rng, n)
    terms = rng.normal(size=(n, 2))
    risk = expit(site.offset + 0.9 * terms[:, 1])
    changed = Site((rng.random(n) < risk).astype(float), site.rate, site.deviation, site.rows)
    p, effects = changed_effects(changed, terms, ["a", "b"], np.full(2, 0.01), 1.0)
    assert p < 1e-6
    assert effects["b"] == pytest.approx(0.9, abs=0.25)
    assert abs(effects["a"]) < 0.25
