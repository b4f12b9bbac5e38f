"""Ticks stand where they say."""

import numpy as np
import pytest

from pipeline.explanation.scales import risk_ticks, value_ticks
from pipeline.explanation.sources import Source


def numeric(values, log=False):
    return Source("x", "X", "", "numeric", log, 0.01, np.array(values, dtype=float))


def logit(risk):
    return np.log(risk / (1 - risk))


@pytest.mark.parametrize(("low", "high"), [(-2.6, -1.6), (-6, 3), (-0.2, 0.3), (4, 8)])
def test_risk_ticks_stand_at_the_log_odds_of_their_risk(low, high):
    places, texts = risk_ticks(low, high)
    assert len(places) >= 2
    assert places == pytest.approx([logit(float(text.rstrip("%")) / 100) for text in texts])
    assert low < min(places)
    assert max(places) < high


@pytest.mark.parametrize(
    "values", [[1, 5000], [90, 110], [0.05, 0.4], [131.2, 147.9, np.nan], [1e-3, 2e5]]
)
@pytest.mark.parametrize("log", [False, True])
def test_value_ticks_stand_at_the_value_they_show(values, log):
    places, texts = value_ticks(numeric(values, log))
    shown = [float(text.replace(",", "")) for text in texts]
    assert len(places) >= 2
    assert (10 ** np.array(places) if log else places) == pytest.approx(shown)


def test_words_have_a_place_each():
    levels = Source("x", "X", "", "categorical", False, 0.0, np.array(["b", None, "a"], object))
    assert value_ticks(levels) == ([0.0, 1.0], ["a", "b"])


def test_without_a_value_there_are_no_ticks():
    assert value_ticks(numeric([np.nan, np.nan])) == ([], [])
