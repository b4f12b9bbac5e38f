"""Only baseline variables become predictors, whatever a config asks for."""

import numpy as np
import pytest

from pipeline.cohort.dictionary import Variable
from pipeline.errors import InputError
from pipeline.features.matrix import build_matrix, score_values, values_of
from tests.features.planned import BASELINE, POST, make_cohort, names, plan_for

# -- smuggling ---------------------------------------------------------------------------


def test_nothing_known_only_later_is_a_predictor():
    plan = plan_for()
    sources = {*plan.sources, *(v.name for v in plan.variables)}
    later = {"peak_crp", "toci", "crs_grade", "icans_grade"}
    assert not sources & later
    assert not sources & {"patient_id", "site", "remark"}
    for name in ("peak_crp", "toci", "site", "remark"):
        assert plan.left_out[name] == "not a baseline predictor by the dictionary"


@pytest.mark.parametrize("name", ["peak_crp", "toci", "crs_grade", "patient_id", "site", "remark"])
def test_asking_for_it_by_name_is_refused(name):
    with pytest.raises(InputError, match=f"'{name}' may not be a predictor") as refusal:
        plan_for(predictors={"include": ["age", name]})
    assert "known before infusion" in str(refusal.value)


def test_an_outcome_that_the_dictionary_calls_baseline_is_refused():
    disguised = Variable(name="crs_grade", label="Grade", role="disease", **BASELINE)
    with pytest.raises(InputError, match="is predicted, but the dictionary does not call it"):
        plan_for(variables=[disguised])


def test_the_dictionary_itself_knows_no_baseline_outcome():
    with pytest.raises(ValueError, match="timing must be post"):
        Variable(name="crs_grade", label="Grade", role="outcome", **BASELINE)


def test_an_outcome_that_is_not_in_the_cohort_is_refused_with_the_nearest_name():
    outcomes = {"any": {"column": "crs_grad", "label": "any"}}
    with pytest.raises(InputError, match=r"'crs_grad' is not in the data dictionary.*'crs_grade'"):
        plan_for(outcomes=outcomes)


def test_scores_read_no_later_value_even_by_code():
    # Peak CRP carries the code of CRP: modified EASIX must not take it.
    plan = plan_for()
    assert {score.name for score in plan.scores} == {"s_easix"}
    assert plan.left_out["m_easix"] == "an input is not in the cohort"


@pytest.mark.parametrize("key", ["therapy", "disease"])
def test_the_prior_cannot_be_set_by_what_is_known_later(key):
    given = Variable(name="given", label="Given", role="treatment", kind="categorical", **POST)
    cohort = make_cohort(given=["alpha", "beta"] * 6)
    with pytest.raises(InputError, match="named by therapy_prior, but its role is treatment and"):
        plan_for(cohort, [given], prior={key: "given"})


def test_later_values_do_not_touch_the_matrix():
    cohort = make_cohort()
    shuffled = cohort.assign(
        peak_crp=0.0, toci=1.0, crs_grade=cohort["crs_grade"][::-1].to_numpy(), icans_grade=0.0
    )
    first, second = plan_for(cohort), plan_for(shuffled)
    assert first == second
    np.testing.assert_array_equal(
        build_matrix(values_of(cohort, first), first),
        build_matrix(values_of(shuffled, second), second),
    )


# -- what the config includes and excludes -----------------------------------------------


def test_included_names_alone_become_predictors():
    plan = plan_for(predictors={"include": ["age", "ldh"], "scores": []}, prior=False)
    assert names(plan) == ["age", "ldh"]
    assert plan.left_out["platelets"] == "not included by the config"


def test_excluded_names_are_left_out_and_their_scores_kept():
    plan = plan_for(predictors={"exclude": ["ldh"]})
    assert "ldh" not in plan.sources
    assert plan.left_out["ldh"] == "excluded by the config"
    assert "s_easix" in plan.sources
    assert "ldh" in [v.name for v in plan.variables]  # the score reads it


def test_excluded_scores_are_left_out():
    plan = plan_for(predictors={"exclude": ["s_easix"]})
    assert "s_easix" not in plan.sources
    assert plan.left_out["s_easix"] == "excluded by the config"


