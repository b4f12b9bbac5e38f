"""A plan keeps what it was made of, and loses only what is dropped."""

from pipeline.features.plan import FeaturePlan
from tests.features.planned import plan_for


def test_a_plan_is_plain_text_and_reads_back_equal():
    plan = plan_for()
    assert FeaturePlan.model_validate_json(plan.model_dump_json()) == plan


def test_what_is_dropped_takes_its_scores_along_and_says_why():
    plan = plan_for()
    scores = {s.name: s.variables for s in plan.scores}
    assert scores["s_easix"] == ["ldh", "platelets"]
    less = plan.without({"ldh": "at fault"})
    assert not {"ldh", "s_easix"} & set(less.sources)
    assert set(less.sources) == set(plan.sources) - {"ldh"} - {
        name for name, variables in scores.items() if "ldh" in variables
    }
    assert "ldh" not in {v.name for v in less.variables}
    assert less.left_out["ldh"] == "at fault"
    assert less.left_out["s_easix"].startswith("computed from ")
    assert plan.without({}) == plan


def test_a_plan_of_faults_alone_has_no_column_left():
    plan = plan_for(prior=False)
    less = plan.without(dict.fromkeys(plan.sources, "at fault"))
    assert (less.columns, less.variables, less.scores) == ([], [], [])
    assert set(less.left_out) >= set(plan.sources)
