"""One file in, one frame of raw cells out: CSV, Parquet, XLSX and SAS XPT."""

from __future__ import annotations

import csv
import hashlib
import io
import warnings
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from pipeline.config import Table
from pipeline.errors import InputError, did_you_mean
from pipeline.ingest.cells import as_numbers, as_text, is_number
from pipeline.ingest.headers import join_headers

_DELIMITED = (".csv", ".tsv", ".txt")
_KINDS = (*_DELIMITED, ".parquet", ".xlsx", ".xpt")
_CONTENT = {b"PAR1": ".parquet", b"PK\x03\x04": ".xlsx", b"HEADER RECORD": ".xpt"}

# pandas reads the eight zero bytes of an IBM double as its smallest number, not as 0.
_XPT_ZERO = 16.0**-65


def read_cells(
    path: Path,
    *,
    separator: str = ",",
    sheet: str | int = 0,
    headers: int = 1,
    obtain: str | None = None,
) -> pd.DataFrame:
    """Read the cells of one file as they stand.

    Text files give text, the typed formats give their own types. Rows and columns that are
    empty throughout are dropped, as spreadsheets leave them behind.

    Parameters
    ----------
    path : Path
        A ``.csv``, ``.tsv``, ``.txt``, ``.parquet``, ``.xlsx`` or ``.xpt`` file.
    separator : str
        Between the cells of a text file.
    sheet : str or int
        Name of a worksheet, or its number counted from 0.
    headers : int
        Rows of headings in a text file or worksheet; several are joined (``join_headers``).
    obtain : str, optional
        Where the data come from, told where the file is missing.

    Returns
    -------
    DataFrame
        One row per row of the file; unique column names without surrounding blanks.

    Raises
    ------
    InputError
        If the file is absent, damaged, empty, of another kind than its name says, or has
        a column name twice.
    """
    check_file(path, obtain=obtain)
    kind = path.suffix.lower()
    if kind == ".parquet":
        names, body = _read_parquet(path)
    elif kind == ".xlsx":
        names, body = _read_xlsx(path, sheet)
    elif kind == ".xpt":
        names, body = _read_xpt(path)
    else:
        names, body = _read_delimited(path, separator)
    if headers > 1:
        names, body = _under_joined(names, body, headers)
    return _framed(names, body, path)


def read_frame(path: Path, option: str = "--input") -> pd.DataFrame:
    """Read a file whose columns already carry the dictionary's names, for scoring.

    Columns of a text file that hold numbers throughout become numbers; the cells that stand
    for nothing by default (``NA``, ``.``, empty) become missing. Numbers written with a
    leading zero are identifiers and stay text.

    Parameters
    ----------
    path : Path
    option : str
        Of the command line, by which the path was given.

    Raises
    ------
    InputError
        As ``read_cells``.
    """
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    frame = read_cells(path, separator=separator, obtain=f"correct the path given by {option}")
    missing = Table.model_fields["missing"].get_default(call_default_factory=True)
    return frame.apply(lambda column: _typed(column, missing))


def check_file(path: Path, *, obtain: str | None = None) -> None:
    """Refuse a path that is no readable file of a known kind.

    Raises
    ------
    InputError
        If there is no such file (with ``obtain``, where to get it), or its ending is
        unknown or at odds with its content.
    """
    if path.is_dir():
        raise InputError("is a folder", file=path, expected="a file", mend="name the file in it")
    if not path.is_file():
        raise InputError(
            "no such file",
            file=path,
            mend=obtain or "correct 'file', which is relative to the config's folder",
        )
    kind = path.suffix.lower()
    if kind not in _KINDS:
        raise InputError(
            f"files ending in '{kind}' cannot be read",
            file=path,
            expected="one of " + ", ".join(_KINDS),
            mend="save the table as CSV, Parquet or XLSX",
        )
    with path.open("rb") as stream:
        start = stream.read(16)
    if not start:
        raise InputError("is empty", file=path, expected="a header and rows")
    content = next((k for mark, k in _CONTENT.items() if start.startswith(mark)), None)
    if content and content != kind:
        raise InputError(
            f"is named {kind} but holds {content[1:].upper()}",
            file=path,
            mend=f"give the file the ending {content}",
        )


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_delimited(path: Path, separator: str) -> tuple[list[str], pd.DataFrame]:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(
            "is not UTF-8 text (perhaps Windows-1252, or a damaged file)",
            file=path,
            expected="text encoded in UTF-8",
            mend="save it again as 'CSV UTF-8'",
        ) from None
    if "\0" in text:
        raise InputError("holds zero bytes: it is damaged, or no text at all", file=path)
    header = next(csv.reader(io.StringIO(text), delimiter=separator), [])
    if not text.strip():
        raise InputError("is empty", file=path, expected="a header and rows")
    if len(header) == 1:
        other = [s for s in (",", ";", "\t", "|") if s in header[0] and s != separator]
        if other:
            raise InputError(
                f"has one column only when its cells are separated by {separator!r}",
                file=path,
                mend=f"set 'separator: {other[0]!r}' for this table",
            )
    ragged: list[int] = []

    def note(row: pa.csv.InvalidRow) -> str:
        ragged.append(row.actual_columns)
        return "skip"

    try:
        # The header is read as a row like the others: a name that stands twice is then seen,
        # not renamed.
        table = pa.csv.read_csv(
            io.BytesIO(text.encode()),
            read_options=pa.csv.ReadOptions(autogenerate_column_names=True),
            parse_options=pa.csv.ParseOptions(
                delimiter=separator, newlines_in_values=True, invalid_row_handler=note
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types={f"f{i}": pa.large_string() for i in range(len(header))},
                strings_can_be_null=False,
            ),
        )
    except (pa.ArrowException, ValueError):
        raise InputError(
            "cannot be read as separated text: it is damaged", file=path, mend="save it again"
        ) from None
    if ragged:
        raise InputError(
            f"{_rows(len(ragged))} with more or fewer cells than the header has ({len(header)})",
            file=path,
            mend="check the separator, quote cells that contain it, or complete a cut-off file",
        )
    return header, table.to_pandas().iloc[1:]


