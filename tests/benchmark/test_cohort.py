"""What the others get: the same columns, with categories whole."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from pipeline.benchmark.cells import folds_of
from pipeline.benchmark.cohort import Cohort, whole_categories
from pipeline.config import Model
from pipeline.features.plan import Column, FeaturePlan
from pipeline.model.patients import Patients


class Matrix:
    """As much of the patients as is read."""

    def __init__(self, Z):
        self.Z = np.array(Z, dtype=float)


def test_codes_become_categories_and_numbers_stay():
    nan = np.nan
    plan = FeaturePlan(
        variables=[],
        scores=[],
        columns=[
            Column(name="crp", source="crp", log_floor=1),
            Column(name="ward=a", source="ward", level="a"),
            Column(name="ward=b", source="ward", level="b"),
        ],
        labels={},
        grades=[None],
        left_out={},
    )
    frame = whole_categories(Matrix([[1.5, 1, 0], [nan, 0, 1], [2.0, 0, 0], [3.0, nan, nan]]), plan)
    assert list(frame) == ["x0", "x1"]
    np.testing.assert_array_equal(frame["x0"], [1.5, nan, 2.0, 3.0])
    assert frame["x1"].dtype == pd.CategoricalDtype(["a", "b", "none"])
    assert frame["x1"].astype(object).where(frame["x1"].notna(), None).tolist() == [
        "a", "b", "none", None,
    ]  # fmt: skip


def test_rows_of_a_person_stay_in_one_outer_fold():
    who = np.repeat(np.arange(50), 4)
    event = (who % 3 == 0).astype(float)[:, None]
    none = np.full((200, 1), np.nan)
    columns = np.zeros(1, dtype=bool)
    found = {}
    for name, persons in (("plain", None), ("known", who)):
        patients = Patients(
            none, event, none, none, None, None, (0,), columns, columns, {}, persons, persons
        )
        table = Cohort(patients, pd.DataFrame({"x": np.zeros(200)}), Model(), 0.25)
        found[name] = table.digest, folds_of(table, SimpleNamespace(folds=5, repeats=2, seed=1))
    for row in found["known"][1]:
        assert all(len(set(row[who == person])) == 1 for person in range(50))
    # Kept cells are of the same patients dealt otherwise: they are not taken up.
    assert found["plain"][0] != found["known"][0]
