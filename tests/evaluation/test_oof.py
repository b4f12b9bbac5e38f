import numpy as np
import pytest

from pipeline.evaluation.oof import oof_frame, read_outcome


@pytest.fixture
def frame():
    rng = np.random.default_rng(1)
    ids = np.array([f"p{k}" for k in rng.permutation(12)])
    folds = np.stack([np.arange(12) % 3, np.arange(12) % 4])
    observed = {"any": (np.arange(12) % 2), "ge2": (np.arange(12) % 4 == 0).astype(int)}
    risks = {name: rng.uniform(0.1, 0.9, size=(2, 12, 2)) for name in ("model", "easix")}
    return ids, folds, observed, risks, oof_frame(ids, folds, observed, risks)


def test_the_table_is_long_with_a_column_per_model(frame):
    *_, table = frame
    assert list(table.columns) == [
        "patient_id", "repeat", "fold", "outcome", "observed", "model", "easix",
    ]  # fmt: skip
    assert len(table) == 2 * 2 * 12
    assert not table.duplicated(["outcome", "repeat", "patient_id"]).any()


def test_what_was_laid_out_is_read_back_in_any_order_of_rows(frame):
    ids, _, observed, risks, table = frame
    found = read_outcome(table.sample(frac=1, random_state=2), "ge2")
    place = {patient: k for k, patient in enumerate(ids)}
    rows = [place[patient] for patient in found.patient_id]
    assert (found.observed == observed["ge2"][rows]).all()
    assert (found.risks["easix"] == risks["easix"][:, rows, 1]).all()
    assert found.intervals == {}


def test_the_interval_is_no_model(frame):
    *_, table = frame
    table = table.assign(low=table["model"] / 2, high=1.0)
    found = read_outcome(table, "any")
    assert set(found.risks) == {"model", "easix"}
    assert (found.intervals["served"][0] * 2 == found.risks["model"]).all()


def test_patients_without_a_risk_are_set_aside_for_every_model(frame):
    ids, _, _, _, table = frame
    gone = (table["patient_id"] == ids[0]) & (table["repeat"] == 1)
    found = read_outcome(table.assign(model=table["model"].mask(gone)), "any")
    assert found.abstained == 1
    assert ids[0] not in found.patient_id
    assert found.risks["easix"].shape == (2, 11)


def test_a_comparator_that_misses_patients_is_dropped(frame):
    *_, table = frame
    table.loc[0, "easix"] = np.nan
    assert set(read_outcome(table, "any").risks) == {"model"}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: t.drop(index=0), "one row per repeat and patient"),
        (lambda t: t.assign(observed=t["observed"] * 2), "observed must be 0 or 1"),
        (lambda t: t.assign(observed=t["observed"].where(t["repeat"] == 0, 0)), "same in every"),
        (lambda t: t.assign(easix=1.5), "'easix' holds values outside 0 to 1"),
    ],
)
def test_a_malformed_table_is_refused(frame, spoil, words):
    with pytest.raises(ValueError, match=words):
        read_outcome(spoil(frame[-1]), "any")


def test_patients_of_unknown_therapy_do_not_make_risks_vary_within_therapies(frame):
    ids, folds, observed, _, _ = frame
    strata = np.arange(12) % 2
    risk = (0.1 + 0.2 * strata + 0.05 * folds)[:, :, None].repeat(2, axis=2)
    risk[:, 3] = 0.77
    found = read_outcome(oof_frame(ids, folds, observed, {"model": risk}), "any")
    place = {patient: k for k, patient in enumerate(ids)}
    rows = np.array([place[patient] for patient in found.patient_id])
    unknown = np.where(rows == 3, -1, strata[rows])
    assert not found.constant_within_folds("model")
    assert not found.constant_within_folds("model", strata[rows])
    assert found.constant_within_folds("model", unknown)
    assert not found.constant_within_folds("model", np.full(12, -1))
