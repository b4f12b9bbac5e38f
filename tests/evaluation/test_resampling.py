from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.evaluation.resampling import assign_folds, out_of_fold, outcome_strata


def least_squares(X, y, train_rows, test_rows, seed):
    """A small procedure that uses the data, linear algebra and its seed."""
    beta = np.linalg.lstsq(X[train_rows], y[train_rows], rcond=None)[0]
    noise = np.random.default_rng(seed).normal(size=len(test_rows))
    return {
        "model": np.column_stack([X[test_rows] @ beta, noise]),
        "mean": np.full((len(test_rows), 2), y[train_rows].mean()),
    }


def memorise(y, train_rows, test_rows, seed):
    """Know the training outcomes by heart, and nothing else."""
    known = np.full(len(y), np.nan)
    known[train_rows] = y[train_rows]
    return {"model": np.nan_to_num(known[test_rows], nan=0.5)[:, None]}


@given(st.integers(40, 200), st.integers(2, 7), st.integers(1, 4), st.integers(0, 2**31 - 1))
def test_folds_are_even_overall_and_within_each_level(n, folds, levels, seed):
    labels = np.random.default_rng(seed).integers(0, levels, size=n)
    found = assign_folds(labels, folds, repeats=2, seed=seed)
    assert found.shape == (2, n)
    for row in found:
        assert np.ptp(np.bincount(row, minlength=folds)) <= 1
        for level in np.unique(labels):
            assert np.ptp(np.bincount(row[labels == level], minlength=folds)) <= 1


@settings(max_examples=50)
@given(st.integers(5, 30), st.integers(0, 2**31 - 1))
def test_groups_stay_whole_and_no_fold_is_empty(groups, seed):
    rng = np.random.default_rng(seed)
    group = rng.integers(0, groups, size=150)
    labels = rng.integers(0, 2, size=150)
    folds = min(5, len(np.unique(group)))
    for row in assign_folds(labels, folds, repeats=2, seed=seed, groups=group):
        assert all(len(np.unique(row[group == g])) == 1 for g in np.unique(group))
        assert len(np.unique(row)) == folds


@given(st.integers(60, 400), st.integers(2, 6), st.integers(0, 2**31 - 1))
def test_every_outcome_is_spread_however_they_overlap(n, folds, seed):
    rng = np.random.default_rng(seed)
    Y = (rng.random((n, 3)) < [0.5, 0.3, 0.15]).astype(float)
    smaller = np.minimum(Y.sum(axis=0), n - Y.sum(axis=0))
    (row,) = assign_folds(outcome_strata(Y, folds), folds, 1, seed)
    for rank, k in enumerate(np.argsort(smaller, kind="stable")):
        spread = np.ptp(np.bincount(row[Y[:, k] == 1], minlength=folds))
        # Split into at most 2^rank parts, each spread to within one patient, and at most as
        # many again that were too few to be split: of less than `folds` patients each.
        if smaller[k] >= folds:
            assert spread <= 2**rank + (2**rank - 1) * (folds - 1)


def test_a_rare_outcome_that_is_no_grade_of_the_other_is_spread_evenly():
    """24 of 600 admitted to intensive care, half of the 150 who die among them."""
    rng = np.random.default_rng(0)
    died = rng.permutation(np.repeat([1.0, 0.0], [150, 450]))
    icu = np.zeros(600)
    icu[rng.choice(np.flatnonzero(died == 1), 12, replace=False)] = 1
    icu[rng.choice(np.flatnonzero(died == 0), 12, replace=False)] = 1
    Y = np.column_stack([died, icu])
    for row in assign_folds(outcome_strata(Y, 5), 5, 20, 1):
        assert set(np.bincount(row[icu == 1])) == {4, 5}
        assert np.ptp(np.bincount(row[died == 1])) <= 2


def test_a_pattern_of_fewer_patients_than_folds_goes_with_the_rarer_outcome():
    rare = np.repeat([1, 0], [20, 80])
    common = np.concatenate([np.repeat([1, 0], [3, 17]), np.repeat([1, 0], [40, 40])])
    strata = outcome_strata(np.column_stack([common, rare]).astype(float), 5)
    assert len(set(strata[:20])) == 1  # the three of them are not dealt by themselves
    assert len(set(strata)) == 3
    assert strata[20] != strata[60]


@given(st.integers(20, 200), st.integers(2, 6), st.integers(0, 2**31 - 1))
def test_nested_outcomes_are_dealt_by_the_grade_that_was_reached(n, folds, seed):
    rng = np.random.default_rng(seed)
    grade = rng.integers(0, 5, n)
    Y = np.column_stack([grade >= least for least in (2, 1, 4)]).astype(float)
    np.testing.assert_array_equal(outcome_strata(Y, folds), Y.sum(axis=1))
    np.testing.assert_array_equal(outcome_strata(Y[:, :1], folds), Y[:, 0])


