from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.cohort.dictionary import PREDICTOR_ROLES, Dictionary, read_dictionary
from pipeline.errors import InputError

SHIPPED = Path(__file__).parents[2] / "configs" / "variables.yaml"


@pytest.fixture
def read(tmp_path):
    def of(text):
        file = tmp_path / "variables.yaml"
        file.write_text(text, encoding="utf-8")
        return read_dictionary(file)

    return of


ID = "  id: {role: id, timing: baseline, kind: text}\n"


def test_an_entry_needs_only_role_and_timing(read):
    dictionary = read("variables:\n" + ID + "  crp: {role: lab, timing: baseline}\n")
    assert dictionary.id_name == "id"
    assert dictionary["crp"].label == "crp"
    assert dictionary["crp"].kind == "numeric"
    assert dictionary.names() == ["id", "crp"]
    assert dictionary.names("lab", "vital") == ["crp"]
    assert len(dictionary) == 2
    assert "crp" in dictionary
    assert "ldh" not in dictionary


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("{role: lab}", "lacks the key 'timing'"),
        ("{timing: post}", "lacks the key 'role'"),
        ("{role: lab, timing: baseline, units: mg/L}", "unknown key 'units'; did you mean 'unit'?"),
        ("{role: labs, timing: baseline}", "key 'role': Input should be 'id'"),
        ("{role: lab, timing: before}", "key 'timing': Input should be 'baseline' or 'post'"),
        ("{role: lab, timing: baseline, kind: integer}", "key 'kind': Input should be"),
        ("{role: lab, timing: baseline, range: [5, 1]}", "range must be [low, high] with low <"),
        ("{role: lab, timing: baseline, usual: [2, 2]}", "usual must be [low, high] with low <"),
        ("{role: lab, timing: baseline, range: [5]}", "key 'range"),
        ("{role: lab, timing: baseline, kind: binary, unit: mg/L}", "a binary variable takes no"),
        ("{role: lab, timing: baseline, scale: log}", "scale: log needs a floor"),
        ("{role: lab, timing: baseline, scale: log, range: [0, 9]}", "scale: log needs a floor"),
        ("{role: outcome, timing: baseline}", "known only after infusion: timing must be post"),
        (
            "{role: lab, timing: baseline, kind: categorical, trend: up}",
            "a categorical variable has no trend",
        ),
        (
            "{role: lab, timing: baseline, unit: mg/L, molar_mass: -3}",
            "key 'molar_mass': Input should be greater than 0",
        ),
        (
            "{role: lab, timing: baseline, unit: mg/L, accepts: [mmol/L]}",
            "unit 'mmol/L' cannot be converted to 'mg/L'. Expected a unit of the same kind",
        ),
        (
            "{role: lab, timing: baseline, unit: mg/L, accepts: [kg]}",
            "unit 'kg' cannot be converted to 'mg/L'",
        ),
        ("{role: lab, timing: baseline, unit: bogus/L}", "unit 'bogus/L' cannot be converted"),
        ("{role: lab, timing: baseline, unit: 'mg/(L'}", "unit 'mg/(L' cannot be converted"),
        ("lab", "is not a mapping of keys"),
    ],
)
def test_faults_name_the_file_the_variable_and_the_key(read, entry, says):
    with pytest.raises(InputError) as error:
        read(f"variables:\n{ID}  crp: {entry}\n")
    assert says in str(error.value)
    assert "variables.yaml, column 'crp'" in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no variables. Expected a mapping under 'variables'"),
        ("variables: []", "holds no variables"),
        ("crp: {role: lab}", "holds no variables"),
        ("variables: {", "not readable as YAML"),
        (
            "variables:\n  crp: {role: lab, timing: baseline}\n",
            "exactly one variable with role: id",
        ),
        ("variables:\n" + ID + ID.replace("id:", "nr:", 1), "exactly one variable with role: id"),
        ("variables:\n" + ID + ID, "key 'id' stands twice"),
    ],
)
def test_faults_of_the_file_as_a_whole(read, text, says):
    with pytest.raises(InputError) as error:
        read(text)
    assert says in str(error.value)
    assert "variables.yaml" in str(error.value)


