"""What a run prints, on a terminal and off it."""

import re
import time
from types import SimpleNamespace

import pytest

from pipeline.display import Display
from pipeline.runner import Outcome

ODD = "LDH [U/L] of [bold]x[/bold] [/] :warning: run [1]"


@pytest.fixture
def config(tmp_path):
    return SimpleNamespace(name="odd", run_folder=tmp_path)


def whole_run(display, config, line=ODD, fresh=False, pause=0.0):
    stage = SimpleNamespace(name="train", summary="Fit [all].")
    with display:
        display.heading(config, "configs/[odd] name.yaml")
        display.started(stage)
        display.progress("fold [1]", 1, 2)
        time.sleep(pause)
        outcome = Outcome("train", fresh, 1.25, line)
        display.ended(outcome)
        display.closing(config, [outcome], 1.3)


def test_brackets_and_colons_are_printed_as_they_stand(config, capsys):
    whole_run(Display(quiet=False), config)
    printed = capsys.readouterr().out
    assert ODD in printed
    assert "configs/[odd] name.yaml" in printed
    assert "1 of 1 stages ran in 1.3 s." in printed


def test_faults_go_to_standard_error_as_they_stand(capsys):
    Display(quiet=True).fault(ODD)
    printed = capsys.readouterr()
    assert printed.err == f"✗ {ODD}\n"
    assert printed.out == ""


def test_off_a_terminal_there_are_no_colours_and_no_bars(config, capsys):
    whole_run(Display(quiet=False), config)
    printed = capsys.readouterr()
    assert not re.search(r"[\x1b\r]", printed.out + printed.err)
    assert "fold" not in printed.out


def test_on_a_terminal_progress_shows_and_goes(config, capsys, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    whole_run(Display(quiet=False), config, pause=0.3)  # drawn ten times a second
    printed = capsys.readouterr().out
    assert "\x1b[" in printed
    assert "fold [1]" in printed
    assert ODD in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed)


def test_quiet_prints_nothing(config, capsys):
    whole_run(Display(quiet=True), config)
    Display(quiet=True).say(ODD)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "")


def test_long_lines_are_not_broken(config, capsys):
    whole_run(Display(quiet=False), config, line="word " * 60)
    assert "word " * 59 in capsys.readouterr().out


def test_further_lines_stand_under_the_first(config, capsys):
    whole_run(Display(quiet=False), config, line="first\nsecond")
    first, second = [
        line for line in capsys.readouterr().out.splitlines() if "first" in line or "second" in line
    ]
    assert first.index("first") == second.index("second")


def test_a_run_in_which_all_is_fresh_says_so(config, capsys):
    whole_run(Display(quiet=False), config, fresh=True)
    assert "All 1 stages are fresh (1.3 s)." in capsys.readouterr().out


def test_the_card_is_pointed_at_once_it_is_there(config, capsys):
    (config.run_folder / "card").mkdir()
    (config.run_folder / "card" / "model_card.html").touch()
    done = [Outcome("card", False, 1.0, "x")]
    Display(quiet=False).closing(config, done, 1.0)
    assert "Read the model card: " in capsys.readouterr().out
    Display(quiet=False).closing(config, [Outcome("train", False, 1.0, "x")], 1.0)
    assert "model card" not in capsys.readouterr().out
