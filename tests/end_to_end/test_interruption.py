"""A run that is interrupted and killed again and again ends as one that was left in peace."""

import hashlib
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

STAGES = ("ingest", "audit", "features", "train", "evaluate", "transport", "learning",
          "explain", "register", "card")  # fmt: skip
# The stage in whose midst the run is stopped, after how long, and by which signal.
STOPS = (
    (None, 0.45, signal.SIGKILL),
    ("ingest", 0.9, signal.SIGINT),
    ("audit", 0.1, signal.SIGKILL),
    ("features", 0.0, signal.SIGKILL),
    ("train", 0.1, signal.SIGKILL),
    ("evaluate", 0.1, signal.SIGINT),
    ("explain", 0.6, signal.SIGKILL),
    ("register", 1.0, signal.SIGKILL),
    ("card", 0.0, signal.SIGKILL),
)


def digests(folder):
    """SHA-256 of every file of a stage, its record included."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def disturbed(configure, environment, tmp_path_factory):
    """The small run in a folder of its own, stopped in each stage, then finished."""
    home = tmp_path_factory.mktemp("a-rather-longer-name-for-a-folder")
    config = configure(home)
    run = home / "runs" / "small"
    ended, begun = [], time.time()
    for stage, after, how in (*STOPS, (None, 120, None)):
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "run", str(config)],
            env=environment(PYTHONHASHSEED=str(len(ended)), TZ="Pacific/Auckland", LC_ALL="C"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            # A shell lets its background jobs ignore SIGINT, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        while stage and process.poll() is None and not (run / f".{stage}.new").exists():
            time.sleep(0.01)
        if how is not None:
            time.sleep(after)
            process.send_signal(how)
        out, err = process.communicate(timeout=120)
        ended.append(
            SimpleNamespace(stage=stage, how=how, code=process.returncode, out=out, err=err)
        )
        whole = [s for s in STAGES if (run / s / "stage.json").exists()]
        assert whole == list(STAGES[: len(whole)])  # never one after a missing one
    return SimpleNamespace(run=run, ended=ended, seconds=time.time() - begun)


@pytest.mark.slow
def test_it_was_stopped_as_meant_and_ended_well(disturbed):
    *stopped, last = disturbed.ended
    # On a busy machine a stage may be over before its signal comes; most are not.
    for one in stopped:
        assert one.code in ((0, 130, -2) if one.how == signal.SIGINT else (0, -9)), one.err
        assert "Traceback" not in one.err
    codes = [one.code for one in stopped]
    assert codes.count(-9) >= 4
    assert codes.count(130) >= 1
    assert last.code == 0, last.err
    assert last.err == ""


@pytest.mark.slow
def test_an_interrupted_run_says_how_to_go_on(disturbed):
    for one in disturbed.ended:
        if one.code == 130:
            assert one.err.strip() in (
                "✗ Stopped. The same command continues where it left off.",
                "✗ Stopped before anything began.",
            )
            assert "Traceback" not in one.err


@pytest.mark.slow
def test_what_was_done_is_not_done_again(disturbed):
    for before, after in zip(disturbed.ended, disturbed.ended[1:], strict=False):
        done = [line.split()[1] for line in before.out.splitlines() if line[:2] in (" ✓", " ·")]
        again = [line.split()[1] for line in after.out.splitlines() if line.startswith(" ✓")]
        assert not set(done) & set(again)


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES[:-2])
def test_it_left_the_same_bytes_as_an_undisturbed_run_elsewhere(disturbed, small_run, stage):
    assert digests(disturbed.run / stage) == digests(small_run.folder / stage)


@pytest.mark.slow
def test_nothing_half_made_is_left(disturbed):
    assert {path.name for path in disturbed.run.iterdir()} == {*STAGES, ".lock"}
