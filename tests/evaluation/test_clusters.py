import numpy as np
import pandas as pd
import pytest

from pipeline.cohort.dictionary import Dictionary
from pipeline.config import Evaluation
from pipeline.errors import InputError
from pipeline.evaluation.bootstrap import weight_blocks
from pipeline.evaluation.clusters import bootstrap_clusters
from pipeline.model.linked_rows import fold_groups, persons

DICTIONARY = Dictionary.from_json(
    [
        {"name": "row", "label": "Row", "role": "id", "timing": "baseline", "kind": "text"},
        {"name": "year", "label": "Year", "role": "site", "timing": "baseline"},
        {"name": "centre", "label": "Centre", "role": "site", "timing": "baseline",
         "kind": "categorical"},
    ]
)  # fmt: skip


def cohort(**columns):
    n = len(next(iter(columns.values())))
    return pd.DataFrame({"row": [f"r{k}" for k in range(n)], "year": 2020, **columns})


def test_sites_are_drawn_whole_by_default_and_the_words_say_so():
    frame = cohort(centre=["a", "b", "c", "d", "e", None] * 3)
    clusters, words = bootstrap_clusters(frame, DICTIONARY, Evaluation())
    assert len(np.unique(clusters)) == 6  # rows without a site are one
    assert (clusters[:6] == clusters[6:12]).all()
    assert "whole sites are resampled (6, column 'centre')" in words


def test_few_sites_or_the_config_leave_patients():
    frame = cohort(centre=["a", "b", "c", "d"] * 3)
    clusters, words = bootstrap_clusters(frame, DICTIONARY, Evaluation())
    assert clusters is None
    assert "of 4 sites too few" in words
    frame = cohort(centre=list("abcdef") * 2)
    clusters, words = bootstrap_clusters(frame, DICTIONARY, Evaluation(resample="patients"))
    assert clusters is None
    assert "as the config says" in words
    assert bootstrap_clusters(frame.drop(columns="centre"), Dictionary([]), Evaluation())[0] is None


def test_rows_of_a_patient_are_drawn_together():
    frame = cohort(who=["x", "y", "x", "z"], centre=list("aabb"))
    settings = Evaluation(patient="who")
    clusters, _ = bootstrap_clusters(frame, DICTIONARY, settings)
    assert clusters.tolist() == persons(frame, settings).tolist() == [0, 1, 0, 2]
    for weights in weight_blocks(4, 50, 1, clusters):
        assert (weights[:, 0] == weights[:, 2]).all()


def test_folds_keep_together_what_patient_or_group_links():
    frame = cohort(who=["x", "y", "x", "z", "w"], centre=["a", "a", "b", "c", "c"])
    assert fold_groups(frame, Evaluation()) is None
    assert fold_groups(frame, Evaluation(patient="who")).tolist() == [1, 2, 1, 3, 0]
    # x was treated at a and at b: a and b cannot be told apart into different folds.
    linked = fold_groups(frame, Evaluation(patient="who", group="centre", folds=2))
    assert len(set(linked[:3])) == 1
    assert len(set(linked[3:])) == 1
    assert linked[0] != linked[3]


def test_patients_who_link_all_sites_are_said_to_with_a_way_out():
    # Six centres of three patients each; one patient was at each of two neighbours.
    centre = np.repeat(list("abcdef"), 3)
    who = np.arange(18)
    who[2::3] = [0, 3, 6, 9, 12, 15]
    who[0::3] = [100, 0, 3, 6, 9, 12]
    frame = cohort(who=who, centre=centre)
    with pytest.raises(InputError) as caught:
        fold_groups(frame, Evaluation(patient="who", group="centre"))
    said = str(caught.value)
    assert "patients (column 'who') with rows under several values of 'centre'" in said
    assert "link its 6 values to 1" in said
    assert "leave evaluation.group out" in said
    # Patients alone can be dealt.
    assert len(np.unique(fold_groups(frame, Evaluation(patient="who")))) >= 5


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(InputError, match=r"'center' is not in the cohort.*centre"):
        fold_groups(cohort(centre=["a", "b"]), Evaluation(group="center"))


def test_whole_sites_give_the_wider_interval_where_sites_differ():
    """The variance of a mean by sites is that of the sites' means (equal sizes)."""
    rng = np.random.default_rng(0)
    site = np.repeat(np.arange(40), 25)
    values = rng.normal(0, 1, 40)[site] + rng.normal(0, 1, 1000)
    means = np.concatenate(
        [w @ values / w.sum(axis=1) for w in weight_blocks(1000, 4000, 1, site)]
    )[1:]
    by_site = values.reshape(40, 25).mean(axis=1)
    assert means.std() == pytest.approx(by_site.std() / np.sqrt(40), rel=0.05)
