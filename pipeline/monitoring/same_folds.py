"""Out-of-fold risks of two runs that were evaluated on the same folds of the same patients."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from pipeline.errors import InputError
from pipeline.monitoring.comparison import Paired
from pipeline.registry.champion import model_digest

_GIVE_COHORT = "give a cohort that both versions score, and neither was fitted on: --cohort FILE"


def paired_on_folds(
    challenger: tuple[str, Mapping[str, str]], champion: tuple[str, Mapping[str, str]], runs: Path
) -> dict[str, Paired]:
    """Pair the risks that two versions' run folders still hold.

    Parameters
    ----------
    challenger, champion : tuple of str and mapping
        A version's number, and its tags.
    runs : Path
        Where the run folders lie.

    Raises
    ------
    InputError
        Where a run folder is not there any more, or the folds are not the same.
    """
    tables = [_out_of_fold(*version, runs) for version in (challenger, champion)]
    keys = ["outcome", "repeat", "fold", "patient_id", "observed"]
    mine, theirs = (t.sort_values(keys[:2] + keys[3:4]).reset_index(drop=True) for t in tables)
    if len(mine) != len(theirs) or not (mine[keys] == theirs[keys]).all(axis=None):
        raise InputError(
            "the two runs were not evaluated on the same folds of the same patients",
            expected="the same cohort, seed, folds and repeats",
            mend=_GIVE_COHORT,
        )
    paired = {}
    for outcome, rows in mine.groupby("outcome", sort=False):
        known = (~(mine["model"].isna() | theirs["model"].isna())).loc[rows.index]
        by_patient = known.groupby(rows["patient_id"]).transform("all")
        kept = rows.index[by_patient]
        repeats = rows["repeat"].nunique()
        y = rows.loc[kept, "observed"].to_numpy(float).reshape(repeats, -1)[0]
        paired[str(outcome)] = Paired(
            y,
            mine.loc[kept, "model"].to_numpy(float).reshape(repeats, -1),
            theirs.loc[kept, "model"].to_numpy(float).reshape(repeats, -1),
        )
    return paired


def are_there(
    challenger: tuple[str, Mapping[str, str]], champion: tuple[str, Mapping[str, str]], runs: Path
) -> bool:
    """Whether two versions can be compared on the folds of their runs."""
    try:
        paired_on_folds(challenger, champion, runs)
    except InputError:
        return False
    return True


def _out_of_fold(version: str, tags: Mapping[str, str], runs: Path) -> pd.DataFrame:
    """The out-of-fold risks of a version, if its run folder still is that version's."""
    if "update" in tags:
        raise InputError(
            f"version {version} was recalibrated at a site, and has no folds of a run",
            mend=_GIVE_COHORT,
        )
    run = runs / tags.get("run", "")
    table, model = run / "evaluate" / "oof.parquet", run / "train" / "model"
    stands = table.is_file() and model.is_dir()
    if not stands or model_digest(model) != tags.get("model_sha256"):
        raise InputError(
            f"the out-of-fold risks of version {version} are not there any more",
            file=run,
            expected="the run folder that the version was registered from",
            mend=_GIVE_COHORT,
        )
    return pd.read_parquet(table)
