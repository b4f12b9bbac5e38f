import pytest

from pipeline.errors import InputError, did_you_mean


def test_a_message_says_where_what_was_expected_and_how_to_mend():
    error = InputError(
        "3 values are text", file="a.csv", column="CRP", expected="numbers", mend="recode them"
    )
    assert str(error) == (
        "a.csv, column 'CRP': 3 values are text. Expected numbers. To mend: recode them."
    )


def test_absent_parts_leave_no_trace_and_questions_keep_their_mark():
    assert str(InputError("is empty")) == "is empty."
    assert str(InputError("is empty.", file="a.csv")) == "a.csv: is empty."
    assert str(InputError("no 'x'; did you mean 'y'?")) == "no 'x'; did you mean 'y'?"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ferritine", "; did you mean 'ferritin'?"),
        ("CRP", "; did you mean 'crp'?"),  # upper and lower case are the same word
        ("zzz", ""),
        ("", ""),
    ],
)
def test_the_nearest_name_is_suggested_only_if_it_is_near(name, hint):
    assert did_you_mean(name, ["crp", "ferritin", "ldh"]) == hint
