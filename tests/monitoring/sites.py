"""Sites drawn with a known truth."""

import numpy as np

from pipeline.monitoring.closed_test import Site


def expit(x):
    return 1 / (1 + np.exp(-x))


def drawn(rng, n, shift=0.0, rate_weight=1.0, deviation_weight=1.0):
    rate, deviation = rng.normal(-0.5, 0.8, n), rng.normal(0, 0.6, n)
    truth = shift + rate_weight * rate + deviation_weight * deviation
    y = (rng.random(n) < expit(truth)).astype(float)
    return Site(y, rate, deviation, np.arange(n))
