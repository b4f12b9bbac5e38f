from __future__ import annotations

import copy

from pipeline.card.figures import is_unknown
from tests.card.page import Page
from tests.card.small_run import facts_of


def test_tripod_ai_has_its_27_items_in_order(run):
    items = [row["item"] for row in run.facts["standards"]["tripod_ai"]]
    assert items == [str(k) for k in range(1, 28)]


def test_probast_ai_has_its_four_domains(run):
    domains = [row["domain"] for row in run.facts["standards"]["probast_ai"]]
    assert domains == ["Participants and data", "Predictors", "Outcome", "Analysis"]


def test_every_row_points_to_a_place_of_the_card_or_says_why_not(run):
    places = {element.attributes.get("id") for element in Page(run.html).elements}
    for table in run.facts["standards"].values():
        for row in table:
            assert row["section"] in places
            answer = row.get("answer", "answered")
            assert answer == "answered" or (is_unknown(answer) and answer["because"])


def test_fairness_is_not_claimed_without_subgroups(run):
    assert run.facts["standards"]["tripod_ai"][13]["answer"] == "answered"
    evaluation = copy.deepcopy(run.evaluation)
    evaluation["outcomes"]["ge2"]["subgroups"] = []
    fairness = facts_of(run, evaluation=evaluation)["standards"]["tripod_ai"][13]
    assert fairness["topic"] == "Fairness"
    assert is_unknown(fairness["answer"])
