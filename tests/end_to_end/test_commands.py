"""The command line: exit codes, one sentence, silence, and a fresh run that ends at once."""

import fcntl
import json
import re
import shutil
import time

import pytest
import yaml

STAGES = ("ingest", "audit", "features", "train", "evaluate", "transport", "learning",
          "explain", "register", "card")  # fmt: skip


def refused(ended, said):
    assert ended.returncode == 2, ended.stderr
    assert re.search(said, ended.stderr), ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.count("✗") == 1
    return True


@pytest.fixture
def alone(small_run):
    """The shared run to itself: its own lock refuses the second of two processes' tests."""
    with small_run.config.with_name("alone.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_a_run_prints_a_line_per_stage_without_colours_or_bars(small_run):
    lines = small_run.output.splitlines()
    ran = [line.split()[1] for line in lines if line.startswith(" ✓")]
    assert tuple(ran) == STAGES
    assert not re.search(r"[\x1b\r]", small_run.output)
    assert "refused as champion" in small_run.output
    assert lines[-1].startswith("Read the model card: ")


@pytest.mark.usefixtures("alone")
def test_a_fresh_run_says_so_and_ends_at_once(command, small_run):
    took = []
    for _ in range(2):
        begun = time.perf_counter()
        ended = command("run", small_run.config)
        took.append(time.perf_counter() - begun)
        assert ended.returncode == 0
        assert "All 10 stages are fresh" in ended.stdout
        assert "✓" not in ended.stdout
    assert min(took) < 5


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.usefixtures("alone")
def test_an_output_that_knows_no_tick_stops_nothing(command, small_run, encoding):
    ended = command("run", small_run.config, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""


@pytest.mark.usefixtures("alone")
def test_quiet_prints_nothing_on_success(command, small_run):
    for name in ("run", "train", "card"):
        ended = command(name, small_run.config, "--quiet")
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_nothing_is_left_beside_the_stages_folders(small_run):
    found = {path.name for path in small_run.folder.iterdir()}
    assert found == {*STAGES, ".lock"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sed": 1}, r"config\.yaml: unknown key 'sed'; did you mean 'seed'\?"),
        ({"seed": "x"}, r"config\.yaml: key 'seed'"),
        ({"primary_outcome": "ge4"}, r"primary_outcome 'ge4' is no outcome"),
        ({"dictionary": "nowhere.yaml"}, r"nowhere\.yaml: no such file"),
        ({"source": {"kind": "table", "tables": []}}, r"source\.tables"),
        (
            {
                "source": {
                    "kind": "table",
                    "tables": [{"file": "no.csv", "key": "id", "columns": {"age": "a"}}],
                }
            },
            r"no\.csv: no such file",
        ),
        ({"source": {"kind": "synthetic", "facts": "nowhere"}}, r"nowhere"),
    ],
)
def test_a_bad_config_is_one_sentence(command, configure, tmp_path, changes, said):
    assert refused(command("run", configure(tmp_path, **changes)), said)
    assert not list((tmp_path / "runs").glob("*/*/stage.json"))


def test_a_missing_table_of_therapies_names_the_key(command, configure, tmp_path):
    config = configure(tmp_path, therapy_prior={"table": "no.csv"})
    assert refused(command("features", config), r"no\.csv: no such file.*'therapy_prior\.table'")


@pytest.mark.parametrize("content", ["", "a: [", "- 1", "a: 1\na: 2", "\x00"])
def test_what_is_no_config_is_one_sentence(command, tmp_path, content):
    (tmp_path / "c.yaml").write_text(content)
    assert refused(command("run", tmp_path / "c.yaml"), r"c\.yaml: ")


def test_brackets_in_a_path_do_not_hide_it(command, tmp_path):
    assert refused(command("run", tmp_path / "[a] b.yaml"), r"\[a\] b\.yaml: no such file")


@pytest.mark.parametrize(
    "arguments", [("trian",), ("run", "--loud"), ("run", "a", "b"), ("score",)]
)
def test_a_wrong_command_is_told_apart(command, arguments):
    ended = command(*arguments)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert ended.stderr.strip()


def test_help_is_no_fault(command):
    ended = command("--help")
    assert ended.returncode == 0
    assert all(stage in ended.stdout for stage in (*STAGES, "run", "score"))


@pytest.mark.usefixtures("alone")
def test_a_store_that_cannot_be_used_is_one_sentence(command, small_run, tmp_path):
    ended = command("run", small_run.config, MLFLOW_TRACKING_URI=f"file://{tmp_path}")
    assert refused(ended, r"MLflow's store at file://.* cannot be used")
    assert ended.stdout.count("fresh") == 8


@pytest.mark.slow
def test_another_store_gets_its_own_version_and_its_own_freshness(command, small_run, tmp_path):
    # The copy keeps the shared run as it is: registering replaces register.json.
    home = tmp_path / "copy"
    shutil.copytree(small_run.config.parent, home)
    config = home / "config.yaml"
    store = f"sqlite:///{tmp_path / 'team.db'}"
    ran = command("run", config, MLFLOW_TRACKING_URI=store)
    assert ran.returncode == 0, ran.stderr
    assert re.findall(r"✓ (\w+)", ran.stdout) == ["register", "card"]
    assert (tmp_path / "team.db").is_file()
    assert "All 10 stages are fresh" in command("run", config, MLFLOW_TRACKING_URI=store).stdout
    (tmp_path / "team.db").unlink()
    again = command("register", config, MLFLOW_TRACKING_URI=store)
    assert re.findall(r"✓ (\w+)", again.stdout) == ["register"]
    assert (tmp_path / "team.db").is_file()
    passed = yaml.safe_load(config.read_text())
    passed["registry"]["gate"] = {
        "minimum_events": 0,
        "calibration_slope": [-100, 100],
        "calibration_intercept": [-100, 100],
        "better_than_therapy_only": False,
    }
    config.write_text(yaml.safe_dump(passed))
    champion = command("run", config, MLFLOW_TRACKING_URI=store)
    assert re.findall(r"✓ (\w+)", champion.stdout) == ["register", "card"]
    assert "toy version 2 is challenger and champion; the gate is passed" in champion.stdout
    card = json.loads((home / "runs" / "small" / "card" / "model_card.json").read_text())
    assert card["identity"]["version"] == "2"
    changes = card["changes"]
    assert (changes["version"], changes["same_patients"]) == ("1", True)
    assert (changes["gate"]["before"], changes["gate"]["now"]) == ("refused", "passed")
    assert {d["key"] for d in changes["digests"] if d["changed"]} == {"config_sha256"}
    assert {s["key"].rsplit(".", 1)[0] for s in changes["settings"]} == {"registry.gate"}
    for compared in changes["outcomes"]["compared"]:
        assert all(f["difference"]["estimate"] == 0 for f in compared["figures"])
    # From another folder, by address alone.
    small_run_cohort = small_run.folder / "ingest" / "cohort.parquet"
    scored = command(
        "score", "--model", "models:/toy@champion", "--input", small_run_cohort,
        "--output", "risks.csv", cwd=tmp_path, MLFLOW_TRACKING_URI=store,
    )  # fmt: skip
    assert (scored.returncode, scored.stderr) == (0, "")
    done, unread = scored.stdout.splitlines()
    assert done == "250 patients scored, 0 of them without a risk: risks.csv"
    assert unread.startswith("Not read: 'site', 'infusion_year', 'crs_grade', ")
