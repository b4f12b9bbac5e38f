"""Other people's tables run through every stage, and give nothing of a patient away."""

import json
import math
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

import pipeline

STAGES = ("ingest", "audit", "features", "train", "evaluate", "transport", "learning",
          "explain", "register", "card")  # fmt: skip
# The tables that are meant to hold patients.
PATIENTS = (
    "ingest/cohort.parquet",
    "features/matrix.parquet",
    "evaluate/oof.parquet",
    "explain/contributions.parquet",
    "explain/risks.parquet",
    "explain/examples.parquet",
)

DICTIONARY = {
    "variables": {
        "fallnummer": {"role": "id", "timing": "baseline", "kind": "text", "label": "Case"},
        "kreatinin": {"role": "lab", "timing": "baseline", "unit": "mg/dL", "accepts": ["umol/L"],
                      "molar_mass": 113.12, "range": [0.05, 25], "scale": "log",
                      "label": "Kreatinin"},
        "puls": {"role": "vital", "timing": "baseline", "unit": "/min", "range": [20, 250],
                 "trend": "up", "label": "Puls"},
        "gewicht": {"role": "patient", "timing": "baseline", "label": "Gewicht"},
        "raucher": {"role": "patient", "timing": "baseline", "kind": "binary", "label": "Raucher"},
        "station": {"role": "treatment", "timing": "baseline", "kind": "categorical",
                    "label": "Station"},
        "bemerkung": {"role": "patient", "timing": "baseline", "kind": "text", "label": "Notiz"},
        "died": {"role": "outcome", "timing": "post", "kind": "binary", "label": "Died"},
    }
}  # fmt: skip
# Extremes of each column, one value in the midst, a name and a remark: each of one patient.
SENTINELS = {
    "kreatinin": (0.1613577, 5.874319),
    "puls": (31.37193, 163.91357, 83.190573),
    "gewicht": (21.918273, 138.57391),
}
NAME, REMARK = "ZZQX-81723", "Tante Qwrtz anrufen"


def draw(n, seed=5):
    rng = np.random.default_rng(seed)
    puls = rng.normal(85, 12, n).round(1)
    died = rng.random(n) < 1 / (1 + np.exp(-(puls - 88) / 8))
    return pd.DataFrame(
        {
            "Fall": [f"F{i:05d}" for i in range(n)],
            "Krea": np.exp(rng.normal(4.3, 0.4, n)).round(1),
            "HF": puls,
            "kg": rng.normal(75, 12, n).round(1),
            "Raucher?": rng.choice(["ja", "nein"], n),
            "Station": rng.choice([1, 2, 3], n),
            "Text": "unauffällig",
            "tot": died.astype(int),
        }
    )


def write(folder, table, configure, quick_settings, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "daten.csv", index=False, sep=";", decimal=",")
    (folder / "worte.yaml").write_text(yaml.safe_dump(DICTIONARY), encoding="utf-8")
    source = {
        "kind": "table",
        "tables": [
            {
                "file": "daten.csv",
                "key": "Fall",
                "separator": ";",
                "decimal": ",",
                "columns": {
                    "kreatinin": {"column": "Krea", "unit": "umol/L"},
                    "puls": "HF",
                    "gewicht": "kg",
                    "raucher": {"column": "Raucher?", "recode": {"ja": 1, "nein": 0}},
                    "station": "Station",
                    "bemerkung": "Text",
                    "died": "tot",
                },
            }
        ],
    }
    return configure(
        folder,
        quick_settings,
        name="fremd",
        runs="runs",
        dictionary="worte.yaml",
        source=source,
        outcomes={"died": {"column": "died", "at_least": 1, "label": "Death"}},
        primary_outcome="died",
        **changes,
    )


