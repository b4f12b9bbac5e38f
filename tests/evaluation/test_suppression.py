from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluation.suppression import hidden_groups, in_whole_patients


@pytest.mark.parametrize(
    ("n", "events", "hidden"),
    [
        # Nothing is small.
        ([100, 100, 100], [20, 30, 40], [False, False, False]),
        # One small group follows from the total: the next smallest joins it.
        ([100, 100, 100], [5, 30, 40], [True, True, False]),
        # Patients without the event are a cell too.
        ([100, 100, 100], [50, 40, 95], [False, True, True]),
        # Two small groups hold 9 events together, which their total would tell.
        ([100, 100, 100], [4, 5, 40], [True, True, True]),
        ([100, 100, 100, 100], [4, 5, 40, 30], [True, True, False, True]),
        # Two small groups of 15 together hide each other.
        ([100, 100, 100], [7, 8, 40], [True, True, False]),
        # None at all tells each patient's outcome.
        ([100, 100, 100], [0, 30, 40], [True, True, False]),
    ],
)
def test_one_outcome(n, events, hidden):
    assert hidden_groups(np.array(n), np.array([events]), 10)[0].tolist() == hidden


def test_a_small_grade_between_two_outcomes_hides_the_rarer_one():
    n = np.array([200, 200, 200])
    common, rare = [100, 100, 100], [96, 50, 60]  # 4 patients of exactly the lower grade
    hidden = hidden_groups(n, np.array([rare, common]), 10)
    assert hidden.tolist() == [[True, True, False], [False, False, False]]


def consistent(groups, shown, total, cells):
    """Every way to fill the hidden cells so that all that is shown holds."""
    hidden = [g for g in range(groups) if not shown[g]]
    rest = total - sum(cells[g] for g in range(groups) if shown[g])
    return [w for w in product(range(rest + 1), repeat=len(hidden)) if sum(w) == rest]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=4))
def test_no_hidden_cell_can_be_worked_out(cells):
    """With a minimum of 3: a hidden number of events could always be 3 or more, or another."""
    events, others = (np.array(x) for x in zip(*cells, strict=True))
    n, minimum = events + others, 3
    hidden = hidden_groups(n, events[None, :], minimum)[0]
    assert (hidden | (np.minimum(events, others) >= minimum)).all()
    if not hidden.any() or hidden.all():
        return  # hidden as a whole, nothing but the total is known
    ways = consistent(len(n), ~hidden, int(events.sum()), events.tolist())
    for place in range(hidden.sum()):
        assert len({way[place] for way in ways}) > 1
    assert events[hidden].sum() >= minimum
    assert others[hidden].sum() >= minimum


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 60), st.integers(0, 9), st.integers(0, 9))
def test_net_benefit_does_not_tell_how_few_were_alerted(per_cent, true, false):
    """Solved for whole numbers of alerts, as a reader could: every small number stays possible."""
    n, odds = 2000, per_cent / (100 - per_cent)
    given_out = in_whole_patients(np.array([(true - false * odds) / n]), n)[0]
    counts = np.arange(n)
    benefit = np.subtract.outer(counts, counts * odds)
    agree = np.abs(benefit - given_out * n) <= 0.5 + 1e-9
    # With a harm below 1 each number of true alerts goes with some number of false ones, from the
    # least on that leaves no benefit to explain; above 1 each number of false ones does.
    if odds <= 1:
        least = max(int(np.ceil(given_out * n)), 0)
        assert agree[least : least + 10].any(axis=1).all()
    else:
        least = max(int(np.ceil(-given_out * n / odds)), 0)
        assert agree[:, least : least + 10].any(axis=0).all()
