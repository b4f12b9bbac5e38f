"""Harrell's restricted cubic splines against the basis written out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.splines import curved_parts, place_knots


def test_a_basis_worked_by_hand():
    # Knots 0, 1, 2; one curved part: (x)+^3 - 2 (x-1)+^3 + (x-2)+^3, all over 2^2.
    x = np.array([-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
    by_hand = np.array([0, 0, 0.125, 1, 3.375 - 0.25, 8 - 2, 27 - 16 + 1]) / 4
    np.testing.assert_allclose(curved_parts(x, [0, 1, 2])[:, 0], by_hand, atol=1e-15)


def test_unequal_knots_worked_by_hand():
    # Knots 0, 1, 3, 4 at x = 2: (2)^3 and (1)^3, the later knots not yet reached.
    # At x = 4, j = 1: 64 - 1 * (4-0)/(4-3) + 0 = 60;  j = 2: 27 - 1 * (4-1)/(4-3) = 24.
    found = curved_parts(np.array([2.0, 4.0]), [0, 1, 3, 4])
    np.testing.assert_allclose(found, np.array([[8, 1], [60, 24]]) / 16, atol=1e-14)


knots = st.lists(
    st.floats(-100, 100), min_size=3, max_size=5, unique_by=lambda value: round(value)
).map(sorted)


@given(knots)
def test_tails_are_straight(places):
    first, last = places[0], places[-1]
    span = last - first
    beyond = last + span * np.array([0.0, 1.0, 2.0, 3.0])
    second = np.diff(curved_parts(beyond, places), n=2, axis=0)
    np.testing.assert_allclose(second, 0, atol=1e-6 * span)
    np.testing.assert_array_equal(curved_parts(first - np.array([0.0, 1.0, 50.0]), places), 0)


@given(knots)
def test_curves_have_no_kink_at_the_knots(places):
    # Value, slope and curvature agree from both sides: differences vanish with the step.
    step = 1e-4 * (places[-1] - places[0])
    around = np.array(places)[:, None] + step * np.array([-2, -1, 0, 1, 2])
    parts = curved_parts(around.ravel(), places).reshape(len(places), 5, -1)
    left, right = np.diff(parts[:, :3], n=2, axis=1), np.diff(parts[:, 2:], n=2, axis=1)
    scale = np.abs(curved_parts(np.array([places[-1]]), places)).max() + 1
    gaps = np.diff(places).min() / (places[-1] - places[0])
    np.testing.assert_allclose(left, right, atol=1e-9 * scale / gaps)


@pytest.mark.parametrize(
    ("count", "quantiles"),
    [
        (3, [10, 50, 90]),
        (4, [5, 35, 65, 95]),
        (5, [5, 27.5, 50, 72.5, 95]),
    ],
)
def test_knots_stand_at_harrells_quantiles(count, quantiles):
    # Of 0, 1, ..., 1000 the q-th percentile is 10 q.
    x = np.random.default_rng(0).permutation(1001).astype(float)
    np.testing.assert_allclose(place_knots(x, count), np.array(quantiles) * 10)


def test_missing_values_do_not_move_knots():
    x = np.arange(101.0)
    assert place_knots(np.append(x, [np.nan] * 30), 4) == place_knots(x, 4)


@pytest.mark.parametrize(
    "x",
    [
        np.full(100, 7.0),
        np.repeat([0.0, 1.0], 50),
        np.repeat([1.0, 2.0, 3.0], [90, 5, 5]),
        np.arange(9.0),
        np.full(50, np.nan),
        np.array([]),
    ],
    ids=["constant", "two values", "mostly one value", "nine values", "missing", "empty"],
)
def test_too_few_places_for_a_curve_give_no_knots(x):
    assert place_knots(x, 4) == []


def test_no_knots_are_placed_where_none_are_asked_for():
    assert place_knots(np.arange(100.0), 0) == []


@pytest.mark.parametrize("count", [1, 2, 6])
def test_other_counts_are_refused(count):
    with pytest.raises(ValueError, match="expected 0, 3, 4 or 5"):
        place_knots(np.arange(100.0), count)
