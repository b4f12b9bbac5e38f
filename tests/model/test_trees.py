"""The tree learner keeps its constraints, its offset and its bits."""

import lightgbm
import numpy as np
import pytest

from pipeline.config import Trees as Settings
from pipeline.model.trees import Trees
from pipeline.model.trees import fit_trees as fit_nested
from pipeline.model.trees import tune_trees as tune_nested
from pipeline.model.tuning import inner_folds

SETTINGS = Settings(min_patients_per_leaf=5)


@pytest.fixture(scope="module")
def data():
    """Risk rises, falls and waves with three measurements; a fourth is noise."""
    rng = np.random.default_rng(1)
    n = 600
    Z = rng.normal(size=(n, 4))
    signal = 0.8 * Z[:, 0] - 0.8 * Z[:, 1] + np.sin(3 * Z[:, 2])
    y = (signal + rng.logistic(size=n) > 0).astype(float)
    Z[rng.random(Z.shape) < 0.1] = np.nan
    return Z, y, np.zeros(n)


def fit_trees(Z, y, offset, *options):
    """The trees of a single outcome."""
    return fit_nested(Z, y[:, None], offset[:, None], *options)


def tune_trees(Z, y, offset, *options):
    return tune_nested(Z, y[:, None], offset[:, None], *options)


def moved(trees, Z, column):
    """Change of the margin over steps of one column, the rest held, shape (rows, steps)."""
    grid = np.linspace(-4, 4, 60)
    rows = np.repeat(Z, len(grid), axis=0)
    rows[:, column] = np.tile(grid, len(Z))
    return np.diff(trees.margin(rows).reshape(len(Z), -1), axis=1)


@pytest.mark.parametrize("wrong_way", [False, True])
def test_constraints_hold_everywhere(data, wrong_way):
    # Even where the data say the opposite, the margin may only stay or move as allowed.
    Z, y, offset = data
    trends = [-1, 1, 1, 0] if wrong_way else [1, -1, 1, 0]
    trees = fit_trees(Z, y, offset, trends, (8, 60), SETTINGS, 1)
    for column, trend in enumerate(trends[:3]):
        assert (trend * moved(trees, Z[:80], column)).min() >= 0


def test_without_a_constraint_the_wave_is_found(data):
    Z, y, offset = data
    trees = fit_trees(Z, y, offset, [0, 0, 0, 0], (8, 60), SETTINGS, 1)
    steps = moved(trees, Z[:80], 2)
    assert steps.min() < -0.01
    assert steps.max() > 0.01


def test_refitting_gives_the_same_text(data):
    Z, y, offset = data
    fit = [fit_trees(Z, y, offset, [1, -1, 0, 0], (4, 40), SETTINGS, 9).text for _ in range(2)]
    assert fit[0] == fit[1]
    assert fit_trees(Z, y, offset, [1, -1, 0, 0], (4, 40), SETTINGS, 10).text != fit[0]


def test_memory_layout_does_not_change_the_trees(data):
    Z, y, offset = data
    wide = np.zeros((len(Z), 8))
    wide[:, ::2] = Z
    texts = {
        fit_trees(matrix, y, offset, [0] * 4, (4, 10), SETTINGS, 1).text
        for matrix in (Z, np.asfortranarray(Z), wide[:, ::2])
    }
    assert len(texts) == 1


def test_an_offset_that_explains_all_leaves_no_deviation():
    rng = np.random.default_rng(2)
    Z = rng.normal(size=(4000, 2))
    offset = 2 * Z[:, 0]
    y = (offset + rng.logistic(size=4000) > 0).astype(float)
    with_offset = fit_trees(Z, y, offset, [0, 0], (4, 50), Settings(), 1).margin(Z)
    without = fit_trees(Z, y, np.zeros(4000), [0, 0], (4, 50), Settings(), 1).margin(Z)
    assert without.std() > 1
    assert with_offset.std() < 0.2


def test_the_margin_is_the_deviation_without_the_offset():
    # All risk is in the offset, which is wrong by one: the deviation is that one.
    rng = np.random.default_rng(3)
    offset = rng.normal(size=5000)
    y = (offset + 1 + rng.logistic(size=5000) > 0).astype(float)
    settings = Settings(l2=0.0, bagging_fraction=1.0, feature_fraction=1.0)
    Z = np.random.default_rng(4).normal(size=(5000, 1))
    trees = fit_trees(Z, y, offset, [0], (2, 200), settings, 1)
    assert trees.margin(Z).mean() + trees.base == pytest.approx(1, abs=0.1)


