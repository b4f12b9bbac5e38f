"""Small cohorts in files of every kind, and the configs that read them."""

import struct
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pipeline.cohort.dictionary import read_dictionary
from pipeline.config_file import read_config

VARIABLES = Path(__file__).parents[2] / "configs" / "variables.yaml"
CARD = dict.fromkeys(("title", "intended_use", "intended_users", "horizon", "population"), "test")


@pytest.fixture(scope="session")
def dictionary():
    return read_dictionary(VARIABLES)


@pytest.fixture
def config_of(tmp_path):
    """Write a config with the given tables beside them, and read it."""

    def write(tables, **changes):
        source = {"kind": "table", "tables": tables}
        for key in ("constants", "obtain"):
            if key in changes:
                source[key] = changes.pop(key)
        content = {
            "name": "test",
            "dictionary": str(VARIABLES),
            "source": source,
            "outcomes": {"any": {"column": "crs_grade", "at_least": 1, "label": "Any CRS"}},
            "primary_outcome": "any",
            "card": CARD,
            **changes,
        }
        file = tmp_path / "config.yaml"
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        return read_config(file)

    return write


def ibm_double(value):
    """Eight bytes of an IBM System/360 double: sign, exponent of 16 plus 64, 56-bit fraction."""
    if pd.isna(value):
        return b"\x2e" + bytes(7)  # SAS's plain missing value '.'
    if value == 0:
        return bytes(8)
    sign, value, exponent = (0x80 if value < 0 else 0), abs(value), 64
    while value >= 1:
        value, exponent = value / 16, exponent + 1
    while value < 1 / 16:
        value, exponent = value * 16, exponent - 1
    return bytes([sign | exponent]) + int(value * 2**56).to_bytes(7, "big")


def xport_bytes(frame):
    """Write a SAS transport file of version 5 as SAS technical note TS-140 describes it."""

    def header(kind, digits="0" * 30):
        return f"HEADER RECORD*******{kind:<8}HEADER RECORD!!!!!!!{digits:<32}".encode()

    def padded(block):
        return block + b" " * (-len(block) % 80)

    date = b"01JAN20:00:00:00"
    system = b"SAS     %sSASLIB  9.4     Linux   " + b" " * 24 + date
    names, cells, position = b"", [], 0
    for number, (name, column) in enumerate(frame.items(), start=1):
        text = not pd.api.types.is_numeric_dtype(column)
        encoded = [str(v).encode() for v in column] if text else [ibm_double(v) for v in column]
        width = max(map(len, encoded)) if text else 8
        cells.append([cell.ljust(width) for cell in encoded])
        names += struct.pack(
            ">hhhh8s40s8shhh2s8shhi52s",
            *(2 if text else 1, 0, width, number, name.encode().ljust(8), b" " * 40, b" " * 8),
            *(0, 0, 0, b"\0\0", b" " * 8, 0, 0, position, b"\0" * 52),
        )
        position += width
    rows = b"".join(b"".join(row) for row in zip(*cells, strict=True))
    return b"".join(
        [
            header("LIBRARY "),
            system % b"SAS     ",
            date + b" " * 64,
            header("MEMBER  ", "000000000000000001600000000140"),
            header("DSCRPTR "),
            system % b"COHORT  ",
            date + b" " * 64,
            header("NAMESTR ", f"{frame.shape[1]:010d}".ljust(30, "0")),
            padded(names),
            header("OBS     "),
            padded(rows),
        ]
    )


@pytest.fixture
def write_table():
    """Write a frame in the format that the path's ending says."""

    def write(frame, path):
        kind = path.suffix
        if kind == ".parquet":
            frame.to_parquet(path)
        elif kind == ".xlsx":
            frame.to_excel(path, index=False)
        elif kind == ".xpt":
            path.write_bytes(xport_bytes(frame))
        else:
            frame.to_csv(path, index=False, sep="\t" if kind == ".tsv" else ",")
        return path

    return write