def test_groups_of_patients_are_spread_evenly_by_size_and_outcome():
    rng = np.random.default_rng(1)
    group = rng.integers(0, 400, size=1000)  # patients with a few infusions each
    labels = (rng.random(1000) < 0.1).astype(int)
    for row in assign_folds(labels, 5, repeats=3, seed=2, groups=group):
        assert np.ptp(np.bincount(row)) <= 30
        assert np.ptp(np.bincount(row[labels == 1])) <= 3


def test_repeats_differ_and_the_seed_decides():
    labels = np.arange(100) % 3
    found = assign_folds(labels, 5, 2, seed=1)
    assert (found[0] != found[1]).any()
    assert (found == assign_folds(labels, 5, 2, seed=1)).all()
    assert (found != assign_folds(labels, 5, 2, seed=2)).any()
    sites = np.repeat(np.arange(8), [50, 40, 30, 20, 10, 5, 5, 5])
    by_site = assign_folds(np.zeros(165), 5, 6, seed=1, groups=sites)
    together = {(row[:, None] == row[None, :]).tobytes() for row in by_site}
    assert len(together) > 1


@pytest.mark.parametrize(
    ("n", "groups", "words"),
    [(4, None, "5 folds for 4 patients"), (40, np.arange(40) % 3, "5 folds for 3 groups")],
)
def test_fewer_patients_or_groups_than_folds_is_refused_in_words(n, groups, words):
    with pytest.raises(InputError, match=words) as caught:
        assign_folds(np.zeros(n), 5, 1, seed=1, groups=groups)
    assert "evaluation.folds" in str(caught.value)


def test_one_and_two_processes_give_the_same_bytes():
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(300, 20)), rng.normal(size=300)
    folds = assign_folds(y > 0, 5, 2, seed=4)
    procedure = partial(least_squares, X, y)
    one = out_of_fold(procedure, folds, seed=5, processes=1)
    two = out_of_fold(procedure, folds, seed=5, processes=2)
    assert list(one) == list(two) == ["mean", "model"]
    assert all(one[name].tobytes() == two[name].tobytes() for name in one)


def test_every_patient_is_predicted_by_models_that_never_saw_them():
    y = np.arange(60.0) + 1
    folds = assign_folds(np.zeros(60), 4, 3, seed=6)
    found = out_of_fold(partial(memorise, y), folds, seed=7)["model"]
    assert found.shape == (3, 60, 1)
    assert (found == 0.5).all()


def test_progress_counts_every_fold_and_each_fold_has_its_own_seed():
    X = np.zeros((30, 1))
    folds = assign_folds(np.zeros(30), 3, 2, seed=8)
    calls = []
    found = out_of_fold(
        partial(least_squares, X, np.zeros(30)),
        folds,
        seed=9,
        on_progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(k, 6) for k in range(1, 7)]
    assert len(np.unique(found["model"][:, :, 1])) == 60


def counting(folder, stop_after, X, y, train_rows, test_rows, seed):
    """As `least_squares`, leaving a trace of each fit; power fails after some of them."""
    if len(list(folder.iterdir())) >= stop_after:
        raise KeyboardInterrupt
    (folder / f"{seed}").touch()
    return least_squares(X, y, train_rows, test_rows, seed)


@pytest.mark.parametrize("stop_after", [1, 4, 9])
def test_an_interrupted_resampling_goes_on_with_what_is_missing(tmp_path, stop_after):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(80, 5)), rng.normal(size=80)
    folds = assign_folds(np.zeros(80), 5, repeats=2, seed=4)
    undisturbed = out_of_fold(partial(least_squares, X, y), folds, seed=6)
    traces, scratch = tmp_path / "traces", tmp_path / "parts"
    traces.mkdir()
    with pytest.raises(KeyboardInterrupt):
        out_of_fold(partial(counting, traces, stop_after, X, y), folds, 6, scratch=scratch)
    assert len(list(scratch.glob("*.npz"))) == stop_after
    steps = []
    again = out_of_fold(
        partial(counting, traces, 99, X, y), folds, 6,
        on_progress=lambda done, total: steps.append((done, total)), scratch=scratch,
    )  # fmt: skip
    assert len(list(traces.iterdir())) == 10  # none was fitted twice, for each has its own seed
    assert steps == [(k, 10) for k in range(stop_after, 11)]
    assert list(again) == list(undisturbed)
    for name, values in undisturbed.items():
        assert again[name].tobytes() == values.tobytes()


def test_a_damaged_part_is_fitted_again(tmp_path):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(60, 5)), rng.normal(size=60)
    folds = assign_folds(np.zeros(60), 3, repeats=1, seed=4)
    undisturbed = out_of_fold(partial(least_squares, X, y), folds, 6, scratch=tmp_path)
    first, second, third = sorted(tmp_path.glob("*.npz"))
    first.write_bytes(b"")
    second.write_bytes(second.read_bytes()[:50])
    third.with_suffix(".new").write_bytes(b"half")
    again = out_of_fold(partial(least_squares, X, y), folds, 6, scratch=tmp_path)
    assert all(np.array_equal(again[name], undisturbed[name]) for name in undisturbed)
