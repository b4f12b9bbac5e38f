"""What the bootstrap draws as a whole: sites, or patients with all their rows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.cohort.dictionary import Dictionary
from pipeline.config import Evaluation
from pipeline.model.linked_rows import persons


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
    sites = pd.factorize(cohort[named[0]], sort=True, use_na_sentinel=False)[0]
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
