"""``fetch``: a public cohort, from its publisher to tables that a config can read."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pandas as pd

from pipeline.errors import InputError
from pipeline.ingest.files import digest
from pipeline.ingest.public.cache import cache_folder, record_path, source_path, table_path
from pipeline.ingest.public.download import Progress, cannot_write, download
from pipeline.ingest.public.normalise import normalise
from pipeline.ingest.public.registry import PublicFile, read_public_cohort


def fetch_cohort(name: str, registry: Path, progress: Progress) -> str:
    """Download a public cohort's files and normalise them into tables.

    What is there already is not downloaded again. The checksum of a first download is
    recorded once the file has proved to be what the registry describes; from then on,
    another content is refused.

    Parameters
    ----------
    name : str
        The cohort's name in the registry.
    registry : Path
        As ``data/public_cohorts.yaml``.
    progress : callable
        ``progress(file name, bytes done, bytes in all)``.

    Returns
    -------
    str
        What was done, for people.

    Raises
    ------
    InputError
        If the cohort is unknown, or a file cannot be had, checked, read or written. Each
        table is then the one of before, or absent.
    """
    cohort = read_public_cohort(name, registry)
    recorded = _read_record(name)
    downloaded = 0
    tables: dict[str, pd.DataFrame] = {}
    for entry in cohort.files:
        path = source_path(name, entry.name)
        known = entry.sha256 or recorded.get(entry.url)
        downloaded += download(entry.url, path, known, progress)
        tables[entry.to] = normalise(path, entry) if known else _first_read(path, entry)
        recorded[entry.url] = digest(path)
    _write_whole(name, tables, recorded)
    files = "1 file" if len(tables) == 1 else f"{len(tables)} files"
    return (
        f"{cohort.title}: {files}, {downloaded or 'none'} downloaded now; the tables are in "
        f"{cache_folder() / name}\nCite: {cohort.citation}\nLicence: {cohort.licence}"
    )


def _first_read(path: Path, entry: PublicFile) -> pd.DataFrame:
    """Normalise a file that no checksum vouches for; one that proves unfit is not kept."""
    try:
        return normalise(path, entry)
    except InputError as fault:
        path.unlink()
        raise InputError(
            f"what was downloaded is not the file of the registry, and was removed: "
            f"{fault.problem}",
            file=entry.url,
            column=fault.column,
            expected=fault.expected,
            mend="open the address in a browser: a login page or a proxy may answer in its place; "
            "else correct the entry in the registry",
        ) from None


def _read_record(name: str) -> dict[str, str]:
    path = record_path(name)
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise cannot_write(error) from None
    except (ValueError, TypeError):
        raise InputError(
            "the record of checksums is damaged",
            file=path,
            mend="delete it; the checksums of the next download are recorded anew",
        ) from None


def _write_whole(name: str, tables: dict[str, pd.DataFrame], record: dict[str, str]) -> None:
    """Write all aside, then move each into place: a reader never sees half a table."""
    try:
        with tempfile.TemporaryDirectory(prefix=".", dir=cache_folder() / name) as folder:
            aside = Path(folder)
            moves = {aside / file: table_path(name, file) for file in tables}
            for file, table in tables.items():
                table.to_csv(aside / file, index=False)
            note = aside / "record.json"
            note.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            for written, place in (moves | {note: record_path(name)}).items():
                os.replace(written, place)
    except OSError as error:
        raise cannot_write(error) from None
