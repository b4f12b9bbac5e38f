"""No group may be worse off than by its therapy alone; one that gains nothing is named."""

import numpy as np
import pytest
from scipy.stats import norm

from pipeline.config import Gate
from pipeline.evaluation.gate import judge
from pipeline.evaluation.served_groups import Compared, compared, without_gain, worse

CLEAN = {"findings": []}


def difference(estimate, error):
    return {"estimate": estimate, "low": estimate - 1.96 * error, "high": estimate + 1.96 * error,
            "error": error}  # fmt: skip


def group(name, estimate, error, n=400):
    return {"group": name, "n": n, "events": 100, "figures": {},
            "differences": {"therapy_only": {"log_loss": difference(estimate, error)}}}  # fmt: skip


def small(name):
    return {"group": name, "n": 30, "events": 12, "figures": {}, "reason": "too few"}


def evaluation(*groups, overall=-0.03):
    figure = {"estimate": 1.0, "low": 0.9, "high": 1.1}
    return {
        "definition": {"interval_level": 0.95},
        "outcomes": {
            "ge2": {
                "n": 2000,
                "events": 600,
                "models": {
                    "model": {
                        "calibration_slope": figure,
                        "calibration_intercept": {**figure, "estimate": 0.0},
                    }
                },
                "differences": {"therapy_only": {"log_loss": difference(overall, 0.005)}},
                "subgroups": [
                    {"variable": "therapy_modality", "label": "Therapy: modality",
                     "groups": list(groups)}
                ],
            }
        },
    }  # fmt: skip


def run(*groups, **settings):
    return judge(Gate(**settings), evaluation(*groups), CLEAN, "ge2", {})


def reason(found):
    (one,) = [r for r in found["reasons"] if r["criterion"] == "subgroups"]
    return one


def test_a_group_that_gains_passes_without_a_word():
    found = run(group("car_t", -0.04, 0.008), group("t_cell_engager", -0.02, 0.008))
    assert found["passed"]
    assert found["warnings"] == []
    assert "In none of 2 groups" in reason(found)["sentence"]


def test_a_group_that_is_worse_beyond_doubt_refuses_however_well_the_others_do():
    found = run(group("car_t", -0.06, 0.008), group("t_cell_engager", 0.03, 0.008))
    assert not found["passed"]
    assert reason(found)["found"] == 1
    assert (
        "Worse than the therapy-only model beyond doubt in ge2: T-cell engagers (400 patients"
        in (found["verdict"])
    )


def test_a_group_that_shows_no_gain_where_it_could_is_a_warning_and_no_refusal():
    found = run(group("car_t", -0.05, 0.008), group("t_cell_engager", 0.001, 0.005))
    assert found["passed"]
    (warning,) = found["warnings"]
    assert (warning["outcome"], warning["group"]) == ("ge2", "T-cell engagers")
    assert warning["sentence"] in found["verdict"]
    assert (
        "not shown to add to the therapy alone in T-cell engagers (400 patients"
        in (warning["sentence"])
    )


def test_a_small_group_is_not_blamed_for_its_size():
    # 1.960 errors for the interval and 1.645 for the power, against the whole gain of 0.03.
    assert run(group("car_t", -0.01, 0.0302 / 3.6048))["warnings"] == []
    assert run(group("car_t", -0.01, 0.0299 / 3.6048))["warnings"]


def test_groups_without_figures_are_left_alone():
    found = run(small("til"))
    assert found["passed"]
    assert "large enough" in reason(found)["sentence"]
    assert compared(evaluation(small("til"))["outcomes"]) == []


def test_where_nobody_was_grouped_the_gate_says_so_and_not_that_groups_are_small():
    undivided = evaluation()
    for part in undivided["outcomes"].values():
        part["subgroups"] = []
    assert (
        reason(judge(Gate(), undivided, CLEAN, "ge2", {}))["sentence"]
        == "Groups of patients were not looked at."
    )


def test_where_the_model_gains_nothing_at_all_no_group_stands_out():
    groups = compared(evaluation(group("car_t", 0.001, 0.005))["outcomes"])
    outcomes = evaluation(overall=0.001)["outcomes"]
    assert without_gain(groups, outcomes, 0.95, 0.8) == []


def test_the_comparison_can_be_left_out_with_that_of_all_patients():
    found = run(group("t_cell_engager", 0.03, 0.008), better_than_therapy_only=False)
    assert found["passed"]
    assert not [r for r in found["reasons"] if r["criterion"] == "subgroups"]


@pytest.mark.parametrize("groups", [1, 20])
def test_a_model_level_with_the_therapy_is_refused_about_as_rarely_as_stated(groups):
    rng = np.random.default_rng(groups)
    refused = 0
    for _ in range(2000):
        drawn = [
            Compared("ge2", str(k), 100, difference(z, 1.0))
            for k, z in enumerate(rng.normal(size=groups))
        ]
        refused += bool(worse(drawn, 0.05))
    # 5 % less a little for independent groups: 1 - (1 - 0.05 / k) ** k.
    expected = 1 - (1 - 0.05 / groups) ** groups
    assert refused / 2000 == pytest.approx(expected, abs=0.015)


def test_a_single_group_is_judged_at_the_one_sided_level():
    limit = norm.ppf(0.95)
    for estimate, refused in ((limit - 0.01, False), (limit + 0.01, True)):
        found = worse([Compared("ge2", "a", 100, difference(estimate, 1.0))], 0.05)
        assert bool(found) == refused


def test_a_difference_that_rests_on_five_sites_must_be_larger_than_one_on_many_patients():
    """The one-sided 5 % points of t with 4 degrees of freedom and of the normal: 2.13 and 1.64."""
    on_sites = difference(2.0, 1.0) | {"units": 5}
    assert worse([Compared("ge2", "a", 100, difference(2.0, 1.0))], 0.05)
    assert not worse([Compared("ge2", "a", 100, on_sites)], 0.05)
    assert worse([Compared("ge2", "a", 100, on_sites | {"estimate": 2.14})], 0.05)
