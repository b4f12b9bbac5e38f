"""Rows that belong together: of one patient, or of one site."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.cohort.dictionary import Dictionary
from pipeline.config import Evaluation
from pipeline.errors import InputError, did_you_mean


def fold_groups(cohort: pd.DataFrame, settings: Evaluation) -> np.ndarray | None:
    """Return which rows stay in one fold, shape (n,), or None where each may lie anywhere.

    Rows of one patient stay together, and rows that share the value of the config's
    ``group``: whatever is linked by either.

    Raises
    ------
    InputError
        If the config names a column that the cohort lacks.
    """
    keys = [key for key in (settings.patient, settings.group) if key is not None]
    if not keys:
        return None
    codes = [_labels(cohort, key) for key in keys]
    group = codes[0]
    for other in codes[1:]:
        size = int(group.max() + other.max() + 2)
        places = (group, other + group.max() + 1)
        links = coo_array((np.ones(len(group)), places), shape=(size, size))
        group = connected_components(links, directed=False)[1][group]
    return group


def persons(cohort: pd.DataFrame, settings: Evaluation) -> np.ndarray | None:
    """Return the patient of each row, shape (n,), or None where each row is one."""
    return None if settings.patient is None else _labels(cohort, settings.patient)


def bootstrap_clusters(
    cohort: pd.DataFrame, dictionary: Dictionary, settings: Evaluation
) -> tuple[np.ndarray | None, str]:
    """Return what the bootstrap draws as a whole, and why, in words.

    Parameters
    ----------
    cohort : DataFrame
    dictionary : Dictionary
        A column of role ``site`` that names sites, the first if there are several.
    settings : Evaluation
        ``resample`` and ``minimum_sites``.

    Returns
    -------
    ndarray of int, shape (n,), or None
        Site or patient of each row; rows without a site are one site. None: each row alone.
    str
        For the definitions.
    """
    own = persons(cohort, settings)
    rows = "rows of a patient are drawn together" if own is not None else "each is drawn alone"
    if settings.resample == "patients":
        return own, f"patients are resampled, as the config says; {rows}"
    named = [v.name for v in dictionary if v.role == "site" and v.kind in ("categorical", "text")]
    if not named:
        return own, f"patients are resampled: the cohort names no sites; {rows}"
    sites = _labels(cohort, named[0])
    count = len(np.unique(sites))
    if count < settings.minimum_sites:
        return own, (
            f"patients are resampled: of {count} sites too few different samples can be drawn; "
            f"{rows}, and the intervals do not cover differences between sites"
        )
    return sites, (
        f"whole sites are resampled ({count}, column '{named[0]}'), so that the intervals cover "
        "differences between sites"
    )


def _labels(cohort: pd.DataFrame, column: str) -> np.ndarray:
    if column not in cohort:
        raise InputError(
            f"'{column}' is not in the cohort{did_you_mean(column, map(str, cohort.columns))}",
            column="evaluation",
            expected="a column of the cohort under 'patient' and 'group'",
            mend="correct the name, or leave the key out",
        )
    return pd.factorize(cohort[column], sort=True, use_na_sentinel=False)[0]