def _read_parquet(path: Path) -> tuple[list[str], pd.DataFrame]:
    try:
        # Without pandas' own metadata an index is a column like any other: it may be the key.
        table = pa.parquet.read_table(path)
        body = table.to_pandas(ignore_metadata=True)
    except (pa.ArrowException, OSError, ValueError):
        raise _damaged(path, "Parquet") from None
    return table.column_names, body


def _read_xlsx(path: Path, sheet: str | int) -> tuple[list[str], pd.DataFrame]:
    try:
        with warnings.catch_warnings(), pd.ExcelFile(path, engine="openpyxl") as book:
            warnings.simplefilter("ignore")  # styles and validations are no concern here
            names = [str(name) for name in book.sheet_names]
            known = sheet in names if isinstance(sheet, str) else 0 <= sheet < len(names)
            if not known:
                hint = did_you_mean(sheet, names) if isinstance(sheet, str) else ""
                raise InputError(
                    f"has no sheet {sheet!r}{hint}",
                    file=path,
                    expected=f"one of its {len(names)} sheets, by name or by number from 0",
                    mend="correct 'sheet' for this table",
                )
            cells = book.parse(sheet, header=None, dtype=object, na_filter=False)
    except InputError:
        raise
    except Exception:  # a damaged archive fails in any way: zlib, XML, openpyxl itself
        raise _damaged(path, "XLSX") from None
    names = as_text(cells.iloc[0]).fillna("").tolist() if len(cells) else []
    return names, cells.iloc[1:]


def _read_xpt(path: Path) -> tuple[list[str], pd.DataFrame]:
    content = path.read_bytes()
    # A transport file is made of 80-byte records and does not say how many rows it holds
    # (SAS technical note TS-140): a cut inside a record is the damage that can be seen.
    if len(content) % 80:
        raise _damaged(path, "SAS XPT")
    if content.count(b"HEADER RECORD*******MEMBER  HEADER RECORD!!!!!!!") > 1:
        raise InputError(
            "holds several data sets", file=path, mend="export one data set to each file"
        )
    try:
        frame = pd.read_sas(io.BytesIO(content), format="xport", encoding=None)
    except (ValueError, KeyError, IndexError, TypeError, OverflowError):
        raise InputError(
            "cannot be read as SAS XPT",
            file=path,
            expected="an undamaged transport file of version 5",
            mend="export it again with the XPORT engine, or as CSV",
        ) from None
    names = [str(_decoded(name)) for name in frame.columns]
    return names, frame.map(_decoded).replace(_XPT_ZERO, 0.0)


def _decoded(cell: object) -> object:
    # Transport files do not state an encoding: UTF-8 where it fits, else Latin-1.
    if not isinstance(cell, bytes):
        return cell
    try:
        return cell.decode("utf-8")
    except UnicodeDecodeError:
        return cell.decode("latin-1")


def _under_joined(
    names: list[str], body: pd.DataFrame, headers: int
) -> tuple[list[str], pd.DataFrame]:
    below = body.iloc[: headers - 1].T.apply(as_text).T.fillna("")
    rows, body = [names, *below.to_numpy().tolist()], body.iloc[headers - 1 :]
    # A column that only sets blocks apart is named by no heading of its own, and holds nothing.
    empty = (body.isna() | (body == "")).all(axis=0)
    named = zip(join_headers(rows), rows[-1], empty, strict=True)
    return ["" if blank and not own else name for name, own, blank in named], body


def _framed(names: list[str], body: pd.DataFrame, path: Path) -> pd.DataFrame:
    frame = body.copy(deep=False)
    frame.columns = pd.Index([name.strip() for name in names], dtype=object)
    empty = frame.isna() | (frame == "")
    frame = frame.loc[~empty.all(axis=1), (frame.columns != "") | ~empty.all(axis=0).to_numpy()]
    if frame.columns.empty or not len(frame):
        raise InputError(
            "has a header and no rows" if len(frame.columns) else "is empty",
            file=path,
            expected="a header and at least one row",
        )
    twice = [name for name, n in Counter(frame.columns).items() if n > 1 and name]
    if twice:
        shown = [f"'{name}'" for name in twice if _is_name(name)][:3]
        raise InputError(
            ("1 column name stands" if len(twice) == 1 else f"{len(twice)} column names stand")
            + " twice"
            + (f" ({', '.join(shown)})" if shown else ""),
            file=path,
            mend="rename the columns so that each name stands once, or add the header if the "
            "file has none",
        )
    return frame.reset_index(drop=True)


def _is_name(header: str) -> bool:
    """Whether a header may be shown: in a file without one, the first row holds values."""
    return any(c.isalpha() for c in header) and not is_number(header)


def _typed(column: pd.Series, missing: list[str]) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column):
        return column
    text = as_text(column)
    text = text.mask(text.isin(missing))
    numbers = as_numbers(text)
    if text.str.match(r"^[+-]?0\d").any() or not numbers.notna().equals(text.notna()):
        return text
    whole = numbers.notna().all() and text.str.fullmatch(r"[+-]?\d{1,18}").all()
    return text.astype("int64") if whole else numbers


def _damaged(path: Path, kind: str) -> InputError:
    return InputError(
        f"cannot be read as {kind}: it is damaged or cut off",
        file=path,
        expected=f"a whole {kind} file",
        mend="copy or export it again",
    )


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