def test_columns_without_variation_are_left_alone(data):
    _, y, offset = data
    trees = fit_trees(np.ones((len(y), 3)), y, offset, [0, 1, -1], (4, 20), SETTINGS, 1)
    assert np.ptp(trees.margin(np.random.default_rng(0).normal(size=(50, 3)))) == 0


def test_contributions_add_up(data):
    Z, y, offset = data
    trees = fit_trees(Z, y, offset, [1, -1, 0, 0], (4, 40), SETTINGS, 1)
    np.testing.assert_allclose(trees.contributions(Z).sum(axis=1), trees.margin(Z), atol=1e-10)
    # A column that no tree splits on contributes nothing.
    used = lightgbm.Booster(model_str=trees.text).feature_importance() > 0
    np.testing.assert_array_equal(trees.contributions(Z)[:, ~used], 0)


def test_tuned_margins_are_those_of_models_that_did_not_see_the_patient(data):
    # The first trees of a long fit are the trees of a short one.
    Z, y, offset = data
    folds = inner_folds(y, 3, 0)
    settings = SETTINGS.model_copy(update={"leaves": [4], "trees": [10, 40]})
    for wanted in (10, 40):
        only = settings.model_copy(update={"trees": [wanted, 41] if wanted == 10 else [10, 40]})
        (leaves, size), margin = tune_trees(Z, y, offset, [0] * 4, folds, only, 1)
        for fold in range(3):
            held = folds == fold
            alone = fit_trees(
                Z[~held], y[~held], offset[~held], [0] * 4, (leaves, size), settings, 1
            )
            np.testing.assert_allclose(margin[held], alone.margin(Z[held]), atol=1e-12)


def test_noise_takes_few_trees_and_a_strong_curve_takes_many(data):
    Z, y, offset = data
    settings = Settings(leaves=[8], trees=[300, 5], min_patients_per_leaf=5)
    noise = np.random.default_rng(0).permutation(y)
    folds = inner_folds(noise, 5, 0)
    assert tune_trees(Z, noise, offset, [0] * 4, folds, settings, 1)[0] == (8, 5)
    curve = (np.sin(3 * np.nan_to_num(Z[:, 2])) > 0).astype(float)
    folds = inner_folds(curve, 5, 0)
    assert tune_trees(Z, curve, offset, [0] * 4, folds, settings, 1)[0] == (8, 300)


def test_nested_outcomes_share_the_trees_each_from_its_own_prior():
    # One severity, two thresholds: what each prior does not say is the same deviation.
    rng = np.random.default_rng(5)
    Z = rng.normal(size=(4000, 3))
    severity = 1.2 * Z[:, 0] + rng.logistic(size=4000)
    Y = (severity[:, None] > [-1.0, 2.0]).astype(float)
    offset = np.tile([1.0, -2.0], (4000, 1))
    margin = fit_nested(Z, Y, offset, [0] * 3, (4, 100), Settings(), 1).margin(Z)
    assert np.corrcoef(margin, Z[:, 0])[0, 1] > 0.95
    assert np.polyfit(Z[:, 0], margin, 1)[0] == pytest.approx(1.2, abs=0.2)


def test_the_margin_is_0_for_the_average_of_its_trees(data):
    Z, y, offset = data
    trees = fit_trees(Z, y, offset, [1, -1, 0, 0], (4, 40), SETTINGS, 1)
    booster = lightgbm.Booster(model_str=trees.text)
    np.testing.assert_allclose(trees.margin(Z) + trees.base, booster.predict(Z, raw_score=True))
    assert trees.base == pytest.approx(booster.predict(Z, pred_contrib=True)[0, -1])


def test_size_is_what_was_asked_for(data):
    Z, y, offset = data
    trees = fit_trees(Z, y, offset, [0] * 4, (3, 12), SETTINGS, 1)
    assert isinstance(trees, Trees)
    booster = lightgbm.Booster(model_str=trees.text)
    assert booster.num_trees() == 12
    assert (
        booster.trees_to_dataframe().query("left_child.isna()").groupby("tree_index").size().max()
        <= 3
    )
