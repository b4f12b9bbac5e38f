"""How a contribution depends on its variable's value, in groups of patients.

Groups, and not patients, are what may leave the run folder: none is smaller than the config's
minimum cell, and a group's place on the axis is its mean.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.explanation.contributions import Explanations
from pipeline.explanation.sources import MISSING, Source

_MOST_GROUPS = 10


def grouped_dependence(
    explanations: Explanations, outcome: str, names: list[str], minimum_cell: int
) -> pd.DataFrame:
    """Mean contribution of groups of patients with like values.

    Parameters
    ----------
    names : list of str
        Sources, in the order wanted.
    minimum_cell : int
        Smallest group shown. Rarer levels are pooled as ``other``; what is rarer still is
        left out.

    Returns
    -------
    DataFrame
        ``source, value, level, patients, contribution, low, high``: the group's mean value
        (geometric on a log scale) or its level, number of patients, mean contribution and
        its quartiles among them.
    """
    k = explanations.column(outcome)
    parts = []
    for j, source in enumerate(explanations.sources):
        if source.name not in names:
            continue
        groups = _groups(source, minimum_cell)
        frame = pd.DataFrame(
            {
                "group": groups,
                "position": np.nan if source.kind == "categorical" else source.position,
                "contribution": explanations.contributions[:, j, k],
            }
        )
        by = frame.groupby("group", sort=True)
        position = by["position"].mean()
        number = source.kind == "numeric"
        part = pd.DataFrame(
            {
                "source": source.name,
                "value": (10**position if source.log else position) if number else np.nan,
                "patients": by.size(),
                "contribution": by["contribution"].mean(),
                "low": by["contribution"].quantile(0.25),
                "high": by["contribution"].quantile(0.75),
            }
        ).reset_index()
        named = (part["group"] == MISSING) if number else part["group"].notna()
        part["level"] = part["group"].where(named, None)
        parts.append(part[part["patients"] >= minimum_cell])
    columns = ["source", "value", "level", "patients", "contribution", "low", "high"]
    if not parts:
        return pd.DataFrame(columns=columns)
    table = pd.concat(parts, ignore_index=True)[columns]
    order = table["source"].map({name: i for i, name in enumerate(names)})
    return table.iloc[np.argsort(order, kind="stable")].reset_index(drop=True)


def _groups(source: Source, minimum_cell: int) -> np.ndarray:
    """Name of each patient's group: a level, or a number with which groups sort by value."""
    missing = pd.isna(source.values)
    groups = np.full(len(missing), MISSING, dtype=object)
    if source.kind == "categorical":
        levels = pd.Series(source.values[~missing], dtype=object).astype(str)
        count = levels.map(levels.value_counts())
        groups[~missing] = levels.where(count >= minimum_cell, "other").to_numpy()
    elif source.kind == "binary":
        groups[~missing] = np.where(source.values[~missing] > 0, "yes", "no")
    elif (~missing).any():
        numbers = _numeric_groups(source.values[~missing], minimum_cell)
        groups[~missing] = [f"{number:03d}" for number in numbers]
    return groups


def _numeric_groups(values: np.ndarray, minimum_cell: int) -> np.ndarray:
    """Cut values into at most ten groups of about one size, equal values together."""
    unique, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    upto = np.cumsum(counts)
    target = max(minimum_cell, len(values) / _MOST_GROUPS)
    starts, done = [0], 0.0
    while True:
        # The first value by which this group is large enough closes it.
        last = int(np.searchsorted(upto, done + target))
        if last >= len(unique) - 1 or len(values) - upto[last] < minimum_cell:
            break
        starts.append(last + 1)
        done = float(upto[last])
    return np.searchsorted(starts, inverse, side="right") - 1
