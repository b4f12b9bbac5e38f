"""Pictures: the same bytes each time, no identifiers, none where there is nothing to see."""

import io

import numpy as np
import pytest

from pipeline.explanation.contributions import example_rows
from pipeline.explanation.dependence import grouped_dependence
from pipeline.explanation.facts import explanation_facts
from pipeline.explanation.importance import global_importance, leading_sources
from pipeline.explanation.pictures import draw_pictures


def draw_all(explanations, count=3):
    importance = global_importance(explanations, draws=100, level=0.95, seed=1)
    leading = leading_sources(importance, "ge2", count)
    if count > 1:
        leading = [*leading, "bridging", "bulky"]
    groups = grouped_dependence(explanations, "ge2", leading, minimum_cell=10)
    examples = example_rows(explanations, "ge2")
    drawn = draw_pictures(
        explanations, importance, groups, "ge2", leading, examples, lambda *_: None
    )
    facts = explanation_facts(explanations, importance, leading, examples, "ge2", drawn)
    return drawn, facts


@pytest.fixture(scope="module")
def drawn(explanations):
    return draw_all(explanations)


def test_every_picture_the_plan_names_is_drawn(drawn):
    names = [picture.name for picture in drawn[0]]
    assert names[:5] == [
        "importance_ge2", "beeswarm_ge2", "importance_any", "beeswarm_any", "groups_ge2",
    ]  # fmt: skip
    assert names[-3:] == ["waterfall_low", "waterfall_middle", "waterfall_high"]
    assert sum(name.startswith("dependence_") for name in names) == 5


def test_pictures_are_pictures_of_sensible_size(drawn):
    from matplotlib.image import imread

    for picture in drawn[0]:
        height, width = imread(io.BytesIO(picture.png)).shape[:2]
        assert width == 1200, picture.name
        assert 300 < height < 2000, picture.name
        assert picture.svg is None or len(picture.svg) <= 150_000


def test_nothing_is_drawn_beyond_the_edge(drawn):
    from matplotlib.image import imread

    # Clipped text would leave ink on the picture's outermost pixels.
    for picture in drawn[0]:
        image = imread(io.BytesIO(picture.png))[..., :3]
        edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        assert edge.min() > 0.99, picture.name


def test_the_same_numbers_give_the_same_bytes_and_leave_the_generator_alone(drawn, explanations):
    np.random.seed(7)  # noqa: NPY002 (the generator that shap uses)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    again, _ = draw_all(explanations)
    assert [(p.png, p.svg) for p in again] == [(p.png, p.svg) for p in drawn[0]]
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_no_identifier_is_in_a_picture_or_in_the_facts(drawn, explanations):
    pictures, facts = drawn
    words = " ".join(f"{p.title} {p.alt}" for p in pictures) + repr(facts)
    assert not [patient for patient in explanations.patients if patient in words]
    for picture in pictures:
        # matplotlib writes each text as a comment into an SVG.
        svg = (picture.svg or b"").decode()
        assert not [patient for patient in explanations.patients if patient in svg]


def test_waterfalls_say_log_odds_on_the_axis_and_per_cent_in_the_title(drawn):
    for picture in drawn[0]:
        if picture.name.startswith("waterfall"):
            assert "Log-odds of CRS of grade 2 or higher" in picture.svg.decode()
            assert picture.title.startswith("CRS of grade 2 or higher: risk ")
            assert picture.title.endswith("%")


def test_pictures_of_single_patients_are_marked(drawn):
    shared = {p.name.split("_")[0] for p in drawn[0] if not p.patient_level}
    kept = {p.name.split("_")[0] for p in drawn[0] if p.patient_level}
    assert shared == {"importance", "groups"}
    assert kept == {"beeswarm", "dependence", "waterfall"}


def test_facts_name_every_picture_and_its_table(drawn):
    pictures, facts = drawn
    assert [entry["file"] for entry in facts["pictures"]] == [f"{p.name}.png" for p in pictures]
    assert facts["largest_gap"] < 1e-9
    assert facts["outcomes"]["ge2"]["varies"]
    assert facts["importance"][0]["outcome"] == "any"
    assert list(facts["examples"]) == ["low", "middle", "high"]


def test_where_all_risks_are_the_same_there_is_nothing_to_draw(prior_alone):
    pictures, facts = draw_all(prior_alone, count=1)
    assert pictures == []
    assert not facts["outcomes"]["ge2"]["varies"]
    assert facts["importance"] == []
