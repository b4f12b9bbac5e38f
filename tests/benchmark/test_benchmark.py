"""A tiny comparison from end to end, stopped and gone on with."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

SETTINGS = {
    "results": "results",
    "timed": "config.yaml",
    "seed": 1,
    "folds": 2,
    "repeats": 1,
    "bootstrap": 100,
    "interval_level": 0.95,
    "processes": 1,
    "calibration_folds": 3,
    "flaml_seconds": 1,
    "autogluon_seconds": 1,
    "procedures": ["ours", "base_rate", "ridge"],
    "tables": {"made": {"config": "config.yaml"}},
}
DICTIONARY = {
    "variables": {
        "pid": {"role": "id", "timing": "baseline", "kind": "text"},
        "age": {"role": "patient", "timing": "baseline", "range": [0, 120]},
        "crp": {"role": "lab", "timing": "baseline", "range": [0.1, 500], "scale": "log"},
        "ward": {"role": "patient", "timing": "baseline", "kind": "categorical"},
        "peak": {"role": "lab", "timing": "post"},
        "died": {"role": "outcome", "timing": "post", "kind": "binary"},
    }
}


@pytest.fixture(scope="module")
def home(tmp_path_factory, configure, quick_settings):
    """A table of 240, its config and its dictionary, and the settings of a comparison."""
    folder = tmp_path_factory.mktemp("benchmark")
    rng = np.random.default_rng(5)
    n = 240
    crp = rng.lognormal(2, 1, n)
    died = rng.random(n) < 1 / (1 + np.exp(-(np.log(crp) - 2)))
    pd.DataFrame(
        {
            "pid": range(n), "age": rng.integers(20, 90, n), "crp": crp.round(2),
            "ward": rng.choice(["a", "b", "c"], n), "peak": died * 5.0, "died": died.astype(int),
        }
    ).to_csv(folder / "made.csv", index=False)  # fmt: skip
    (folder / "words.yaml").write_text(yaml.safe_dump(DICTIONARY, sort_keys=False))
    columns = {name: name for name in ("age", "crp", "ward", "peak", "died")}
    configure(
        folder,
        quick_settings,
        name="made",
        runs="runs",
        dictionary="words.yaml",
        source={
            "kind": "table",
            "tables": [{"file": "made.csv", "key": "pid", "columns": columns}],
        },
        outcomes={"died": {"column": "died", "at_least": 1, "label": "Death"}},
        primary_outcome="died",
    )
    (folder / "settings.yaml").write_text(yaml.safe_dump(SETTINGS, sort_keys=False))
    return folder


@pytest.fixture(scope="module")
def first(home, command):
    """The comparison, once."""
    ended = command("benchmark", "--part", "compare", "--settings", home / "settings.yaml")
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended


def results(home, part=""):
    return json.loads((home / "results" / part / "results.json").read_text())


def test_all_is_written(home, first):
    found = results(home)
    rows = {row["procedure"]: row for row in found["rows"]}
    assert set(rows) == {"ours", "base_rate", "ridge"}
    # The outcome follows the CRP: whoever reads it beats the base rate.
    for name in ("ours", "ridge"):
        loss = rows[name]["figures"]["log_loss"]["estimate"]
        assert loss < rows["base_rate"]["figures"]["log_loss"]["estimate"] - 0.02
        assert rows[name]["figures"]["auroc"]["estimate"] < 0.95  # the peak would give 1
    assert rows["base_rate"]["ours_minus_theirs"]["log_loss"]["verdict"] == "win"
    assert found["tables"]["made"]["left_out"]["peak"].startswith("not a baseline predictor")
    report = (home / "results" / "report.md").read_text()
    assert "| made | 240 |" in report
    assert "| **ours** |" in report
    # What tilts the comparison towards ours is said before any figure.
    assert "no untouched test" in report.split("## Who is best")[0]
    assert "the other procedures cannot use" in report.split("## Who is best")[0]
    assert (home / "results" / "differences.svg").read_text().count("<svg") == 1
    assert "mean rank: ours" in first.stdout


def test_finished_cells_are_kept_and_a_missing_one_is_fitted_again(home, first, command):
    cells = sorted((home / "results" / "cells" / "made").glob("*.npz"))
    assert len(cells) == 3 * 2
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in cells}
    rows = results(home)["rows"]
    cells[3].unlink()
    ended = command("benchmark", "--part", "compare", "--settings", home / "settings.yaml")
    assert ended.returncode == 0, ended.stderr[-3000:]
    after = {path.name: path.stat().st_mtime_ns for path in cells}
    changed = {name for name, at in after.items() if at != before[name][0]}
    assert changed == {cells[3].name}
    for old, new in zip(rows, results(home)["rows"], strict=True):
        assert old["figures"] == new["figures"]  # the same fold gives the same risks
        assert old["ours_minus_theirs"] == new["ours_minus_theirs"]


def test_a_config_of_ones_own_is_compared_on(home, first, command):
    ended = command(
        "benchmark",
        "--part",
        "compare",
        "--settings",
        home / "settings.yaml",
        "--config",
        home / "config.yaml",
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert list(results(home, "own")["tables"]) == ["made"]
    assert results(home, "own")["rows"] == results(home)["rows"]


def test_unknown_names_are_refused_with_the_nearest(home, command):
    ended = command(
        "benchmark", "--part", "compare", "--settings", home / "settings.yaml", "--only", "mad"
    )
    assert ended.returncode == 2
    assert "no table 'mad'; did you mean 'made'?" in ended.stderr
    wrong = home / "wrong.yaml"
    wrong.write_text(yaml.safe_dump(SETTINGS | {"procedures": ["ours", "rigde"]}))
    ended = command("benchmark", "--part", "compare", "--settings", wrong)
    assert ended.returncode == 2
    assert "'rigde' is not a procedure; did you mean 'ridge'?" in ended.stderr
    wrong.write_text(yaml.safe_dump(SETTINGS | {"fold": 2}))
    ended = command("benchmark", "--part", "compare", "--settings", wrong)
    assert ended.returncode == 2
    assert "unknown key 'fold'; did you mean 'folds'?" in ended.stderr


def test_what_comes_afterwards_is_refused_by_name(home, command):
    config = yaml.safe_load((home / "config.yaml").read_text())
    config |= {"name": "leaking", "predictors": {"include": ["crp", "peak"]}}
    (home / "leaking.yaml").write_text(yaml.safe_dump(config))
    ended = command(
        "benchmark",
        "--part",
        "compare",
        "--settings",
        home / "settings.yaml",
        "--config",
        home / "leaking.yaml",
    )
    assert ended.returncode == 2
    assert "'peak' may not be a predictor" in ended.stderr


def test_speed_joins_the_report_with_its_targets(home, first, command):
    ended = command("benchmark", "--part", "speed", "--settings", home / "settings.yaml")
    assert ended.returncode == 0, ended.stderr[-3000:]
    found = json.loads((home / "results" / "speed.json").read_text())
    single, batch = found["single_record_with_reasons"], found["batch_without_reasons"]
    # A single answer is a ratio of times, a batch one of throughputs.
    assert single["value"] == pytest.approx(single["scorer_ms"] / single["boosters_ms"])
    assert batch["value"] == pytest.approx(batch["boosters_ms"] / batch["scorer_ms"])
    # The scorer runs the boosters and more.
    assert batch["value"] < 1
    for entry in found.values():
        kind, target = entry["target"].rsplit(" ", 1)
        ahead = entry["value"] - float(target)
        assert entry["met"] == (ahead <= 0 if kind == "at most" else ahead >= 0)
    report = (home / "results" / "report.md").read_text()
    assert "## Speed" in report
    assert "| made | 240 |" in report  # the comparison's part stays
