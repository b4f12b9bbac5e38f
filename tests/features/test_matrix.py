"""The matrix depends on a patient's values, not on how the table that holds them is made."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.cohort.dictionary import Dictionary, Variable
from pipeline.cohort.therapies import read_therapies
from pipeline.config import TherapyPrior
from pipeline.features.matrix import build_matrix, prior_log_odds, score_values, values_of
from pipeline.features.plan import Column, FeaturePlan, ScorePlan
from pipeline.features.therapy import therapy_facts

DATA = Path(__file__).parents[2] / "data"
BASELINE = {"timing": "baseline"}
VARIABLES = Dictionary(
    [
        Variable(name="ldh", label="LDH", role="lab", unit="U/L", **BASELINE),
        Variable(name="platelets", label="Platelets", role="lab", unit="10*9/L", **BASELINE),
        Variable(name="age", label="Age", role="patient", unit="a", **BASELINE),
        Variable(name="bulky", label="Bulky", role="disease", kind="binary", **BASELINE),
        Variable(name="disease", label="Disease", role="disease", kind="categorical",
                 levels=["LBCL", "MM"], **BASELINE),
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def plan():
    facts = therapy_facts(
        read_therapies(DATA / "therapies.csv"), TherapyPrior(table="therapies.csv")
    )
    return FeaturePlan(
        variables=list(VARIABLES),
        scores=[ScorePlan(name="s_easix", variables=["ldh", "platelets"], factors=[1.0, 1.0])],
        columns=[
            Column(name="ldh", source="ldh", log_floor=30),
            Column(name="age", source="age"),
            Column(name="bulky", source="bulky"),
            Column(name="disease=LBCL", source="disease", level="LBCL"),
            Column(name="disease=MM", source="disease", level="MM"),
            Column(name="s_easix", source="s_easix", log_floor=0.01),
            Column(name="therapy_target=CD19", source="therapy_target", level="CD19"),
        ],
        labels={},
        therapy="therapy",
        disease="disease",
        facts=facts,
        grades=[1, None, 3],
        left_out={},
    )


@pytest.fixture
def patients():
    return pd.DataFrame(
        {
            "ldh": [250.0, np.nan, 12.0, 800.0],
            "platelets": [100.0, 50.0, 0.0, np.nan],
            "age": [60.0, 71.0, np.nan, 18.0],
            "bulky": [1.0, 0.0, np.nan, 1.0],
            "disease": ["LBCL", "MM", None, "sarcoidosis"],
            "therapy": ["Yescarta", "abecma", "Yescarta", None],
        }
    )


def matrix_of(frame, plan):
    return build_matrix(values_of(frame, plan), plan)


def test_a_matrix_worked_by_hand(patients, plan):
    nan = np.nan
    expected = [
        [np.log(250), 60, 1, 1, 0, np.log(2.5), 1],
        [nan, 71, 0, 0, 1, nan, 0],
        # LDH of 12 is floored at 30; a platelet count of 0 counts as 1 in the score.
        [np.log(30), nan, nan, nan, nan, np.log(12), 1],
        # A level that the plan does not know is none of those it knows; a therapy that is
        # missing has no target.
        [np.log(800), 18, 1, 0, 0, nan, nan],
    ]
    np.testing.assert_allclose(matrix_of(patients, plan), expected, rtol=1e-12)


def test_one_row_is_the_same_row_of_a_batch(patients, plan):
    together = matrix_of(patients, plan)
    for row in range(len(patients)):
        np.testing.assert_array_equal(matrix_of(patients.iloc[[row]], plan)[0], together[row])


def as_objects(frame):
    return frame.astype(object).where(frame.notna(), None)


def as_nullable(frame):
    return frame.convert_dtypes()


def as_categories(frame):
    return frame.assign(disease=pd.Categorical(frame["disease"]))


def reindexed(frame):
    return frame.set_axis(["d", "a", "c", "b"], axis=0)


def reordered(frame):
    return frame[frame.columns[::-1]]


def with_more(frame):
    return frame.assign(crs_grade=3.0, favourite_colour="blue", ldh_2=1e9)


def as_text_numbers(frame):
    return frame.assign(age=frame["age"].map(lambda v: None if np.isnan(v) else str(v)))


def as_single_precision(frame):
    return frame.assign(age=frame["age"].astype("float32"))


@pytest.mark.parametrize(
    "remake",
    [as_objects, as_nullable, as_categories, reindexed, reordered, with_more, as_text_numbers,
     as_single_precision],
)  # fmt: skip
def test_how_the_table_is_made_does_not_matter(patients, plan, remake):
    expected = matrix_of(patients, plan)
    before = patients.copy()
    np.testing.assert_array_equal(matrix_of(remake(patients), plan), expected)
    pd.testing.assert_frame_equal(patients, before)  # and it is not changed


def test_whole_numbers_and_truth_values_are_numbers(plan):
    floats = pd.DataFrame(
        {"ldh": [250.0, 300.0], "platelets": [100.0, 90.0], "age": [60.0, 61.0],
         "bulky": [1.0, 0.0], "disease": ["MM", "MM"], "therapy": ["Abecma", "Abecma"]}
    )  # fmt: skip
    whole = floats.assign(
        ldh=[250, 300], platelets=[100, 90], age=pd.array([60, 61], "Int64"), bulky=[True, False]
    )
    np.testing.assert_array_equal(matrix_of(whole, plan), matrix_of(floats, plan))


def test_an_absent_column_is_missing_throughout(patients, plan):
    absent = matrix_of(patients.drop(columns=["age", "disease", "platelets"]), plan)
    np.testing.assert_array_equal(np.isnan(absent[:, [1, 3, 4, 5]]), True)
    np.testing.assert_array_equal(absent[:, 0], matrix_of(patients, plan)[:, 0])


def test_no_patients_give_an_empty_matrix(patients, plan):
    assert matrix_of(patients.head(0), plan).shape == (0, 7)
    log_odds, sd = prior_log_odds(values_of(patients.head(0), plan), plan)
    assert log_odds.shape == sd.shape == (0, 3)


def test_factors_bring_inputs_to_the_units_of_the_formula(patients, plan):
    kilo = plan.model_copy(
        update={
            "scores": [ScorePlan(name="s_easix", variables=["ldh", "platelets"],
                                 factors=[60.0, 0.001])]
        }
    )  # fmt: skip
    katal = patients.assign(ldh=patients["ldh"] / 60, platelets=patients["platelets"] * 1000)
    np.testing.assert_allclose(
        score_values(values_of(katal, kilo), kilo)["s_easix"],
        score_values(values_of(patients, plan), plan)["s_easix"],
    )


def test_prior_is_published_missing_or_absent_by_outcome(patients, plan):
    log_odds, sd = prior_log_odds(values_of(patients, plan), plan)
    for column, grade in ((0, 1), (2, 3)):
        for row, (therapy, disease) in enumerate(
            [("axicabtagene ciloleucel", "LBCL"), ("idecabtagene vicleucel", "MM"),
             ("axicabtagene ciloleucel", None)]
        ):  # fmt: skip
            rate = plan.facts.rate(therapy, disease, grade)
            assert (log_odds[row, column], sd[row, column]) == (rate.log_odds, rate.sd)
    assert np.isnan(log_odds[:, 1]).all()  # an outcome that no rate speaks of
    assert np.isnan(log_odds[3]).all()  # the therapy is missing
    assert np.isnan(sd[3]).all()


def test_without_therapies_there_is_no_prior(patients, plan):
    plain = plan.model_copy(
        update={"facts": None, "therapy": None, "disease": None, "columns": plan.columns[:6]}
    )
    log_odds, _ = prior_log_odds(values_of(patients, plain), plain)
    assert np.isnan(log_odds).all()
    found, with_prior = matrix_of(patients, plain), matrix_of(patients, plan)[:, :6]
    np.testing.assert_array_equal(found[:3], with_prior[:3])
    # A disease that finds no rate is a level like another: one that is not listed is missing.
    assert np.isnan(found[3, 3:5]).all()
    assert (with_prior[3, 3:5] == 0).all()


def test_text_among_numbers_is_an_error_and_not_a_guess(patients, plan):
    with pytest.raises((ValueError, TypeError)):
        matrix_of(patients.assign(age=["60", "old", "61", "62"]), plan)
