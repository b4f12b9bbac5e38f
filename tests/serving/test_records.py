"""Raw records: units and days per value, and what makes the scorer abstain."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import InputError


@pytest.fixture
def record(scorer, cohort):
    """A patient of whom every numeric value but a few is known, in canonical units."""
    known = cohort[cohort["crp"].notna() & cohort["temperature"].notna() & cohort["ldh"].notna()]
    row = known.iloc[0]
    return {
        name: row[name]
        for name in scorer.inputs
        if row[name] is not None and row[name] == row[name]
    }


def risk(answer, outcome="ge2"):
    return answer["risks"][outcome]["risk"]


def test_a_record_gets_what_the_same_row_of_a_table_gets(scorer, cohort, risks):
    rows = cohort.head(60)
    records = [{n: r[n] for n in scorer.inputs if pd.notna(r[n])} for _, r in rows.iterrows()]
    for together in (scorer.score(records), [scorer.score([r])[0] for r in records]):
        for answer, (_, row) in zip(together, risks.head(60).iterrows(), strict=True):
            assert answer["status"] == row["status"]
            for outcome, found in answer["risks"].items():
                for key, column in (
                    ("risk", f"risk_{outcome}"), ("low", f"risk_{outcome}_low"),
                    ("high", f"risk_{outcome}_high"), ("prior", f"prior_{outcome}"),
                ):  # fmt: skip
                    assert found[key] == pytest.approx(row[column], abs=1e-12, rel=0)
            reasons = json.loads(row["reasons"])
            for outcome, reason in answer["reasons"].items():
                assert reason["from"] == reasons[outcome]["from"]
                assert reason["contributions"] == pytest.approx(
                    reasons[outcome]["contributions"], abs=1e-12
                )
            sentences = ["no risk: " + s for s in answer["because"]] + answer["warnings"]
            assert sentences == json.loads(row["notes"])


# Factors by hand: 1 mg/dL = 10 mg/L; (98.6 degF - 32) / 1.8 = 37 Cel; 1 ukat = 60 U;
# 1 10*9/L = 1000 /uL.
@pytest.mark.parametrize(
    ("name", "canonical", "value", "unit"),
    [
        ("crp", 35.0, 3.5, "mg/dL"),
        ("temperature", 37.0, 98.6, "[degF]"),
        ("ldh", 300.0, 5.0, "ukat/L"),
        ("platelets", 90.0, 90000, "/uL"),
        ("ferritin", 700.0, 700.0, "µg/L"),
    ],
)
def test_a_value_in_another_unit_is_the_same_value(scorer, record, name, canonical, value, unit):
    plain = scorer.score([record | {name: canonical}])[0]
    stated = scorer.score([record | {name: {"value": value, "unit": unit}}])[0]
    assert plain["status"] == stated["status"] == "ok"
    for outcome, found in plain["risks"].items():
        numbers = {name: found[name] for name in ("risk", "low", "high", "prior")}
        told = {name: stated["risks"][outcome][name] for name in numbers}
        assert told == pytest.approx(numbers, rel=1e-9)


def test_units_of_the_dictionary_are_carried_in_the_artifact(scorer):
    carried = scorer.artifact.facts["conversions"]
    assert carried["crp"]["mg/dL"] == [10.0, 0.0]
    # Haemoglobin: 1 mmol/L of the monomer (16,114 g/mol) is 1.6114 g/dL.
    assert carried["hemoglobin"]["mmol/L"][0] == pytest.approx(1.6114, rel=1e-3)
    assert set(carried) == {v.name for v in scorer.artifact.dictionary if v.accepts}


def test_a_value_out_of_range_after_conversion_abstains(scorer, record):
    (answer,) = scorer.score([record | {"crp": {"value": 350.0, "unit": "mg/dL"}}])
    assert answer["status"] == "abstain"
    assert answer["because"] == ["'crp' is outside 0 to 700 mg/L; is its unit right?"]
    assert all(found["risk"] is None for found in answer["risks"].values())
    assert all(found["prior"] is not None for found in answer["risks"].values())
    assert "reasons" not in answer


def test_a_unit_that_is_not_accepted_abstains_and_is_not_repeated(scorer, record):
    (answer,) = scorer.score([record | {"crp": {"value": 3.5, "unit": "furlong-77"}}])
    assert answer["status"] == "abstain"
    assert "'crp' is in a unit that is not accepted" in answer["because"][0]
    assert "mg/dL" in answer["because"][0]
    assert "furlong" not in json.dumps(answer)


@pytest.mark.parametrize("day", [1, 1.2, 30])
def test_a_value_measured_after_infusion_abstains(scorer, record, day):
    (answer,) = scorer.score([record | {"crp": {"value": 3.5, "day": day}}])
    assert answer["status"] == "abstain"
    assert answer["because"] == ["'crp' was measured after the infusion"]


@pytest.mark.parametrize("day", [0, 0.4, -1, -30])
def test_a_value_of_the_baseline_window_is_used(scorer, record, day):
    plain, dated = scorer.score(
        [record | {"crp": 3.5}, record | {"crp": {"value": 3.5, "day": day}}]
    )
    assert dated == plain


def test_a_value_from_before_the_window_is_not_used_and_that_is_said(scorer, record):
    dated = record | {"crp": {"value": 3.5, "day": -31}}
    without = {name: value for name, value in record.items() if name != "crp"}
    old, missing = scorer.score([dated, without])
    assert risk(old) == risk(missing)
    assert (
        "'crp' was measured more than 30 days before the infusion and is not used"
        in old["warnings"]
    )


def test_too_much_missing_is_said(scorer, record):
    leading = scorer.artifact.facts["scoring"]["leading"]
    few = {n: v for n, v in record.items() if n in {"therapy", "disease", *leading}}
    (answer,) = scorer.score([few])
    assert answer["status"] == "ok"
    assert any("values that training usually knew are missing" in w for w in answer["warnings"])
    assert not any("usually knew" in w for w in scorer.score([record])[0]["warnings"])


def test_a_therapy_seen_in_other_diseases_only_is_said(scorer, record):
    (answer,) = scorer.score([record | {"therapy": "teclistamab", "disease": "LBCL"}])
    assert "training saw no patient with this therapy in this disease" in answer["warnings"]


def test_a_missing_disease_is_no_disease_that_training_did_not_see(scorer, record):
    (answer,) = scorer.score([{k: v for k, v in record.items() if k != "disease"}])
    assert (
        "'disease' is missing: the starting point is the therapy's rate in any"
        in (answer["warnings"])
    )
    assert not any("in this disease" in warning for warning in answer["warnings"])


@pytest.mark.parametrize(
    "value", ["SENTINEL", "<5", "1_000", [4], {"value": [4]}, {"value": "x"}, {"worth": 3}, b"4"]
)
def test_what_is_no_number_is_refused_and_not_quoted(scorer, record, value):
    with pytest.raises(InputError, match="column 'crp': record 2") as error:
        scorer.score([record, record | {"crp": value}])
    for text in ("SENTINEL", "1_000", "worth", "<5"):
        assert text not in str(error.value)


@pytest.mark.parametrize("day", ["0", True, float("nan"), [1]])
def test_a_day_that_is_no_number_is_refused(scorer, record, day):
    with pytest.raises(InputError, match="has a day that is no number"):
        scorer.score([record | {"crp": {"value": 4, "day": day}}])


def test_an_unknown_name_is_refused_with_the_nearest_known_one(scorer, record):
    with pytest.raises(InputError, match=r"record 1 .* did you mean 'ferritin'") as error:
        scorer.score([record | {"feritin": 5}])
    assert "feritin;" not in str(error.value)


def test_numbers_as_text_and_empty_text_are_taken(scorer, record):
    plain, spelt = scorer.score([record | {"crp": 3.5}, record | {"crp": " 3.5 "}])
    assert spelt == plain
    assert scorer.score([record | {"crp": ""}]) == scorer.score([record | {"crp": None}])


@pytest.mark.parametrize("value", [None, float("nan"), " "])
@pytest.mark.parametrize("said", [{}, {"day": 5}, {"unit": "furlong"}])
def test_what_is_said_of_a_missing_value_does_not_count(scorer, record, value, said):
    missing, stated = scorer.score(
        [record | {"crp": None}, record | {"crp": {"value": value} | said}]
    )
    assert stated == missing


def test_an_empty_unit_is_none(scorer, record):
    plain, stated = scorer.score(
        [record | {"crp": 3.5}, record | {"crp": {"value": 3.5, "unit": ""}}]
    )
    assert stated == plain


@pytest.mark.parametrize("truth", [True, np.bool_(True)])
def test_a_truth_value_is_no_number_but_for_yes_and_no(scorer, record, truth):
    (binary,) = [v for v in scorer.inputs if scorer.artifact.dictionary[v].kind == "binary"][:1]
    assert scorer.score([record | {binary: truth}]) == scorer.score([record | {binary: 1}])
    with pytest.raises(InputError, match="column 'age': record 1 holds a truth value"):
        scorer.score([record | {"age": truth}])
    for cells in ([truth], [truth, None], [truth] * 20):
        with pytest.raises(InputError, match="column 'age': holds truth values"):
            scorer.predict(pd.DataFrame({"age": cells, "therapy": "axi-cel"}))


def test_a_level_counts_in_any_case(scorer, record):
    plain, shouted = scorer.score(
        [record | {"disease": "LBCL", "sex": "male"}, record | {"disease": "lbcl", "sex": "Male"}]
    )
    assert shouted == plain
    tables = [
        scorer.predict(pd.DataFrame([{"therapy": "axi-cel", "disease": name, "ldh": 410.0}] * 20))
        for name in ("LBCL", "Lbcl")
    ]
    pd.testing.assert_frame_equal(*tables)


def test_platelets_in_another_unit_than_stated_get_no_risk(scorer, record):
    """95 a microlitre is 0.095 10*9/L, less than any analyser counts."""
    (answer,) = scorer.score([record | {"platelets": {"value": 95, "unit": "/uL"}}])
    assert answer["status"] == "abstain"
    assert "is its unit right?" in answer["because"][0]


def test_no_records_give_no_answers(scorer):
    assert scorer.score([]) == []


def test_numpy_values_are_taken(scorer, record):
    assert scorer.score([record | {"crp": np.float32(4)}]) == scorer.score([record | {"crp": 4}])


LOAD = """
import sys
from pipeline.serving.scorer import load
scorer = load(sys.argv[1])
answer, = scorer.score([{"therapy": "axi-cel", "disease": "LBCL", "ldh": 410, "platelets": 95,
    "crp": {"value": 3.5, "unit": "mg/dL"}, "tumour_burden": 80, "hemoglobin": 9}])
assert answer["status"] == "ok", answer
scorer.predict(__import__("pandas").DataFrame([{"therapy": "axi-cel", "ldh": 410}]))
print(" ".join(sorted({name.split(".")[0] for name in sys.modules})))
"""


def test_scoring_imports_nothing_of_training(model, environment):
    ended = subprocess.run(
        [sys.executable, "-c", LOAD, str(model)],
        env=environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    imported = set(ended.stdout.split())
    assert imported & {"numpy", "pandas"}
    for heavy in ("sklearn", "shap", "matplotlib", "mlflow", "lightgbm", "scipy", "glum", "pint"):
        assert heavy not in imported, heavy


def test_the_evidence_of_each_prior_is_told(scorer):
    """Of a published therapy, grade 2 is interpolated; of an assumed one, nothing is published."""
    known, recalled, unknown = scorer.score(
        [{"therapy": "axi-cel"}, {"therapy": "glofitamab"}, {"therapy": "no such therapy"}],
        reasons=False,
    )
    assert [r["evidence"] for r in known["risks"].values()] == ["published", "interpolated"]
    assert [r["evidence"] for r in recalled["risks"].values()] == ["assumed", "interpolated"]
    assert [r["evidence"] for r in unknown["risks"].values()] == [None, None]
