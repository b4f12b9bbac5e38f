"""Where the dictionary says that risk does not fall with a value, the trees obey."""

import numpy as np
import pytest

from pipeline.features.matrix import build_matrix, values_of
from pipeline.model.predict import predict

# How patients may change, in the columns of the matrix and in a laboratory's own value.
FACTORS = (1.05, 1.5, 4.0, 20.0)


def trees_of(model):
    found = [head.deviation.trees for head in model.heads if head.deviation]
    assert found
    return found


def test_no_column_with_a_trend_moves_the_trees_the_wrong_way(artifact, cohort):
    Z = build_matrix(values_of(cohort, artifact.plan), artifact.plan)
    columns = artifact.plan.columns
    assert sum(column.trend != 0 for column in columns) >= 8
    for trees in trees_of(artifact.model):
        before = trees.margin(Z)
        for j, column in enumerate(columns):
            for shift in (0.1, 1.0, 10.0):
                moved = Z.copy()
                moved[:, j] += shift
                change = (trees.margin(moved) - before) * column.trend
                assert change.min() >= 0, column.name


@pytest.mark.parametrize("name", ["ldh", "d_dimer", "il6", "tumour_burden"])
def test_a_higher_value_never_lowers_the_trees_part(artifact, cohort, name):
    # These enter only columns whose trend agrees with their own: the value itself and, for
    # LDH, the EASIX family.
    plan = artifact.plan
    values = values_of(cohort, plan)
    readers = [s.name for s in plan.scores if name in s.variables] + [name]
    assert {c.trend for c in plan.columns if c.source in readers} == {1}
    low = build_matrix(values, plan)
    for factor in FACTORS:
        high = build_matrix(values | {name: values[name] * factor}, plan)
        for trees in trees_of(artifact.model):
            assert (trees.margin(high) - trees.margin(low)).min() >= 0


def test_the_trends_are_used_by_some_patients(artifact, cohort):
    # The constraint is not kept by ignoring the values.
    values = values_of(cohort, artifact.plan)
    low = build_matrix(values, artifact.plan)
    high = build_matrix(values | {"ldh": values["ldh"] * 20}, artifact.plan)
    assert any((t.margin(high) > t.margin(low)).any() for t in trees_of(artifact.model))


@pytest.mark.parametrize(
    ("name", "factor", "sign"), [("ldh", 4.0, 1), ("platelets", 0.2, 1), ("tumour_burden", 3.0, 1)]
)
def test_on_average_risks_move_as_the_generators_effects(artifact, cohort, name, factor, sign):
    # All three learners together, on the default's strongest effects.
    base = predict(artifact, values_of(cohort, artifact.plan)).risk
    moved = cohort.assign(**{name: cohort[name] * factor})
    risk = predict(artifact, values_of(moved, artifact.plan)).risk
    fitted = [head.deviation is not None for head in artifact.model.heads]
    assert (sign * np.mean(risk - base, axis=0)[fitted] > 0).all()
