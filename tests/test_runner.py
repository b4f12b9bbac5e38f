"""The runner: fresh stages are skipped, stale ones run, and nothing half-written is taken."""

import json
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from pipeline.config_file import read_config
from pipeline.errors import InputError
from pipeline.runner import Stage, run_stages

CONFIG = """
name: toy
seed: {seed}
runs: runs
source: {{kind: synthetic}}
outcomes: {{any: {{column: crs_grade, label: any}}}}
primary_outcome: any
card: {{title: t, intended_use: u, intended_users: v, horizon: h, population: p}}
model: {{inner_folds: {folds}}}
"""


@pytest.fixture
def config_of(tmp_path):
    def make(seed=1, folds=5):
        path = tmp_path / "toy.yaml"
        path.write_text(CONFIG.format(seed=seed, folds=folds))
        return read_config(path)

    return make


def first(job):
    (job.out / "a.txt").write_text(f"seed {job.config.seed}")
    (job.out / "b.txt").write_text("constant")
    return "first done"


def second(job):
    text = (job.run / "first" / "a.txt").read_text()
    (job.out / "c.txt").write_text(text + f" folds {job.config.model.inner_folds}")
    return "second done"


def stages(one=first, two=second, files=lambda config: []):
    return (
        Stage("first", "", (), ("seed",), one, files=files),
        Stage("second", "", ("first",), ("model",), two),
    )


def ran(config, chain, upto="second"):
    nothing = lambda *_: None  # noqa: E731
    outcomes = run_stages(chain, upto, config, nothing, nothing, nothing)
    return [outcome.stage for outcome in outcomes if not outcome.fresh]


def test_a_second_run_is_fresh(config_of):
    assert ran(config_of(), stages()) == ["first", "second"]
    assert ran(config_of(), stages()) == []


def test_only_the_stage_whose_section_changed_runs_again(config_of):
    ran(config_of(), stages())
    assert ran(config_of(folds=4), stages()) == ["second"]
    assert ran(config_of(folds=4, seed=2), stages()) == ["first", "second"]


def test_a_stage_that_reproduces_its_output_leaves_later_ones_fresh(config_of):
    ran(config_of(), stages())
    (config_of().run_folder / "first" / "b.txt").unlink()
    assert ran(config_of(), stages()) == ["first"]


@pytest.mark.parametrize("damage", ["edit", "delete", "add", "record", "folder"])
def test_a_damaged_output_is_made_again(config_of, damage):
    config = config_of()
    ran(config, stages())
    folder = config.run_folder / "second"
    if damage == "edit":
        (folder / "c.txt").write_text("half")
    elif damage == "delete":
        (folder / "c.txt").unlink()
    elif damage == "add":
        (folder / "extra.txt").write_text("?")
    elif damage == "record":
        (folder / "stage.json").write_text('{"fingerprint": ')
    else:
        (folder / "c.txt").unlink()
        (folder / "stage.json").unlink()
        folder.rmdir()
    assert ran(config, stages()) == ["second"]
    assert (folder / "c.txt").read_text() == "seed 1 folds 5"
    assert not (folder / "extra.txt").exists()


def test_an_edited_input_file_makes_its_reader_stale(config_of, tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("1")
    chain = stages(files=lambda config: [source])
    ran(config_of(), chain)
    os.utime(source, (0, 0))  # a new date alone changes nothing
    assert ran(config_of(), chain) == []
    source.write_text("2")
    assert ran(config_of(), chain) == ["first"]


def test_a_stage_may_read_no_section_that_it_did_not_declare(config_of):
    def curious(job):
        return str(job.config.evaluation)

    with pytest.raises(AttributeError, match="evaluation"):
        ran(config_of(), stages(one=curious))


def test_a_failed_stage_leaves_what_was_there_and_nothing_of_its_own(config_of):
    config = config_of()
    ran(config, stages())
    before = (config.run_folder / "second" / "c.txt").read_text()

    def fails(job):
        (job.out / "half.txt").write_text("half")
        raise InputError("no")

    with pytest.raises(InputError):
        ran(config_of(folds=3), stages(two=fails))
    assert (config.run_folder / "second" / "c.txt").read_text() == before
    assert sorted(p.name for p in config.run_folder.iterdir()) == [".lock", "first", "second"]


def _slow_run(path, marker):
    def slow(job):
        for i in range(1000):
            (job.out / f"{i}.txt").write_text("x" * 1000)
            Path(marker).touch()
            time.sleep(0.002)
        return "slow done"

    ran(read_config(path), stages(two=slow))


@pytest.mark.parametrize("after", [0.0, 0.05, 0.3])
def test_a_killed_run_continues_and_takes_nothing_half_written(config_of, tmp_path, after):
    config = config_of()
    marker = tmp_path / "started"
    process = multiprocessing.get_context("fork").Process(
        target=_slow_run, args=(config.file, marker)
    )
    process.start()
    deadline = time.time() + 20
    while not marker.exists() and time.time() < deadline:
        time.sleep(0.005)
    time.sleep(after)
    process.kill()
    process.join()
    assert not (config.run_folder / "second").exists()
    assert ran(config, stages()) == ["second"]
    record = json.loads((config.run_folder / "second" / "stage.json").read_text())
    assert list(record["outputs"]) == ["c.txt"]


def test_two_runs_of_one_name_do_not_mix(config_of):
    config = config_of()

    def another(job):
        with pytest.raises(InputError, match="another run is at work"):
            ran(config, stages())
        return first(job)

    assert ran(config, stages(one=another)) == ["first", "second"]


def test_a_folder_that_cannot_be_written_is_named(config_of, tmp_path):
    (tmp_path / "runs").write_text("a file where the folder should be")
    with pytest.raises(InputError, match=r"runs.*cannot be written"):
        ran(config_of(), stages())


def test_fingerprints_do_not_depend_on_where_the_project_lies(tmp_path):
    records = []
    for place in ("here", "there"):
        folder = tmp_path / place
        folder.mkdir()
        (folder / "toy.yaml").write_text(CONFIG.format(seed=1, folds=5))
        config = read_config(folder / "toy.yaml")
        ran(config, stages())
        records.append((config.run_folder / "second" / "stage.json").read_text())
    assert records[0] == records[1]


def _by_parts(stop_after):
    """A stage of four parts, stopped after some of them; it says how many it found."""

    def run(job):
        found = len(list(job.scratch.glob("*"))) if job.scratch.exists() else 0
        job.scratch.mkdir(parents=True, exist_ok=True)
        for part in range(found, 4):
            if part == stop_after:
                raise KeyboardInterrupt
            (job.scratch / str(part)).write_text("done")
        (job.out / "c.txt").write_text("whole")
        return f"{found} found"

    return run


def test_parts_of_a_stopped_stage_are_found_again_and_go_when_it_is_whole(config_of):
    config = config_of()
    with pytest.raises(KeyboardInterrupt):
        ran(config, stages(two=_by_parts(3)))
    assert not (config.run_folder / "second").exists()
    assert ran(config, stages(two=_by_parts(None))) == ["second"]
    record = json.loads((config.run_folder / "second" / "stage.json").read_text())
    assert record["line"] == "3 found"
    assert sorted(p.name for p in config.run_folder.iterdir()) == [".lock", "first", "second"]


def test_parts_made_of_other_inputs_are_not_found(config_of):
    with pytest.raises(KeyboardInterrupt):
        ran(config_of(), stages(two=_by_parts(3)))
    assert ran(config_of(folds=3), stages(two=_by_parts(None))) == ["second"]
    record = json.loads((config_of().run_folder / "second" / "stage.json").read_text())
    assert record["line"] == "0 found"
