"""A synthetic cohort straight into Parquet files, in bounded memory."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import Outcome, SyntheticSource
from pipeline.ingest.synthetic.cohort import Generator

# Free text of which the data dictionary wants every level.
_NAMES = ["site", "disease", "therapy"]


def write_cohort(
    source: SyntheticSource,
    seed: int,
    outcomes: dict[str, Outcome],
    data: Path,
    cohort_file: Path,
    truth_file: Path,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Write the cohort of `draw_cohort` and its truth, block by block.

    Parameters
    ----------
    source : SyntheticSource
    seed : int
    outcomes : dict of str to Outcome
    data : Path
        The folder of facts (`data/`).
    cohort_file, truth_file : Path
        Parquet files, one row group per block of 10,000 patients.

    Returns
    -------
    report : dict
        As of `draw_cohort`.
    examples : DataFrame
        One patient of each centre, disease and therapy: every column, and every name in them.

    Raises
    ------
    InputError
        If a table of facts is damaged or the config names an unknown therapy.
    """
    generator = Generator(source, seed, outcomes, data)
    counts: Counter[str] = Counter()
    examples = pd.DataFrame()
    writers: list[pq.ParquetWriter] = []
    try:
        for block in generator.blocks():
            tables = [pa.Table.from_pandas(frame, preserve_index=False) for frame in block]
            if not writers:
                writers = [
                    pq.ParquetWriter(file, table.schema)
                    for file, table in zip((cohort_file, truth_file), tables, strict=True)
                ]
            for writer, table in zip(writers, tables, strict=True):
                writer.write_table(table)
            cohort = block[0]
            given = cohort["therapy"].value_counts()
            counts.update({str(therapy): int(number) for therapy, number in given.items()})
            examples = pd.concat([examples, cohort]).drop_duplicates(_NAMES)
    finally:
        for writer in writers:
            writer.close()
    return generator.report(dict(sorted(counts.items()))), examples
