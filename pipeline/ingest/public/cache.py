"""Where fetched cohorts are kept: a folder of the user's, never the project's."""

from __future__ import annotations

import os
from pathlib import Path

CACHE = "CRS_RISK_CACHE"


def cache_folder() -> Path:
    """Return the folder of all fetched cohorts.

    It is the environment variable ``CRS_RISK_CACHE`` where that is set, else
    ``crs-risk-pipeline`` in the platform's folder for caches (``~/.cache`` on Linux).
    """
    chosen = os.environ.get(CACHE)
    if chosen:
        return Path(chosen).expanduser().resolve()
    import pooch

    return Path(pooch.os_cache("crs-risk-pipeline")).expanduser()


def table_path(cohort: str, name: str) -> Path:
    """Return where a normalised table of a cohort stands once it is fetched."""
    return cache_folder() / cohort / name


def source_path(cohort: str, name: str) -> Path:
    """Return where a file of a cohort is kept as it was published."""
    return cache_folder() / cohort / "source" / name


def record_path(cohort: str) -> Path:
    """Return the record of the checksums at first download.

    It stands beside the cohort's folder, so that it survives when that is deleted.
    """
    return cache_folder() / f"{cohort}.sha256.json"
