"""How much each source moves the risk on average."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.explanation.contributions import Explanations
from pipeline.model.risk_model import PRIOR_SOURCE

# Contributions below this are rounding: such a source does not move the risk.
NEGLIGIBLE = 1e-12


def global_importance(
    explanations: Explanations, draws: int, level: float, seed: int
) -> pd.DataFrame:
    """Mean absolute contribution per outcome and source, the largest first.

    Parameters
    ----------
    draws : int
        Bootstrap samples of patients.
    level : float
        Of the interval, such as 0.95.
    seed : int

    Returns
    -------
    DataFrame
        ``outcome, source, label, mean_abs, low, high, share``; shares add up to 1 within an
        outcome, and are 0 throughout where nothing distinguishes the patients.

    Notes
    -----
    The interval is a percentile bootstrap over patients with the model held fixed: it says how
    well these patients determine the mean, not how another cohort's model would differ.
    """
    size = np.abs(explanations.contributions)
    n = len(size)
    rng = np.random.default_rng(seed)
    # A bootstrap sample is how often each patient occurs in it.
    weights = rng.multinomial(n, np.full(n, 1 / n), size=draws) / n
    parts = []
    for k, outcome in enumerate(explanations.outcomes):
        mean = size[:, :, k].mean(axis=0)
        mean = np.where(mean < NEGLIGIBLE, 0.0, mean)
        low, high = np.quantile(weights @ size[:, :, k], [(1 - level) / 2, (1 + level) / 2], axis=0)
        part = pd.DataFrame(
            {
                "outcome": outcome,
                "source": [source.name for source in explanations.sources],
                "label": [source.label for source in explanations.sources],
                "mean_abs": mean,
                "low": np.where(mean > 0, low, 0.0),
                "high": np.where(mean > 0, high, 0.0),
                "share": mean / mean.sum() if mean.sum() > 0 else mean,
            }
        )
        parts.append(part.sort_values("mean_abs", ascending=False, kind="stable"))
    return pd.concat(parts, ignore_index=True)


def leading_sources(importance: pd.DataFrame, outcome: str, count: int) -> list[str]:
    """Sources, other than the therapy prior, that move the risk most; perhaps fewer."""
    rows = importance[
        (importance["outcome"] == outcome)
        & (importance["source"] != PRIOR_SOURCE)
        & (importance["mean_abs"] > 0)
    ]
    return rows["source"].head(count).tolist()
