"""A model as text: read back to the same bits, free of pickle, and refused when damaged."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.features.matrix import values_of
from pipeline.model.artifact import read_artifact, write_artifact
from pipeline.model.example import example_record
from pipeline.model.predict import predict_with_reasons


@pytest.fixture
def copy(written, tmp_path):
    """A copy of the model's folder, free to be damaged."""
    return shutil.copytree(written[0], tmp_path / "copy")


def content_of(folder):
    return json.loads((folder / "model.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def reread(written):
    return read_artifact(written[0])


def assert_same_bits(a, b, frame):
    first, second = (predict_with_reasons(m, values_of(frame, m.plan)) for m in (a, b))
    np.testing.assert_array_equal(first.base, second.base)
    np.testing.assert_array_equal(first.contributions, second.contributions)
    for name in ("risk", "low", "high", "prior", "bound_by"):
        np.testing.assert_array_equal(getattr(first.risks, name), getattr(second.risks, name))


def test_predictions_are_the_same_bits_after_reading(artifact, reread, cohort):
    assert_same_bits(artifact, reread, cohort)


value = st.one_of(st.none(), st.floats(-1e6, 1e9))


@settings(deadline=None)  # a busy machine is no fault
@given(ldh=value, platelets=value, age=value, therapy=st.sampled_from(["Yescarta", "Tecvayli"]))
def test_they_are_for_any_patient(artifact, reread, cohort, ldh, platelets, age, therapy):
    patient = cohort.head(1).assign(ldh=ldh, platelets=platelets, age=age, therapy=therapy)
    assert_same_bits(artifact, reread, patient)


def test_all_else_that_scoring_needs_is_kept(artifact, reread):
    assert reread.facts == artifact.facts
    assert reread.plan == artifact.plan
    assert list(reread.dictionary) == list(artifact.dictionary)
    assert reread.model.therapies_seen == artifact.model.therapies_seen
    assert reread.model.capped_by == artifact.model.capped_by
    for ours, theirs in zip(artifact.model.heads, reread.model.heads, strict=True):
        assert (ours.outcome, ours.a, ours.b) == (theirs.outcome, theirs.a, theirs.b)
        assert ours.why_not_fitted == theirs.why_not_fitted


def test_writing_what_was_read_gives_the_same_files(written, reread, tmp_path):
    write_artifact(reread, tmp_path)
    for file in written[0].iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()


def test_the_folder_holds_text_only(written):
    files = sorted(file.name for file in written[0].iterdir())
    assert files == ["model.json", "trees_any_ge2.txt"]
    for file in written[0].iterdir():
        assert file.read_bytes().isascii() or file.read_text(encoding="utf-8")
        assert b"\x00" not in file.read_bytes()


def test_json_holds_no_number_that_json_lacks(written):
    def refuse(token):
        raise AssertionError(token)

    text = (written[0] / "model.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=refuse)["heads"]


def test_a_differing_part_is_one_line_of_difference(written, tmp_path):
    folder, artifact = written
    write_artifact(type(artifact)(artifact.model, artifact.plan, artifact.dictionary, {}), tmp_path)
    before, after = (
        (place / "model.json").read_text(encoding="utf-8").splitlines()
        for place in (folder, tmp_path)
    )
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1


def test_no_patient_of_the_cohort_is_in_it(written, cohort):
    text = (written[0] / "model.json").read_text(encoding="utf-8")
    assert not any(patient in text for patient in cohort["patient_id"])


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no model\.json.*make run") as refusal:
        read_artifact(tmp_path)
    assert str(tmp_path) in str(refusal.value)


def truncated_json(folder):
    text = (folder / "model.json").read_text(encoding="utf-8")
    (folder / "model.json").write_text(text[: len(text) // 2], encoding="utf-8")


def binary(folder):
    (folder / "model.json").write_bytes(b"\x80\x04\x95\xff\xfe")


def a_list(folder):
    (folder / "model.json").write_text("[]", encoding="utf-8")


def without(part):
    def damage(folder):
        content = content_of(folder)
        del content[part]
        (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")

    damage.__name__ = f"without {part}"
    return damage


def foreign_format(folder):
    content = content_of(folder) | {"format": 99}
    (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")


def unknown_head_key(folder):
    content = content_of(folder)
    content["heads"][0]["temperature"] = 1.5
    (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncated_json, "is not whole JSON"),
        (binary, "is not whole JSON"),
        (a_list, "is not a model"),
        (foreign_format, "has format 99. Expected format 4"),
        (unknown_head_key, "is not a whole model"),
        *((without(p), "is not a whole model") for p in ("heads", "plan", "imputer", "dictionary")),
    ],
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_a_damaged_description_is_refused_by_name(copy, damage, message):
    damage(copy)
    with pytest.raises(InputError, match=message) as refusal:
        read_artifact(copy)
    assert str(copy / "model.json") in str(refusal.value)


def test_missing_trees_are_refused_by_name(copy):
    (copy / "trees_any_ge2.txt").unlink()
    with pytest.raises(InputError, match=r"is missing.*copy the whole model folder") as refusal:
        read_artifact(copy)
    assert "trees_any_ge2.txt" in str(refusal.value)


def half(data):
    return data[: len(data) // 2]


def one_digit(data):
    at = data.index(b"leaf_value=") + len(b"leaf_value=") + 3
    return data[:at] + (b"1" if data[at : at + 1] != b"1" else b"2") + data[at + 1 :]


@pytest.mark.parametrize("damage", [half, one_digit, lambda data: b"", lambda data: b"\xff" + data])
def test_damaged_trees_are_refused_before_lightgbm_ends_the_process(copy, damage):
    file = copy / "trees_any_ge2.txt"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(InputError, match="is damaged or was changed") as refusal:
        read_artifact(copy)
    assert "trees_any_ge2.txt" in str(refusal.value)


def test_a_model_of_nothing_but_priors_is_a_single_file(configure, draw, train, tmp_path):
    config = configure()
    cohort, _ = draw(config, 60, 2)
    alone = train(cohort, config)
    write_artifact(alone, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.json"]
    assert_same_bits(alone, read_artifact(tmp_path), cohort)


def test_a_model_without_published_rates_is_kept_too(configure, cohort, train, tmp_path):
    plain = train(cohort, configure(therapy_prior=None))
    write_artifact(plain, tmp_path)
    assert_same_bits(plain, read_artifact(tmp_path), cohort)


def test_the_made_up_patient_is_scored_and_is_within_plausible_limits(artifact):
    record = example_record(artifact)
    found = predict_with_reasons(artifact, values_of(record, artifact.plan))
    assert np.isfinite(found.risks.risk).all()
    for variable in artifact.dictionary:
        given = record[variable.name].iloc[0]
        if variable.kind == "numeric" and variable.range:
            assert variable.range[0] <= given <= variable.range[1]
        if variable.kind == "categorical" and variable.levels:
            assert given in (*variable.levels, *artifact.model.therapies_seen)
