"""What the model tells of its training cohort: right shares, and nobody's value."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.reference import _levels, _summary, risks_reference, shares_between


@pytest.fixture(scope="module")
def reference(artifact):
    return artifact.facts["reference"]


def test_shares_are_those_of_the_training_cohort(reference, cohort):
    found = reference["variables"]["ldh"]
    known = cohort["ldh"].dropna().to_numpy()
    counts = [
        int(((known >= low) & (known < high)).sum())
        for low, high in zip([-np.inf, *found["cuts"]], [*found["cuts"], np.inf], strict=True)
    ]
    np.testing.assert_allclose(found["shares"], np.array(counts) / len(known))
    assert min(counts) >= 10
    missing = int(cohort["ldh"].isna().sum())
    assert found["missing"] == pytest.approx(missing / len(cohort) if missing >= 10 else 0)
    assert sum(reference["therapies"].values()) == pytest.approx(1)
    assert reference["patients"] == len(cohort)
    assert set(reference["risks"]) == {"any", "ge2", "ge3"}
    assert {summary["patients"] for summary in reference["risks"].values()} == {len(cohort)}


def test_risks_of_fewer_than_twenty_are_not_told():
    risks = np.column_stack([np.linspace(0.1, 0.9, 25), np.linspace(0.1, 0.9, 25)])
    risks[:6, 1] = np.nan
    found = risks_reference(risks, ["a", "b"])
    assert found["a"]["patients"] == 25
    assert found["b"] == {"cuts": [], "shares": [], "patients": 0}


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8))
def test_no_level_and_no_rest_is_told_of_fewer_than_ten(counts):
    values = pd.Series([f"level {i}" for i, count in enumerate(counts) for _ in range(count)])
    told = _levels(values)
    total = len(values)
    shown = {level: round(share * total) for level, share in told.items()}
    if total >= 10:
        assert sum(shown.values()) == total
    assert all(count >= 10 for count in shown.values())


@given(st.lists(st.floats(0.1, 1e4), min_size=11, max_size=120, unique=True))
def test_no_bin_holds_fewer_than_ten(values):
    told = _summary(pd.Series(values), numeric=True)
    if told["shares"]:
        assert shares_between(np.array(values), told["cuts"]).min() >= 10


def test_few_missing_values_are_told_as_none():
    values = pd.Series([*range(100), *[np.nan] * 7], dtype=float)
    assert _summary(values, numeric=True)["missing"] == 0
    assert _summary(pd.Series([1.0, 2.0, *[np.nan] * 50]), numeric=True)["missing"] == 1
