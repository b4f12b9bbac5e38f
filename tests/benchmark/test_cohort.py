"""What the others get: the same columns, with categories whole."""

import numpy as np
import pandas as pd

from pipeline.benchmark.cohort import whole_categories
from pipeline.features.plan import Column, FeaturePlan


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
