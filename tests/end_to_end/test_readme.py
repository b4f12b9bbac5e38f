"""The README's promises: its commands exist, its example runs, its config is accepted."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.config_file import read_config

PROJECT = Path(__file__).parents[2]
TEXT = (PROJECT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


def test_the_python_example_gives_risks(small_run, environment):
    (example,) = blocks("python")
    address = '"models/default/train/model"'
    assert address in example
    example = example.replace(address, repr(str(small_run.folder / "train" / "model")))
    ended = subprocess.run(
        [sys.executable, "-c", example],
        capture_output=True, text=True, cwd=PROJECT, env=environment(), check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    for line in ("risk_ge2", "risk_ge2_low", "prior_any", "status"):
        assert line in ended.stdout
    assert "ok" in ended.stdout


def test_the_config_for_ones_own_table_is_accepted(tmp_path):
    (example,) = blocks("yaml")
    assert yaml.safe_load(example)["source"]["kind"] == "table"
    (tmp_path / "mine.yaml").write_text(example, encoding="utf-8")
    config = read_config(tmp_path / "mine.yaml")
    assert config.source.tables[0].columns["crp"].unit == "mg/dL"


@pytest.mark.parametrize(
    "target", sorted(set(re.findall(r"(?:^|`)make ([a-z]+)", TEXT, flags=re.MULTILINE)))
)
def test_every_make_target_it_names_exists(target):
    ended = subprocess.run(
        ["make", "--dry-run", target], capture_output=True, text=True, cwd=PROJECT, check=False,
        env=dict(os.environ),
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr


def test_every_file_it_links_to_is_there():
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert links
    for link in links:
        assert (PROJECT / link).exists(), link


def test_the_output_it_shows_has_a_line_per_stage(small_run):
    shown = [line.split()[1] for line in TEXT.splitlines() if line.startswith(" ✓ ")]
    ran = [line.split()[1] for line in small_run.output.splitlines() if " s  " in line]
    assert shown == ran
