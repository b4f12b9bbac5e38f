"""A published file becomes a plain table, by the steps that its registry entry names."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pipeline.errors import InputError, did_you_mean
from pipeline.ingest.cells import as_text
from pipeline.ingest.files import read_cells
from pipeline.ingest.public.registry import PublicFile


def normalise(path: Path, entry: PublicFile) -> pd.DataFrame:
    """Read a published file as a table with one header row.

    Values stay as published; only whole numbers lose an empty fraction, and blanks around
    text go.

    Parameters
    ----------
    path : Path
        The file as published.
    entry : PublicFile
        Its headings, its key, the columns to drop, and its shape.

    Returns
    -------
    DataFrame of str
        Empty cells are missing.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column, or has another shape.
    """
    cells = read_cells(path, separator=entry.separator, sheet=entry.sheet, headers=entry.headers)
    named = [*entry.drop] if entry.key is None else [entry.key, *entry.drop]
    absent = next((name for name in named if name not in cells.columns), None)
    if absent is not None:
        raise InputError(
            f"no such column{did_you_mean(absent, map(str, cells.columns))}",
            file=path,
            column=absent,
            expected=f"what the entry for {entry.to} names as 'key' or 'drop'",
            mend="correct the entry in the registry of public cohorts",
        )
    if entry.key is not None:
        cells = cells[as_text(cells[entry.key]).notna()]
    table = cells.drop(columns=entry.drop).apply(as_text)
    expected = tuple(
        found if stated is None else stated
        for found, stated in zip(table.shape, entry.shape, strict=True)
    )
    if table.shape != expected:
        raise InputError(
            "has {:,} rows and {:,} columns".format(*table.shape),
            file=path,
            expected="{:,} rows and {:,} columns".format(*expected),
            mend="correct 'shape', or the steps before it, in the registry of public cohorts",
        )
    return table
