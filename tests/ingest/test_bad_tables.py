"""Tables and column maps that cannot be used: each gets one sentence, without a patient's value.

Every case plants values that could only come from a patient: identifiers starting with
PX739, a CRP of 48151.6 and the word Wurzelbert. A message must contain none of them.
"""

from dataclasses import dataclass, field

import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.ingest.tables import read_tables

SENTINELS = ("PX739", "48151", "urzelbert", "77316")
CASES = {}


def cohort(n=24):
    return pd.DataFrame(
        {
            "id": [f"PX739{i:02d}" for i in range(n)],
            "CRP": ["48151.6"] * n,
            "day": ["-1"] * n,
            "sex": ["male", "female"] * (n // 2),
            "prior CAR": ["0", "1"] * (n // 2),
            "CRS": [str(i % 5) for i in range(n)],
        }
    )


def mapping(file="cohort.csv", **changes):
    columns = {"crs_grade": "CRS", "crp": {"column": "CRP", "unit": "mg/L", "day": "day"}}
    return {"file": file, "key": "id", "columns": columns} | changes


def with_columns(**columns):
    return mapping(columns=mapping()["columns"] | columns)


def long_mapping(**long):
    rows = long.pop("rows", "IL-6")
    return {
        "file": "long.csv",
        "key": "id",
        "long": {"name": "test", "value": "value"} | long,
        "variables": {"il6": rows},
    }


def long_rows(**columns):
    rows = cohort()[["id"]].assign(test="IL-6", value="48151.6", unit="pg/mL", day="0")
    return rows.assign(**columns)


@dataclass
class Bad:
    """Files to write, tables to read them with, and what the message must say."""

    says: tuple
    tables: list = field(default_factory=lambda: [mapping()])
    changes: dict = field(default_factory=dict)


def case(*says, tables=None, **changes):
    """Register the function that writes the files as a case of the parametrised tests."""

    def register(write):
        tables_ = tables if tables is not None else [mapping()]
        CASES[write.__name__.replace("_", " ")] = (write, Bad(says, tables_, changes))
        return write

    return register


def save(frame, folder, name="cohort.csv"):
    frame.to_csv(folder / name, index=False)


def cell(frame, column, values):
    frame.loc[frame.index[: len(values)], column] = values
    return frame


# -- files ------------------------------------------------------------------------------


@case("cohort.csv: no such file", "To mend: ask the registry", obtain="ask the registry")
def absent_file_with_its_source(folder):
    pass


@case("cohort.csv: no such file", "correct 'file', which is relative to the config's folder")
def absent_file(folder):
    pass


@case("cohort.csv: is a folder", "name the file in it")
def a_folder(folder):
    (folder / "cohort.csv").mkdir()


@case("files ending in '.docx' cannot be read", ".csv", tables=[mapping("cohort.docx")])
def an_unknown_ending(folder):
    (folder / "cohort.docx").write_text("PX739")


@case("cohort.csv: is empty", "a header and rows")
def an_empty_file(folder):
    (folder / "cohort.csv").touch()


@case("cohort.csv: is empty")
def a_file_of_blank_lines(folder):
    (folder / "cohort.csv").write_text("\n \n\n")


@case("cohort.csv: has a header and no rows", "at least one row")
def a_header_only(folder):
    save(cohort(0), folder)


@case("cohort.xlsx: is empty", tables=[mapping("cohort.xlsx")])
def an_empty_sheet(folder):
    pd.DataFrame().to_excel(folder / "cohort.xlsx", index=False)


@case("cohort.csv: is not UTF-8 text", "Windows-1252", "save it again as 'CSV UTF-8'")
def another_encoding(folder):
    text = cohort().to_csv(index=False) + "PX739å,1,0,male,0,1\n"
    (folder / "cohort.csv").write_bytes(text.encode("cp1252"))


@case("cohort.csv: is not UTF-8 text")
def utf_16(folder):
    (folder / "cohort.csv").write_bytes(cohort().to_csv(index=False).encode("utf-16"))


@case("cohort.csv: holds zero bytes")
def zero_bytes(folder):
    (folder / "cohort.csv").write_text(cohort().to_csv(index=False) + "\0\0")


@case("one column only when its cells are separated by ','", "set 'separator: ';''")
def another_separator(folder):
    cohort().to_csv(folder / "cohort.csv", index=False, sep=";")


@case("cohort.csv: 2 rows with more or fewer cells than the header has (6)", "quote cells")
def ragged_rows(folder):
    text = cohort().to_csv(index=False) + "PX73991,1,0,male,0,1,Wurzelbert\nPX73992,48151.6\n"
    (folder / "cohort.csv").write_text(text)


@case("cohort.csv: 1 column name stands twice ('CRP')", "rename the columns")
def a_column_name_twice(folder):
    save(cohort().rename(columns={"day": "CRP"}), folder)


@case("2 column names stand twice.", "add the header if the file has none")
def values_in_place_of_a_header(folder):
    row = "48151.6,48151.6,77316,77316,1,2\n"
    (folder / "cohort.csv").write_text(row * 30)


@case("column 'id': no such column", "one of the columns of the file")
def no_header(folder):
    frame = cohort().assign(day="77316")
    frame["prior CAR"] = "no"
    frame.to_csv(folder / "cohort.csv", index=False, header=False)


@case("cannot be read as Parquet: it is damaged", tables=[mapping("cohort.parquet")])
def truncated_parquet(folder):
    path = folder / "cohort.parquet"
    cohort().to_parquet(path)
    path.write_bytes(path.read_bytes()[:-40])


@case("cannot be read as Parquet: it is damaged", tables=[mapping("cohort.parquet")])
def parquet_damaged_inside(folder):
    path = folder / "cohort.parquet"
    cohort().to_parquet(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + bytes(200) + whole[204:])


@case("cannot be read as XLSX: it is damaged", tables=[mapping("cohort.xlsx")])
def truncated_xlsx(folder):
    path = folder / "cohort.xlsx"
    cohort().to_excel(path, index=False)
    path.write_bytes(path.read_bytes()[:-2000])


@case("cannot be read as SAS XPT", "version 5", tables=[mapping("cohort.xpt")])
def no_transport_file(folder):
    (folder / "cohort.xpt").write_bytes(b"PX739 Wurzelbert".ljust(800))


@case("is named .csv but holds XLSX", "give the file the ending .xlsx")
def a_spreadsheet_named_csv(folder):
    cohort().to_excel(folder / "cohort.xlsx", index=False)
    (folder / "cohort.xlsx").rename(folder / "cohort.csv")


@case("has no sheet 'Lab'; did you mean 'Labs'?", tables=[mapping("c.xlsx", sheet="Lab")])
def no_such_sheet(folder):
    cohort().to_excel(folder / "c.xlsx", index=False, sheet_name="Labs")


@case("has no sheet 3", "one of its 1 sheets", tables=[mapping("c.xlsx", sheet=3)])
def no_such_sheet_number(folder):
    cohort().to_excel(folder / "c.xlsx", index=False)


# -- columns ----------------------------------------------------------------------------


@case(
    "cohort.csv, column 'CRP mg/L': no such column; did you mean 'CRP'?",
    "correct 'column' of crp",
    tables=[with_columns(crp="CRP mg/L")],
)
def a_misspelt_column(folder):
    save(cohort(), folder)


@case("column 'ident': no such column", "correct key", tables=[mapping(key="ident")])
def a_misspelt_key(folder):
    save(cohort(), folder)


@case(
    "column 'days': no such column; did you mean 'day'?",
    "correct 'day' of crp",
    tables=[with_columns(crp={"column": "CRP", "day": "days"})],
)
def a_misspelt_day(folder):
    save(cohort(), folder)


@case("cohort.csv, column 'id': the key is empty in 2 rows", "complete the identifiers")
def empty_keys(folder):
    save(cell(cohort(), "id", ["", " "]), folder)


@case("column 'id': duplicate patient: 1 identifiers stand in 3 rows", "one row per patient")
def a_duplicate_patient(folder):
    save(cell(cohort(), "id", ["PX7399"] * 3), folder)


@case("column 'CRP': 2 of 24 values are text", "Expected numbers", "'recode'", "'missing'")
def text_in_a_number(folder):
    save(cell(cohort(), "CRP", ["Wurzelbert", "48151.6 high"]), folder)


@case("column 'CRP': 2 of 24 values are text", "set 'decimal: \",\"'", "2 values written so")
def decimal_commas(folder):
    save(cell(cohort(), "CRP", ["48151,6", "77316,5"]), folder)


@case("column 'CRP': 1 of 24 values are text", "'decimal: \".\"'", tables=[mapping(decimal=",")])
def a_point_beside_decimal_commas(folder):
    frame = cohort().assign(CRP="48151,6")
    save(cell(frame, "CRP", ["48151.6"]), folder)


@case("column 'CRP': 2 values infinite", "finite numbers")
def infinite_values(folder):
    save(cell(cohort(), "CRP", ["inf", "1e999"]), folder)


@case("column 'CRP': 1 value infinite", tables=[mapping("cohort.parquet")])
def infinite_typed_values(folder):
    frame = cohort().assign(CRP=48151.6)
    cell(frame, "CRP", [float("inf")]).to_parquet(folder / "cohort.parquet")


@case(
    "column 'CRP': unit 'mgdL' is not accepted for 'crp'; did you mean 'mg/dL'?",
    "one of mg/L, mg/dL, ug/mL",
    "add it to 'accepts'",
    tables=[with_columns(crp={"column": "CRP", "unit": "mgdL"})],
)
def a_unit_that_is_not_accepted(folder):
    save(cohort(), folder)


@case(
    "column 'sex': a unit ('kg') is stated for 'sex', which is categorical",
    "leave 'unit' out",
    tables=[with_columns(sex={"column": "sex", "unit": "kg"})],
)
def a_unit_of_no_number(folder):
    save(cohort(), folder)


@case("column 'day': 24 cells of the day column hold dates", "days relative to infusion")
def dates_as_days(folder):
    save(cohort().assign(day="2021-07-31"), folder)


@case(
    "column 'day': 1 of 24 days are text",
    "Expected days relative to infusion (infusion is day 0, the day before it -1), whole or in",
    "leave cells empty where no day is known",
)
def text_as_day(folder):
    save(cell(cohort(), "day", ["Wurzelbert"]), folder)


@case(
    "long.csv, column 'day': 24 of 24 days are text",
    "correct the day column in the table",
    tables=[mapping(), long_mapping(day="day", unit="unit")],
)
def text_as_day_of_a_long_table(folder):
    save(cohort(), folder)
    save(long_rows(day="Wurzelbert"), folder, "long.csv")


@case("column 'day': 1 of 24 days are text", "set 'decimal: \",\"'", "1 value written so")
def a_decimal_comma_in_a_day(folder):
    save(cell(cohort(), "day", ["-0,5"]), folder)


@case(
    "column 'prior CAR': 2 of 24 values are neither yes nor no",
    "0 or 1, true or false, yes or no",
    "which text means 0 and which 1",
    tables=[with_columns(prior_car_t="prior CAR")],
)
def a_third_binary_value(folder):
    save(cell(cohort(), "prior CAR", ["Wurzelbert", "77316"]), folder)


@case(
    "column 'sex': 1 of 24 values are no level of 'sex'",
    "one of female, male",
    "map them under 'recode'",
    tables=[with_columns(sex="sex")],
)
def an_unknown_level(folder):
    save(cell(cohort(), "sex", ["Wurzelbert"]), folder)


@case(
    "column 'sex': 12 of 24 values are no level of 'sex', 'femal' of 'recode' among them",
    "did you mean 'female'?",
    tables=[with_columns(sex={"column": "sex", "recode": {"female": "femal"}})],
)
def a_recode_to_no_level(folder):
    save(cohort(), folder)


# -- outcomes and patients --------------------------------------------------------------


@case(
    "cohort.csv, column 'crs_grade': 2 of 24 values of 'crs_grade' are outside its range",
    "values from 0 to 5",
)
def grade_seven(folder):
    save(cell(cohort(), "CRS", ["7", "-1"]), folder)


@case(
    "cohort.csv, column 'crs_grade': 2 of 24 values of 'crs_grade' lie between two grades",
    "whole grades from 0 to 5",
    "recode each to a whole grade",
)
def grades_between_two(folder):
    save(cell(cohort(), "CRS", ["1.5", "2.25"]), folder)


@case(
    "column 'crs_grade': 3 of 24 patients have no value of 'crs_grade', and outcome 'any'",
    "leave these patients out",
    "'recode: {\"\": 0}'",
)
def an_outcome_that_is_missing(folder):
    save(cell(cohort(), "CRS", ["", "NA", "nan"]), folder)


@case("column 'crs_grade': 4 of 24 patients have no value", tables=[
    mapping(columns={"crp": "CRP"}),
    {"file": "grades.csv", "key": "id", "columns": {"crs_grade": "CRS"}},
])  # fmt: skip
def patients_without_a_row_of_outcomes(folder):
    save(cohort(), folder)
    save(cohort(20), folder, "grades.csv")


@case("outcome 'any' has one class only: 0 of 24 patients reach 1")
def nobody_with_the_outcome(folder):
    save(cohort().assign(CRS="0"), folder)


@case("outcome 'any' has one class only: 24 of 24 patients reach 1", "remove the outcome")
def everybody_with_the_outcome(folder):
    save(cohort().assign(CRS="4"), folder)


@case("cohort.csv: holds 19 patients", "at least 20")
def too_few_patients(folder):
    save(cohort(20).iloc[:19], folder)


@case(
    "labs.csv, column 'id': none of its 24 patients is in the first table ('cohort.csv')",
    "the same identifiers in both",
    tables=[mapping(), {"file": "labs.csv", "key": "id", "columns": {"ldh": "CRP"}}],
)
def tables_without_a_common_patient(folder):
    save(cohort(), folder)
    save(cohort().assign(id=range(24)), folder, "labs.csv")


# -- the map ----------------------------------------------------------------------------


@case("'ferritine' is not in the data dictionary; did you mean 'ferritin'?",
      tables=[with_columns(ferritine="CRP")])  # fmt: skip
def a_variable_of_no_dictionary(folder):
    save(cohort(), folder)


@case(
    "'crp' is mapped twice, in cohort.csv and in labs.csv",
    tables=[mapping(), {"file": "labs.csv", "key": "id", "columns": {"crp": "CRP"}}],
)
def a_variable_mapped_twice(folder):
    save(cohort(), folder)


@case(
    "config.yaml, column 'CRS': 'CRS' of cohort.csv is mapped to 'crs_grade', known only after",
    "and to 'ecog', a baseline variable",
    "correct the column of 'ecog', or leave that variable out",
    tables=[with_columns(ecog="CRS")],
)
def an_outcome_as_its_own_predictor(folder):
    save(cohort(), folder)


@case(
    "'CRP' of cohort.csv is mapped to 'post_peak_crp', known only after infusion, and to 'crp'",
    tables=[
        mapping(),
        mapping(columns={"post_peak_crp": {"column": "CRP", "unit": "mg/L"}}),
    ],
)
def a_follow_up_column_as_baseline_in_a_second_table(folder):
    save(cohort(), folder)


@case("'crp' is mapped twice, in cohort.csv and in constants", constants={"crp": 1})
def a_constant_that_is_mapped(folder):
    save(cohort(), folder)


@case("filled from the 'key' of the first table", tables=[with_columns(patient_id="id")])
def the_identifier_mapped(folder):
    save(cohort(), folder)


@case(
    "no table maps 'crs_grade', the column of outcome 'any'",
    tables=[mapping(columns={"crp": "CRP"})],
)
def no_outcome_mapped(folder):
    save(cohort(), folder)


@case(
    "outcome 'any' is of kind categorical",
    tables=[with_columns(sex="sex")],
    outcomes={"any": {"column": "sex", "label": "?"}},
)
def an_outcome_of_text(folder):
    save(cohort(), folder)


@case(
    "config.yaml, column 'source.constants.disease': 1 of 1 values are no level of 'disease'",
    "one of B-ALL, LBCL",
    constants={"disease": "measles"},
)
def a_constant_of_no_level(folder):
    save(cohort(), folder)


@case("column 'source.constants.age': 1 of 1 values are text", constants={"age": "adult"})
def a_constant_of_the_wrong_kind(folder):
    save(cohort(), folder)


@case("column 'source.constants.therapy': is empty", constants={"therapy": ""})
def an_empty_constant(folder):
    save(cohort(), folder)


# -- long tables ------------------------------------------------------------------------


@case(
    "long.csv, column 'test': no row is named 'IL6'; did you mean 'IL-6'?",
    "correct 'rows'",
    tables=[mapping(), long_mapping(rows="IL6")],
)
def a_misspelt_measurement(folder):
    save(cohort(), folder)
    save(long_rows(), folder, "long.csv")


@case("no row is named 'PX73900x'.", tables=[mapping(), long_mapping(name="id", rows="PX73900x")])
def identifiers_as_names_are_not_suggested(folder):
    save(cohort(), folder)
    save(long_rows(), folder, "long.csv")


@case("long.csv: 4 rows of 'IL-6' belong to patients with several", "'long: day'",
      tables=[mapping(), long_mapping()])  # fmt: skip
def several_values_without_days(folder):
    save(cohort(), folder)
    save(pd.concat([long_rows(), long_rows().iloc[:2]]), folder, "long.csv")


@case("column 'value': unit 'mg/L' is not accepted for 'il6'", "(1 row)",
      tables=[mapping(), long_mapping(unit="unit")])  # fmt: skip
def one_row_in_another_unit(folder):
    save(cohort(), folder)
    save(cell(long_rows(), "unit", ["mg/L"]), folder, "long.csv")


@case("the unit column holds no unit that 'il6' accepts (24 rows)",
      tables=[mapping(), long_mapping(unit="value")])  # fmt: skip
def values_as_units(folder):
    save(cohort(), folder)
    save(long_rows(), folder, "long.csv")


@case("column 'value': 2 values without a unit", "complete the unit column",
      tables=[mapping(), long_mapping(unit="unit")])  # fmt: skip
def rows_without_a_unit(folder):
    save(cohort(), folder)
    save(cell(long_rows(), "unit", ["", ""]), folder, "long.csv")


@case(
    "the unit of 'il6' is stated twice: 'ng/L', and in each row",
    tables=[mapping(), long_mapping(unit="unit", rows={"rows": "IL-6", "unit": "ng/L"})],
)
def a_unit_stated_twice(folder):
    save(cohort(), folder)
    save(long_rows(), folder, "long.csv")


@case("long.csv, column 'when': no such column", "correct 'day' under 'long'",
      tables=[mapping(), long_mapping(day="when")])  # fmt: skip
def a_long_table_without_its_column(folder):
    save(cohort(), folder)
    save(long_rows(), folder, "long.csv")


def message(name, tmp_path, config_of, dictionary):
    write, bad = CASES[name]
    write(tmp_path)
    with pytest.raises(InputError) as error:
        read_tables(config_of(bad.tables, **bad.changes), dictionary)
    return str(error.value), bad.says


@pytest.mark.parametrize("name", CASES)
def test_the_message_says_what_where_and_how_to_mend(name, tmp_path, config_of, dictionary):
    text, says = message(name, tmp_path, config_of, dictionary)
    for part in says:
        assert part in text


@pytest.mark.parametrize("name", CASES)
def test_no_message_holds_a_value_of_a_patient(name, tmp_path, config_of, dictionary):
    text, says = message(name, tmp_path, config_of, dictionary)
    # What the config itself says may be repeated; it is removed before the search.
    for part in says:
        text = text.replace(part, "")
    text = text.replace(str(tmp_path), "")
    assert not [sentinel for sentinel in SENTINELS if sentinel in text]


def test_the_table_under_the_cases_is_good(tmp_path, config_of, dictionary):
    save(cohort(), tmp_path)
    save(long_rows(), tmp_path, "long.csv")
    frame, _ = read_tables(config_of([mapping(), long_mapping(unit="unit")]), dictionary)
    assert len(frame) == 24
    assert frame["il6"].notna().all()
