"""Words for people: no name of a program, units as people write them, risks as the page shows."""

import pytest

from pipeline.serving.http.words import Words, percent


@pytest.mark.parametrize(
    ("risk", "shown"),
    [
        (0.0, "0.0%"), (0.0004, "<0.1%"), (0.004, "0.4%"), (0.0796, "8.0%"), (0.0994, "9.9%"),
        (0.0996, "10%"), (0.413, "41%"), (0.985, "98%"), (0.995, "99.5%"), (0.9996, ">99.9%"),
        (1.0, "100.0%"),
    ],
)  # fmt: skip
def test_a_risk_has_the_digits_that_matter(risk, shown):
    assert percent(risk) == shown


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"crp": 9e3}, "C-reactive protein is outside 0 to 700 mg/L; is its unit right?"),
        ({"platelets": 9e6}, "Platelets is outside 1 to 2000 10⁹/L; is its unit right?"),
        ({}, None),
    ],
)
def test_the_scorers_sentences_are_told_in_labels(scorer, record, expected):
    words = Words(scorer.artifact)
    (answer,) = scorer.score([{"therapy": "axi-cel", "disease": "LBCL", **record}])
    said = [words.sentence(text) for text in (*answer["because"], *answer["warnings"])]
    assert not any("'" in text for text in said)
    assert expected is None or expected in said


def test_outcomes_are_told_by_their_labels(scorer):
    words = Words(scorer.artifact)
    text = "ge2: capped by the risk of any, whose reasons apply"
    assert words.sentence(text) == (
        "CRS of grade 2 or higher: capped by the risk of CRS of any grade, whose reasons apply"
    )
    # "any" is also a word.
    plain = "training saw no patient of any therapy: its rate is the starting point"
    assert words.sentence(plain) == plain
