from __future__ import annotations

import pytest

from pipeline.card.figures import cell_words, figure, number, percent, with_interval, words


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.6949, 2, "0.69"),
        (-0.0314, 2, "−0.03"),
        (-0.0004, 2, "0.00"),
        (22307, 0, "22,307"),
        (1.005, 1, "1.0"),
    ],
)
def test_numbers_have_fixed_decimals_a_true_minus_and_no_negative_zero(value, digits, text):
    assert number(value, digits) == text


def test_a_figure_is_written_with_its_interval():
    found = figure({"estimate": 0.694, "low": 0.667, "high": 0.7231})
    assert with_interval(found, 2) == "0.69 (0.67 to 0.72)"


def test_a_figure_without_interval_says_why():
    found = figure({"estimate": 1.2, "low": None, "high": None, "reason": "3 of 100 undefined"})
    assert with_interval(found, 1) == "1.2 (interval not assessed: 3 of 100 undefined)"


@pytest.mark.parametrize("found", [None, {"estimate": None, "reason": "one class only"}])
def test_what_is_missing_is_not_assessed_for_a_reason(found):
    text = with_interval(figure(found), 2)
    assert text.startswith("not assessed, because ")
    assert text.endswith("one class only" if found else "not in evaluation.json")


def test_words_for_counts_truth_and_the_hidden():
    hidden = {"status": "suppressed", "because": "a cell holds fewer than 10 patients"}
    assert words(2000) == "2,000"
    assert words(True) == "yes"
    assert words(hidden) == "not shown: a cell holds fewer than 10 patients"
    assert cell_words(hidden) == "not shown"
    assert percent(0.304) == "30.4%"
