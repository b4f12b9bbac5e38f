"""Real tables out of an installed package, as CSV files that any run config can read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.benchmark.settings import Export
from pipeline.errors import InputError

# SurvSet's own columns: identifier, whether the event was seen, and when, or when last seen.
IDENTIFIER, EVENT, TIME = "pid", "event", "time"


def export_table(export: Export, path: Path) -> dict[str, Any]:
    """Write a table with its binary label, and what was done beside it.

    Parameters
    ----------
    export : Export
    path : Path
        The CSV; the same name with ``.json`` gets the counts.

    Returns
    -------
    dict
        ``rows``, ``censored_before_horizon``, ``patients``, ``events`` and what the config says.

    Raises
    ------
    InputError
        Where the package, or the table in it, is absent.
    """
    raw = _load(export.dataset)
    table = labelled(raw, export)
    facts = {
        **export.model_dump(),
        "package": "SurvSet",
        "rows": len(raw),
        "censored_before_horizon": len(raw) - len(table),
        "patients": len(table),
        "events": int(table[export.label].sum()),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)
    path.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return facts


def labelled(raw: pd.DataFrame, export: Export) -> pd.DataFrame:
    """Replace event and time by the label; leave out whom the label cannot be told of.

    A patient whose event came up to the horizon is 1; one seen beyond it, or at it, without an
    event by then is 0; one who was last seen before it, without the event, is neither.
    """
    happened = raw[EVENT] == 1
    if export.horizon is None:
        label, known = happened, pd.Series(True, index=raw.index)
    else:
        label = happened & (raw[TIME] <= export.horizon)
        known = happened | (raw[TIME] >= export.horizon)
    table = raw.drop(columns=[EVENT, TIME]).assign(**{export.label: label.astype(int)})
    return table[known].reset_index(drop=True)


def _load(dataset: str) -> pd.DataFrame:
    try:
        from SurvSet.data import SurvLoader
    except ImportError:
        raise InputError(
            "the package SurvSet, which holds the table, is not installed",
            column=f"export.dataset: {dataset}",
            mend="run 'make .venv/compared-with'",
        ) from None
    loader = SurvLoader()
    if dataset not in set(loader.df_ds["ds"]):
        raise InputError(
            f"SurvSet holds no table '{dataset}'",
            expected="one of those that SurvSet lists",
            mend="correct 'export.dataset' in the settings",
        )
    frame: pd.DataFrame = loader.load_dataset(dataset)["df"]
    return frame.astype({c: object for c in frame.columns if frame[c].dtype == "category"})
