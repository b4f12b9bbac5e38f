"""Patients that stand in the cohort twice: exact copies, and copies with small changes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.spatial import KDTree
from scipy.stats import norm, rankdata

from pipeline.cohort.audit.finding import Finding
from pipeline.cohort.audit.material import Material

# Two values are the same if their normal scores differ by less.
TOLERANCE = 0.01
FEWEST_SHARED = 4
# Changed values that a copy may have and still be found through one untouched band.
BANDS = 4
RANDOM_PAIRS = 20_000
# Chance pairs expected in the whole cohort, above which a match proves nothing.
EXPECTED_PAIRS = 1e-3


def exact_duplicates(material: Material) -> Iterator[Finding]:
    """Patients equal in every baseline value and every gap, under different ids.

    Statistic: number of such patients, where the values are rich enough that chance
    would give less than a thousandth of a pair. The same patient in the training and the
    test fold inflates every figure of the evaluation.
    """
    names = [v.name for v in material.predictors]
    if not names:
        return
    key = pd.util.hash_pandas_object(material.cohort[names], index=False)
    repeated = key.duplicated(keep=False).to_numpy()
    if not repeated.any():
        return
    chance = _log_chances(material, material.cohort)
    numeric = [v.name for v in material.numeric]
    shared = material.cohort.loc[repeated, numeric].notna().to_numpy()
    rich = (shared.sum(axis=1) >= FEWEST_SHARED) & _beyond_chance(
        shared @ chance, len(material.cohort)
    )
    count = int(key[repeated][rich].duplicated().sum())
    if count:
        yield Finding(
            "exact_duplicates",
            "error",
            f"{count:,} patients repeat another patient's every baseline value under a new id.",
            "Remove the copies, or give one patient's several infusions one id and keep the first.",
            None,
            count,
            {"share": count / len(material.cohort)},
        )


def near_duplicates(material: Material) -> Iterator[Finding]:
    """Pairs of patients that agree in nearly all values, beyond chance.

    Statistic: share of the values two patients both have that are the same up to a
    hundredth of a standard deviation, against ``duplicate_agreement``, and the probability
    of so many agreements (halved exponent, because columns are correlated). Candidates
    agree in one of four bands of columns, so a copy with changes in three bands is found.
    """
    names = _richest_columns(material)
    frame = material.cohort
    if len(frame) > material.settings.permutation_patients:
        frame = material.sample
    if len(names) < FEWEST_SHARED or len(frame) < 10:
        return
    scores = np.column_stack([_normal_scores(frame[name].to_numpy()) for name in names])
    pairs = _candidates(scores)
    if not len(pairs):
        return
    left, right = scores[pairs[:, 0]], scores[pairs[:, 1]]
    both = ~np.isnan(left) & ~np.isnan(right)
    same = both & (np.abs(left - right) < TOLERANCE)
    shared = both.sum(axis=1)
    agreeing = same.sum(axis=1) >= material.settings.duplicate_agreement * shared
    chance = _log_chances(material, frame, names)
    copies = agreeing & (shared >= FEWEST_SHARED) & _beyond_chance(same @ chance, len(frame))
    key = pd.util.hash_pandas_object(frame[[v.name for v in material.predictors]], index=False)
    hashes = key.to_numpy()
    copies &= hashes[pairs[:, 0]] != hashes[pairs[:, 1]]  # exact copies have their own finding
    count = len(np.unique(pairs[copies].max(axis=1))) if copies.any() else 0
    if count:
        yield Finding(
            "near_duplicates",
            "error",
            f"{count:,} patients are near-copies of another patient{material.sampled}: "
            f"at least {material.settings.duplicate_agreement:.0%} of their values are the same.",
            "Check whether they are the same person; keep one row, or one id for both.",
            None,
            count,
            {"share": count / len(frame), "columns": len(names)},
        )


def _richest_columns(material: Material) -> list[str]:
    """Numeric columns with many distinct values, well filled ones first."""
    frame = material.sample
    rich = [v.name for v in material.numeric if frame[v.name].nunique() >= 10]
    return sorted(rich, key=lambda name: frame[name].count(), reverse=True)[:24]


def _normal_scores(values: np.ndarray) -> np.ndarray:
    """Ranks as normal scores; equal values share their mean rank, NaN stay NaN."""
    scores = np.full(len(values), np.nan)
    known = ~np.isnan(values)
    scores[known] = norm.ppf((rankdata(values[known]) - 0.5) / max(1, known.sum()))
    return scores


def _candidates(scores: np.ndarray) -> np.ndarray:
    """Pairs that agree in all columns of at least one band, shape (pairs, 2)."""
    found = []
    for band in range(min(BANDS, scores.shape[1] // 2)):
        part = scores[:, band :: min(BANDS, scores.shape[1] // 2)]
        # A gap is a value of its own: copies share their gaps.
        tree = KDTree(np.where(np.isnan(part), 9.0, part))
        close = tree.query_pairs(TOLERANCE, p=np.inf, output_type="ndarray")
        found.append(close[:2_000_000])
    return np.unique(np.concatenate(found), axis=0) if found else np.empty((0, 2), dtype=int)


def _log_chances(
    material: Material, frame: pd.DataFrame, names: list[str] | None = None
) -> np.ndarray:
    """Log-probability, per numeric column, that two random patients agree."""
    rng = material.generator(4)
    columns = names if names is not None else [v.name for v in material.numeric]
    pairs = rng.integers(0, len(frame), (2, RANDOM_PAIRS))
    pairs = pairs[:, pairs[0] != pairs[1]]
    chances = []
    for name in columns:
        scores = _normal_scores(frame[name].to_numpy())
        first, second = scores[pairs[0]], scores[pairs[1]]
        both = ~np.isnan(first) & ~np.isnan(second)
        agree = int((np.abs(first[both] - second[both]) < TOLERANCE).sum())
        chances.append(np.log((agree + 1) / (both.sum() + 1)))
    return np.array(chances)


def _beyond_chance(log_chance: np.ndarray, patients: int) -> np.ndarray:
    """Whether fewer than ``EXPECTED_PAIRS`` such pairs are expected among the patients."""
    return 0.5 * log_chance + 2 * np.log(patients) - np.log(2) < np.log(EXPECTED_PAIRS)
