"""Published files become tables: headings, remarks, columns to drop, shape."""

import openpyxl
import pytest

from pipeline.errors import InputError
from pipeline.ingest.headers import join_headers
from pipeline.ingest.public.normalise import normalise
from pipeline.ingest.public.registry import PublicFile

# The shape of the trial's sheet: merged headings, one column without a heading of its own,
# a broken line in a heading, an empty column between blocks, and a remark below.
SHEET = [
    ["Demographics", None, None, "Markers ", None, None, None],
    ["ID", "Prior Treatments", None, "Day 0\n(-1 -2)", None, None, None],
    ["Randomized ID", "Prior HCT", "Prior CAR", "CRP  (mg/L)", "true date", None, None],
    [277, 0, 1, 0.4, 0.2381944444423425, None, 5],
    [360, 1, None, "<0.25", 1, None, None],
    [None, "0 = no, 1 = yes", None, None, None, None, None],
]
NAMES = [
    "Demographics | ID | Randomized ID",
    "Demographics | Prior Treatments | Prior HCT",
    "Demographics | Prior Treatments | Prior CAR",
    "Markers | Day 0 (-1 -2) | CRP (mg/L)",
    "Markers | Day 0 (-1 -2) | true date",
    "Markers | Day 0 (-1 -2)",
]


def entry(**changes):
    return PublicFile(url="https://example.org/sheet.xlsx", to="wide.csv", **changes)


@pytest.fixture
def sheet(tmp_path):
    book = openpyxl.Workbook()
    for row in SHEET:
        book.active.append(row)
    book.active.merge_cells("A1:C1")
    book.active.merge_cells("B2:C2")
    book.create_sheet("Legend").append(["nothing here"])
    book.save(tmp_path / "sheet.xlsx")
    return tmp_path / "sheet.xlsx"


def test_a_sheet_with_three_rows_of_headings(sheet):
    table = normalise(sheet, entry(headers=3, key=NAMES[0], shape=[2, 6]))
    assert list(table.columns) == NAMES
    filled = table.fillna("").to_numpy().tolist()
    assert filled == [["277", "0", "1", "0.4", "0.2381944444423425", "5"],
                      ["360", "1", "", "<0.25", "1", ""]]  # fmt: skip


def test_a_heading_does_not_span_into_the_next_block():
    rows = [["A", "", "B", ""], ["a", "", "", "b"], ["1", "2", "3", "4"]]
    assert join_headers(rows) == ["A | a | 1", "A | a | 2", "B | 3", "B | b | 4"]


def test_a_heading_repeated_in_each_column_is_one_block():
    assert join_headers([["A", "A"], ["a", ""], ["1", "2"]]) == ["A | a | 1", "A | a | 2"]


def test_text_with_dropped_columns(tmp_path):
    file = tmp_path / "grades.csv"
    file.write_text(",Protocol ID,Randomized ID,Grade\n9,T01,2142,0\n4,T02,0303,N/A\n")
    table = normalise(file, entry(drop=["", "Protocol ID"], shape=[2, 2]))
    assert table.to_dict("list") == {"Randomized ID": ["2142", "0303"], "Grade": ["0", "N/A"]}


def test_semicolons_and_two_rows_of_headings(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("Labs;;ID\nCRP;LDH;\n1;2;p\n")
    table = normalise(file, entry(separator=";", headers=2))
    assert list(table.columns) == ["Labs | CRP", "Labs | LDH", "ID"]
    assert len(table) == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"drop": ["Protocl ID"]},
            ["column 'Protocl ID'", "did you mean 'Protocol ID'?", "'drop'"],
        ),
        ({"key": "Randomised ID"}, ["column 'Randomised ID'", "did you mean 'Randomized ID'?"]),
        ({"shape": [3, None]}, ["has 2 rows and 3 columns", "Expected 3 rows and 3 columns"]),
        (
            {"shape": [2, 9]},
            ["has 2 rows and 3 columns", "Expected 2 rows and 9 columns", "'shape'"],
        ),
        ({"headers": 4}, ["has a header and no rows"]),
    ],
)
def test_another_file_than_the_entry_describes_is_refused(tmp_path, changes, says):
    file = tmp_path / "grades.csv"
    file.write_text("Protocol ID,Randomized ID,Grade\nPX739,48151,0\nPX740,48152,1\n")
    with pytest.raises(InputError) as error:
        normalise(file, entry(**changes))
    for part in ["grades.csv", *says]:
        assert part in str(error.value)
    assert "PX7" not in str(error.value)
    assert "4815" not in str(error.value)