def test_an_absent_dictionary(tmp_path):
    with pytest.raises(
        InputError, match=r"none\.yaml: no such file.*set 'dictionary' in the config"
    ):
        read_dictionary(tmp_path / "none.yaml")


def test_an_unknown_name_gets_the_nearest_known_one():
    with pytest.raises(InputError, match="'ferritine' is not in the data dictionary; did you mean"):
        read_dictionary(SHIPPED)["ferritine"]


def test_yes_and_no_are_levels_and_not_truth_values(read):
    entry = "  flag: {role: lab, timing: baseline, kind: categorical, levels: [yes, no]}\n"
    assert read("variables:\n" + ID + entry)["flag"].levels == ["yes", "no"]


def test_a_variable_may_have_one_code_or_several(read):
    entry = "  {}: {{role: lab, timing: baseline, loinc: {}}}\n"
    text = ID + entry.format("one", "1988-5") + entry.format("two", "[1988-5, 30522-7]")
    found = read("variables:\n" + text)
    assert found["one"].loinc == ["1988-5"]
    assert found["two"].loinc == ["1988-5", "30522-7"]
    assert found["id"].loinc == []


@pytest.mark.parametrize(
    "code", [code for variable in read_dictionary(SHIPPED) for code in variable.loinc]
)
def test_the_shipped_codes_have_the_check_digit_of_loinc(code):
    """The last digit is by Luhn's formula (modulo 10) from those before it."""
    number, check = code.split("-")
    doubled = [int(digit) * (2 - position % 2) for position, digit in enumerate(reversed(number))]
    assert (sum(part // 10 + part % 10 for part in doubled) + int(check)) % 10 == 0


def test_no_shipped_code_stands_for_two_variables():
    codes = [code for variable in read_dictionary(SHIPPED) for code in variable.loinc]
    assert len(codes) == len(set(codes))
    # D-dimer units are half of the dictionary's fibrinogen-equivalent ones, LDH by the pyruvate
    # reaction is about twice that by the lactate reaction, and 33939-0 is interleukin-2.
    assert not {"48066-5", "14805-6", "33939-0"} & set(codes)


def test_levels_count_in_any_case_unless_case_tells_them_apart(read):
    entry = "  arm: {role: lab, timing: baseline, kind: categorical, levels: [LBCL, a, A]}\n"
    assert read("variables:\n" + ID + entry)["arm"].level_of == {"lbcl": "LBCL"}


def test_only_baseline_measurements_may_become_predictors():
    dictionary = read_dictionary(SHIPPED)
    predictors = [v for v in dictionary if v.is_baseline_predictor]
    assert predictors
    for variable in predictors:
        assert variable.timing == "baseline"
        assert variable.role in PREDICTOR_ROLES
    names = {v.name for v in predictors}
    assert not names & {"patient_id", "site", "infusion_year", "crs_grade", "post_peak_crp"}
    assert not any(name.startswith("post_") for name in names)


def test_json_holds_the_whole_dictionary():
    dictionary = read_dictionary(SHIPPED)
    again = Dictionary.from_json(dictionary.to_json())
    assert list(again) == list(dictionary)


def test_restriction_keeps_the_cohorts_columns_and_makes_levels_explicit():
    dictionary = read_dictionary(SHIPPED)
    cohort = pd.DataFrame(
        {"patient_id": ["1", "2", "3"], "therapy": ["b", np.nan, "a"], "sex": ["male"] * 3}
    )
    restricted = dictionary.restricted_to(cohort)
    assert restricted.names() == ["patient_id", "therapy", "sex"]
    assert restricted["therapy"].levels == ["a", "b"]
    assert restricted["sex"].levels == ["female", "male"]  # those of the dictionary stay
    with pytest.raises(InputError, match="'therapi' is not in the data dictionary"):
        dictionary.restricted_to(cohort.rename(columns={"therapy": "therapi"}))


@pytest.mark.parametrize("variable", read_dictionary(SHIPPED), ids=lambda v: v.name)
def test_the_shipped_entries_agree_with_themselves(variable):
    if variable.usual and variable.range:
        low, high = variable.range
        assert low <= variable.usual[0] < variable.usual[1] <= high
    if variable.name.startswith("post_"):
        assert variable.timing == "post"
    if variable.kind == "categorical" and variable.levels:
        assert len(set(variable.levels)) == len(variable.levels)
