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
def test_no_hidden_count_of_a_table_follows_from_the_total(counts):
    guard = Guard(10, sum(counts))
    shown = guard.table({str(k): n for k, n in enumerate(counts)})
    hidden = [k for k, value in shown.items() if is_suppressed(value)]
    assert all(not 0 < n < 10 for n in shown.values() if not is_suppressed(n))
    # One hidden count among others that are shown would be the total minus the rest.
    others = sum(1 for n in counts if n > 0)
    assert len(hidden) != 1 or others == 1


def test_a_finding_on_few_patients_keeps_its_advice_and_loses_its_count():
    finding = {"check": "undated", "severity": "warning", "column": "ldh", "count": 7,
               "message": "7 values of 'ldh' have no day.", "mend": "Give the days."}  # fmt: skip
    safe = Guard(10, 100).finding(finding)
    assert "7" not in safe["message"]
    assert "'ldh'" in safe["message"]
    assert safe["mend"] == "Give the days."
    assert Guard(5, 100).finding(finding)["message"] == finding["message"]