# Everything that any library would tell a log, on standard error.
LOUD = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
sys.argv = ["pipeline", "run", sys.argv[1]]
from pipeline.__main__ import start
start()
"""


@pytest.fixture(scope="module")
def foreign(tmp_path_factory, configure, quick_settings, environment):
    """A run of 300 rows with a dictionary of their own, sentinels among them, logged loudly."""
    table, home = draw(300), tmp_path_factory.mktemp("fremd")
    for column, name, factor in (
        ("Krea", "kreatinin", 1e4 / 113.12), ("HF", "puls", 1), ("kg", "gewicht", 1),
    ):  # fmt: skip
        at = np.arange(len(SENTINELS[name])) * 40 + 7
        table.loc[at, column] = np.array(SENTINELS[name]) * factor
    table.loc[11, "Fall"], table.loc[11, "Text"] = NAME, REMARK
    config = write(home, table, configure, quick_settings)
    ended = subprocess.run(
        [sys.executable, "-W", "always", "-c", LOUD, str(config)],
        cwd=home, env=environment(), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return SimpleNamespace(table=table, home=home, config=config, ended=ended,
                           run=home / "runs" / "fremd")  # fmt: skip


@pytest.mark.slow
def test_another_dictionary_runs_through_all_stages(foreign):
    assert foreign.ended.returncode == 0, foreign.ended.stderr[-3000:]
    assert tuple(re.findall(r"✓ (\w+)", foreign.ended.stdout)) == STAGES
    assert "no therapy prior" in foreign.ended.stdout
    cohort = pd.read_parquet(foreign.run / "ingest" / "cohort.parquet")
    assert sorted(cohort["station"].unique()) == ["1", "2", "3"]


@pytest.mark.slow
def test_its_own_table_can_be_scored_as_any_library_types_it(foreign):
    scorer = pipeline.load(str(foreign.run / "train" / "model"))
    cohort = pd.read_parquet(foreign.run / "ingest" / "cohort.parquet")
    risks = scorer.predict(cohort)
    assert set(risks["status"]) == {"ok"}
    assert "training did not see" not in " ".join(risks["notes"])
    for dtype in ("int64", "float64", "Int64", "category", object):
        codes = cohort["station"].astype("int64").astype(dtype)
        pd.testing.assert_frame_equal(scorer.predict(cohort.assign(station=codes)), risks)
    # Base rate as prior, and the pulse as what moves the risk.
    assert set(risks["prior_died"].diff().dropna()) == {0}
    assert risks["prior_died"].iloc[0] == pytest.approx(cohort["died"].mean(), abs=0.01)
    assert risks["risk_died"].corr(cohort["puls"], method="spearman") > 0.8


@pytest.mark.slow
def test_scoring_from_the_shell_keeps_its_identifier(foreign, command, tmp_path):
    cohort = pd.read_parquet(foreign.run / "ingest" / "cohort.parquet")
    cohort.to_csv(tmp_path / "neu.csv", index=False)
    ended = command(
        "score", "--model", foreign.run / "train" / "model", "--input", tmp_path / "neu.csv",
        "--output", tmp_path / "risiken.csv",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    written = pd.read_csv(tmp_path / "risiken.csv")
    assert list(written["fallnummer"]) == list(cohort["fallnummer"])
    in_memory = pipeline.load(str(foreign.run / "train" / "model")).predict(cohort)
    np.testing.assert_allclose(written["risk_died"], in_memory["risk_died"], rtol=1e-12)


def spellings():
    """The sentinels as they might be written: as they are, converted, as logarithms."""
    found = {NAME, REMARK, "Qwrtz"}
    for name, values in SENTINELS.items():
        for value in values:
            forms = [value]
            if name == "kreatinin":
                forms += [value * 1e4 / 113.12, math.log(value)]
            for form in forms:
                # Seven significant digits, and what lies between rounding and cutting off.
                found |= {f"{form:.7g}", f"{form:.6g}", repr(form)[:8]}
                found |= {f"{form:.5g}"} if len(f"{form:.5g}") > 5 else set()
    return {text.replace(".", mark) for text in found for mark in ".,"}


def leaks(text):
    return sorted(s for s in spellings() if re.search(rf"(?<![\d.]){re.escape(s)}", text))


def test_the_search_finds_what_it_looks_for():
    assert leaks("max 5.874319 of")
    assert leaks(f"[0:{math.log(5.874319)}]")
    assert leaks(f"{math.log(5.874319):.6f}")
    assert leaks("puls=163.91357")
    assert leaks("puls=163,9136")
    assert leaks("case ZZQX-81723")
    assert not leaks("1163.9136")


@pytest.mark.slow
def test_nothing_that_a_run_says_holds_a_patients_value(foreign):
    assert len(foreign.ended.stderr) > 1000  # the log was loud indeed
    assert leaks(foreign.ended.stdout) == []
    assert leaks(foreign.ended.stderr) == []


@pytest.mark.slow
def test_no_file_but_the_patients_tables_holds_a_patients_value(foreign):
    found = {}
    for path in sorted((foreign.home / "runs").rglob("*")):
        name = path.relative_to(foreign.run).as_posix() if foreign.run in path.parents else ""
        if not path.is_file() or name in PATIENTS:
            continue
        if path.suffix == ".parquet":
            text = pq.read_table(path).to_pandas().to_csv() + str(pq.read_schema(path).metadata)
        else:
            text = path.read_bytes().decode("utf-8", errors="replace")
        if leaks(text):
            found[path.relative_to(foreign.home).as_posix()] = leaks(text)
    assert found == {}


@pytest.mark.slow
def test_the_patients_tables_are_not_in_the_registry(foreign):
    files = [p for p in (foreign.home / "runs" / "mlartifacts").rglob("*") if p.is_file()]
    assert len(files) > 50
    # The code's own tables of codes hold no patient.
    tables = [p for p in files if p.suffix in (".parquet", ".csv")]
    assert not [p for p in tables if "code" not in p.relative_to(foreign.home).parts]
    assert (foreign.run / "explain" / "beeswarm_died.png").exists()
    # Pictures in which each point is a patient stay in the run folder.
    drawn = {p.name for p in files if p.suffix in (".png", ".svg")}
    assert "importance_died.png" in drawn
    assert not [name for name in drawn if name.startswith(("beeswarm", "waterfall"))]
    card = (foreign.run / "card" / "model_card.html").read_text(encoding="utf-8")
    for name in ("beeswarm_died", "waterfall_high"):
        assert (foreign.run / "explain" / f"{name}.png").exists()
        assert name not in re.sub(r"data:image[^\"]*", "", card)


@pytest.mark.slow
def test_too_few_patients_get_the_base_rate_and_are_told(
    tmp_path, configure, quick_settings, command
):
    table = draw(45, seed=9)
    config = write(tmp_path, table, configure, quick_settings)
    ended = command("run", config)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "(prior alone)" in ended.stdout
    assert "refused as champion" in ended.stdout
    scorer = pipeline.load(str(tmp_path / "runs" / "fremd" / "train" / "model"))
    cohort = pd.read_parquet(tmp_path / "runs" / "fremd" / "ingest" / "cohort.parquet")
    risks = scorer.predict(cohort)
    assert set(risks["status"]) == {"ok"}
    assert set(risks["risk_died"].diff().dropna()) == {0}
    assert risks["risk_died"].iloc[0] == pytest.approx(table["tot"].mean(), abs=0.01)
    assert all("died: " in text and "45" in text for text in risks["notes"])
    assert set(scorer.predict(pd.DataFrame(index=[0]))["status"]) == {"abstain"}
    card = (tmp_path / "runs" / "fremd" / "card" / "model_card.md").read_text()
    assert "not assessed" in card


def test_brands_and_other_units_give_the_same_matrix(small_run, configure, command, tmp_path):
    cohort = pd.read_parquet(small_run.folder / "ingest" / "cohort.parquet")
    brands = {
        "axicabtagene ciloleucel": "Yescarta",
        "tisagenlecleucel": " KYMRIAH",
        "teclistamab": "Tecvayli",
    }
    # Factors by hand: 113.12 g/mol creatinine; 1 ukat = 60 U; 10 dL = 1 L.
    units = {
        "ldh": ("ukat/L", 1 / 60),
        "crp": ("mg/dL", 0.1),
        "hemoglobin": ("g/L", 10),
        "creatinine": ("umol/L", 1e4 / 113.12),
        "platelets": ("/uL", 1000),
    }
    table = cohort.assign(therapy=cohort["therapy"].map(brands))
    for name, (_, factor) in units.items():
        table[name] = table[name] * factor
    table.to_csv(tmp_path / "table.csv", index=False)
    columns = {
        name: {"column": name, "unit": units[name][0]} if name in units else name
        for name in cohort
        if name != "patient_id"
    }
    tables = [{"file": "table.csv", "key": "patient_id", "columns": columns}]
    config = configure(tmp_path, source={"kind": "table", "tables": tables})
    ended = command("features", config)
    assert ended.returncode == 0, ended.stderr
    there, here = (
        pd.read_parquet(run / "features" / "matrix.parquet")
        for run in (small_run.folder, tmp_path / "runs" / "small")
    )
    pd.testing.assert_frame_equal(here[list(there)], there, rtol=1e-9)
    assert set(here) == set(there)
    priors = [
        pd.read_parquet(run / "features" / "prior.parquet")
        for run in (small_run.folder, tmp_path / "runs" / "small")
    ]
    pd.testing.assert_frame_equal(*priors)
    report = json.loads((tmp_path / "runs" / "small" / "ingest" / "ingest.json").read_text())
    assert report["kind"] == "table"