@pytest.mark.parametrize(
    ("predictors", "message"),
    [
        ({"include": ["ldhh"]}, "predictors.include': 'ldhh' is not in the cohort.*'ldh'"),
        ({"exclude": ["platlets"]}, "predictors.exclude': 'platlets' is not.*'platelets'"),
        ({"exclude": ["s_eazix"]}, "predictors.exclude': 's_eazix' is not.*'s_easix'"),
        ({"include": ["s_easix"]}, "'s_easix' is a score.*predictors.scores"),
        ({"scores": ["eassix"]}, "'eassix' is not a score.*'easix'"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(predictors, message):
    with pytest.raises(InputError, match=message):
        plan_for(predictors=predictors)


def test_nothing_left_to_predict_with_is_refused():
    with pytest.raises(InputError, match="no baseline predictor is left"):
        plan_for(predictors={"include": [], "scores": []}, prior=False)


# -- what the cohort holds ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.nan, "no value in the cohort"),
        (61.0, "the same value throughout the cohort"),
        ([61.0] * 11 + [np.nan], "the same value throughout the cohort"),
    ],
)
def test_columns_that_say_nothing_are_left_out_with_the_reason(values, reason):
    plan = plan_for(make_cohort(age=values))
    assert "age" not in plan.sources
    assert plan.left_out["age"] == reason


def test_a_score_that_no_patient_has_is_left_out():
    cohort = make_cohort()
    cohort.loc[::2, "ldh"] = np.nan
    cohort.loc[1::2, "platelets"] = np.nan
    assert plan_for(cohort).left_out["s_easix"] == "no patient has all its inputs"


def test_one_column_for_each_level_that_occurs_in_the_dictionarys_order():
    disease = Variable(
        name="disease", label="Disease", role="disease", kind="categorical",
        levels=["MM", "CLL", "LBCL", "FL"], **BASELINE,
    )  # fmt: skip
    plan = plan_for(variables=[disease])
    found = [c.level for c in plan.columns if c.source == "disease"]
    assert found == ["MM", "LBCL", "FL"]


def test_trends_and_logarithms_come_from_the_dictionary():
    columns = {c.name: c for c in plan_for().columns}
    assert (columns["ldh"].trend, columns["ldh"].log_floor) == (1, 30)
    assert (columns["platelets"].trend, columns["platelets"].log_floor) == (-1, 1)
    assert (columns["bulky"].trend, columns["bulky"].log_floor) == (1, None)
    assert columns["age"].trend == 0
    assert all(c.trend == 0 for c in columns.values() if c.level)


def test_scores_find_foreign_names_by_code_and_convert_their_units():
    # A German laboratory: LDH in ukat/L, platelets per microlitre.
    foreign = [
        Variable(name="laktatdehydrogenase", label="LDH", role="lab", unit="ukat/L",
                 loinc="2532-0", **BASELINE),
        Variable(name="thrombozyten", label="Thrombozyten", role="lab", unit="/uL",
                 loinc="777-3", **BASELINE),
    ]  # fmt: skip
    cohort = make_cohort(laktatdehydrogenase=5.0, thrombozyten=150_000.0)
    cohort.loc[0, "laktatdehydrogenase"] = 10.0
    cohort = cohort.drop(columns=["ldh", "platelets"])
    plan = plan_for(cohort, foreign)
    assert [score.variables for score in plan.scores] == [["laktatdehydrogenase", "thrombozyten"]]
    found = score_values(values_of(cohort, plan), plan)["s_easix"]
    # 1 ukat/L is 60 U/L, by the katal's definition.
    np.testing.assert_allclose(found[:2], [600 / 150, 300 / 150], rtol=1e-9)


def test_a_score_that_the_cohort_brings_is_not_computed_over_it():
    brought = Variable(name="s_easix", label="sEASIX", role="lab", unit="1", **BASELINE)
    cohort = make_cohort(s_easix=np.arange(12.0))
    plan = plan_for(cohort, [brought], prior=False)
    assert names(plan).count("s_easix") == 1
    matrix = build_matrix(values_of(cohort, plan), plan)
    np.testing.assert_array_equal(matrix[:, names(plan).index("s_easix")], np.arange(12.0))


# -- therapies ---------------------------------------------------------------------------


def test_therapies_and_their_attributes_become_sources_where_they_differ():
    plan = plan_for()
    assert {"therapy", "therapy_target", "therapy_costimulation"} <= set(plan.sources)
    assert not {"therapy_modality", "therapy_step_up"} & set(plan.sources)  # one value each
    np.testing.assert_array_equal(
        plan.columns_of("therapy"), [name.startswith("therapy=") for name in names(plan)]
    )


def test_brands_and_spellings_are_one_therapy():
    plan = plan_for(make_cohort(therapy=["alpha", " Brand A ", "BETA"] * 4))
    assert [c.level for c in plan.columns if c.source == "therapy"] == ["alpha", "beta"]


@pytest.mark.parametrize("strange", ["aspirin", None, ""])
def test_a_missing_or_unknown_therapy_is_counted_and_not_quoted(strange):
    cohort = make_cohort()
    cohort.loc[[2, 3, 7], "therapy"] = strange
    with pytest.raises(InputError, match="3 patients have a therapy that is missing or") as refusal:
        plan_for(cohort)
    message = str(refusal.value)
    assert "column 'therapy'" in message
    assert "aspirin" not in message
    assert "P-00" not in message


def test_a_therapy_without_a_rate_beside_others_that_have_one_is_counted():
    # Their offsets would be missing, and every fit with them.
    cohort = make_cohort()
    cohort.loc[[1, 4], "therapy"] = "gamma"
    with pytest.raises(InputError, match="2 patients have a therapy without a published rate"):
        plan_for(cohort)


def test_a_cohort_without_any_rate_starts_from_its_base_rate():
    plan = plan_for(make_cohort(therapy="gamma"))
    assert plan.therapy == "therapy"


def test_a_cohort_without_the_therapys_column_is_refused():
    with pytest.raises(InputError, match="named by therapy_prior, but the cohort has no such"):
        plan_for(make_cohort().drop(columns="therapy"))


def test_without_a_prior_therapy_is_a_category_like_others():
    plan = plan_for(prior=False)
    assert [c.level for c in plan.columns if c.source == "therapy"] == ["alpha", "beta"]
    assert plan.facts is None
    assert plan.therapy is None
    assert plan.grades == [None, None]
    assert not plan.columns_of("therapy").any()


def test_only_outcomes_of_the_graded_column_have_published_rates():
    assert plan_for().grades == [1, None]


def test_a_variable_named_like_an_attribute_does_not_take_its_place():
    own = Variable(
        name="therapy_target", label="Target", role="treatment", kind="categorical", **BASELINE
    )
    plan = plan_for(make_cohort(therapy_target=["x", "y"] * 6), [own])
    assert [c.level for c in plan.columns if c.source == "therapy_target"] == ["BCMA", "CD19"]
    assert "therapy_target" in plan.left_out


def test_column_names_are_unique_and_every_source_has_a_label():
    plan = plan_for()
    assert len(set(names(plan))) == len(plan.columns)
    assert set(plan.sources) <= set(plan.labels)
