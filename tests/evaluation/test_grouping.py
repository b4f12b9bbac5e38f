import numpy as np
import pandas as pd
import pytest

from pipeline.cohort.dictionary import Dictionary
from pipeline.config import Subgroups
from pipeline.errors import InputError
from pipeline.evaluation.grouping import groupings

DICTIONARY = Dictionary.from_json(
    [
        {"name": "who", "label": "Who", "role": "id", "timing": "baseline", "kind": "text"},
        {"name": "age", "label": "Age", "role": "patient", "timing": "baseline"},
        {"name": "race", "label": "Race", "role": "patient", "timing": "baseline", "kind": "text"},
        {"name": "bulky", "label": "Bulky", "role": "disease", "timing": "baseline",
         "kind": "binary"},
        {"name": "icu", "label": "Intensive care", "role": "treatment", "timing": "post",
         "kind": "binary"},
    ]
)  # fmt: skip


def divided(by, minimum=2, attributes=None, **columns):
    n = len(next(iter(columns.values())))
    cohort = pd.DataFrame({"who": [f"p{k}" for k in range(n)], **columns})
    return groupings(cohort, DICTIONARY, attributes or {}, Subgroups(by=by), minimum)


def test_bands_hold_their_lower_limit():
    (found,) = divided({"age": [18, 65]}, age=[3, 17.9, 18, 64.9, 65, 90, np.nan])
    assert found.names == ("under 18", "18 to under 65", "65 and over", "not recorded")
    assert found.members.tolist() == [
        "under 18", "under 18", "18 to under 65", "18 to under 65", "65 and over", "65 and over",
        "not recorded",
    ]  # fmt: skip
    assert found.members.index[0] == "p0"


def test_a_band_without_patients_is_no_group():
    (found,) = divided({"age": [18, 65]}, age=[70, 80])
    assert found.names == ("65 and over",)


def test_rare_levels_are_pooled_and_not_named():
    (found,) = divided({"race": []}, race=["b", "a", "b", "only one", None, "a", "another"])
    assert found.names == ("a", "b", "others (levels of fewer than 2 patients)", "not recorded")
    assert (found.members == found.names[2]).sum() == 2


def test_binary_columns_say_yes_and_no_and_attributes_of_the_therapy_count():
    modality = np.array(["CAR-T", "CAR-T", "antibody", "antibody"], dtype=object)
    by = {"bulky": [], "therapy_modality": []}
    first, second = divided(by, bulky=[0, 1, 1, 0], attributes={"therapy_modality": modality})
    assert first.members.tolist() == ["no", "yes", "yes", "no"]
    assert (second.variable, second.names) == ("therapy_modality", ("CAR-T", "antibody"))


def test_what_the_cohort_does_not_hold_is_skipped():
    assert [g.variable for g in divided({"sex": [], "age": [18]}, age=[20, 30])] == ["age"]


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ({"icu": []}, "timing post"),
        ({"who": []}, "role is id"),
        ({"age": []}, "limits of bands"),
        ({"race": [1, 2]}, "is text"),
    ],
)
def test_what_makes_no_subgroups_is_refused(by, message):
    with pytest.raises(InputError, match=message):
        divided(by, age=[20, 30], race=["a", "b"], icu=[0, 1])


def test_limits_must_rise():
    with pytest.raises(ValueError, match="must rise"):
        Subgroups(by={"age": [65, 18]})
