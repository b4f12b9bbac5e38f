from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.card.figures import is_suppressed
from pipeline.card.suppression import Guard


@pytest.mark.parametrize(
    ("count", "hidden"), [(0, False), (1, True), (9, True), (10, False), (91, True), (100, False)]
)
def test_a_count_is_hidden_where_it_or_its_complement_is_small(count, hidden):
    assert is_suppressed(Guard(10, 100).count(count)) is hidden


@given(st.lists(st.integers(0, 60), min_size=2, max_size=8))
def test_no_small_count_of_a_table_follows_from_the_total(counts):
    guard = Guard(10, sum(counts))
    shown = guard.table({str(k): n for k, n in enumerate(counts)})
    known = [n for n in shown.values() if not is_suppressed(n)]
    assert all(not 0 < n < 10 for n in known)
    # What is hidden together is the total less what is shown.
    rest = sum(counts) - sum(known)
    assert rest == 0 or rest >= 10 or not any(known)
    # Names of small levels are not told; those of others are.
    assert set(shown) - {str(k) for k, n in enumerate(counts) if not 0 < n < 10} <= {OTHERS}


OTHERS = "others (levels of fewer than 10 patients)"


def test_two_single_patients_are_not_given_away_by_the_large_levels():
    shown = Guard(10, 400).table({"A": 250, "B": 148, "Y": 1, "Z": 1})
    assert shown["A"] == 250
    assert is_suppressed(shown["B"])  # else 400 - 250 - 148 = 2 tells that either is one patient
    assert is_suppressed(shown[OTHERS])
    assert set(shown) == {"A", "B", OTHERS}


def test_small_levels_that_are_many_together_are_counted_together():
    shown = Guard(10, 100).table({"A": 80, **{f"site {k}": 5 for k in range(4)}})
    assert shown == {"A": 80, OTHERS: 20}


def test_yes_and_no_keep_their_names():
    shown = Guard(10, 100).table({"no": 95, "yes": 5})
    assert all(is_suppressed(shown[name]) for name in ("no", "yes"))


def test_a_finding_on_few_patients_keeps_its_advice_and_loses_its_count():
    finding = {"check": "undated", "severity": "warning", "column": "ldh", "count": 7,
               "message": "7 values of 'ldh' have no day.", "mend": "Give the days."}  # fmt: skip
    safe = Guard(10, 100).finding(finding)
    assert "7" not in safe["message"]
    assert "'ldh'" in safe["message"]
    assert safe["mend"] == "Give the days."
    assert Guard(5, 100).finding(finding)["message"] == finding["message"]
