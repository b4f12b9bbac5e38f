"""What the model must beat: the therapy's rate alone, and a published score alone.

Each comparator is fitted in the training fold, on the same patients as the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.cohort.dictionary import Dictionary
from pipeline.evaluation.logistic import WEAK_SD, fit_logistic
from pipeline.evaluation.suppression import suppressed
from pipeline.features.scores import BY_NAME, compute, inputs_of, unit_factor

# How far therapies lie apart, in log-odds, about which nothing is published: as products of one
# kind do. A deviation from published rates is held closer, which would hide the therapy here.
UNPUBLISHED_SD = 0.8
# EASIX and its variant with CRP are proposed for CRS; CAR-HEMATOTOX, for blood counts after
# CAR-T cells, is in the same hands and built from the same laboratory values.
COMPARATOR_SCORES = ("easix", "m_easix", "car_hematotox")


@dataclass(frozen=True)
class PublishedScore:
    """A published score of each patient.

    Attributes
    ----------
    name, label : str
    inputs : tuple of str
        Variables that it is computed from.
    values : ndarray, shape (n,)
        On the scale on which it is regressed; NaN where an input is missing.
    """

    name: str
    label: str
    inputs: tuple[str, ...]
    values: np.ndarray


def therapy_only(
    train_observed: np.ndarray,
    train_prior: np.ndarray,
    train_therapy: np.ndarray,
    test_prior: np.ndarray,
    test_therapy: np.ndarray,
    deviation_sd: float,
) -> np.ndarray:
    """Return risks that know the therapy and nothing else of the patient.

    Logistic regression with the published log-odds as offset, an intercept, and one deviation
    per therapy, shrunk as N(0, deviation_sd^2): the published rates, corrected by this
    cohort's own. A therapy that the training fold lacks keeps its published rate plus the
    intercept. Where nothing is published about any, the base rate takes the place of the
    published rates and `UNPUBLISHED_SD` that of ``deviation_sd``: what remains are the training
    patients' own rates by therapy, and where no therapy is known either, the base rate.

    Parameters
    ----------
    train_observed : ndarray of 0 and 1, shape (n,)
    train_prior, test_prior : ndarray, shape (n,) and (m,)
        Published log-odds; NaN where there is none. Where others have one, it gets the training
        fold's base rate.
    train_therapy, test_therapy : ndarray of str or None, shape (n,) and (m,)
    deviation_sd : float
        Standard deviation of the therapies' deviations in log-odds.

    Returns
    -------
    ndarray, shape (m,)
    """
    rate = base_rate(train_observed)
    risk = np.full(len(test_prior), rate)
    if not np.isfinite(train_prior).any() and not np.isfinite(test_prior).any():
        start, deviation_sd = np.log(rate / (1 - rate)), UNPUBLISHED_SD
        train_prior = np.where(pd.isna(train_therapy), np.nan, start)
        test_prior = np.where(pd.isna(test_therapy), np.nan, start)
    known, wanted = np.isfinite(train_prior), np.isfinite(test_prior)
    if not known.any() or not wanted.any():
        return risk
    # Patients of the same therapy and prior are one binomial cell: a small fit at any n.
    train = pd.DataFrame(
        {"therapy": train_therapy[known], "prior": train_prior[known], "y": train_observed[known]}
    )
    cells = train.groupby(["therapy", "prior"], dropna=False)["y"].agg(["mean", "size"])
    cells = cells.reset_index()
    names = np.sort(cells["therapy"].dropna().astype(str).unique())
    coefficients = fit_logistic(
        _therapy_design(cells["therapy"].to_numpy(dtype=object), names),
        cells["mean"].to_numpy(dtype=float),
        cells["size"].to_numpy(dtype=float)[None, :],
        offset=cells["prior"].to_numpy(dtype=float),
        precision=np.array([WEAK_SD**-2] + [deviation_sd**-2] * len(names)),
    )[0]
    margin = _therapy_design(test_therapy[wanted], names) @ coefficients + test_prior[wanted]
    risk[wanted] = 1 / (1 + np.exp(-margin))
    return risk


def score_only(
    train_score: np.ndarray, train_observed: np.ndarray, test_score: np.ndarray
) -> np.ndarray:
    """Return risks from one published score, such as EASIX: logistic regression on it.

    Parameters
    ----------
    train_score, test_score : ndarray, shape (n,) and (m,)
        As `published_scores` gives them; NaN where the score cannot be had: those patients
        get the training fold's base rate.
    train_observed : ndarray of 0 and 1, shape (n,)

    Returns
    -------
    ndarray, shape (m,)
    """
    rate = base_rate(train_observed)
    risk = np.full(len(test_score), rate)
    known, wanted = np.isfinite(train_score), np.isfinite(test_score)
    if not known.any():
        return risk
    x = train_score[known]
    centre, spread = x.mean(), x.std() if x.std() > 0 else 1.0
    start = np.log(rate / (1 - rate))
    coefficients = fit_logistic(
        np.column_stack([np.ones(len(x)), (x - centre) / spread]),
        train_observed[known],
        np.ones((1, len(x))),
        offset=np.full(len(x), start),
        precision=np.full(2, WEAK_SD**-2),
    )[0]
    z = (test_score[wanted] - centre) / spread
    risk[wanted] = 1 / (1 + np.exp(-(start + coefficients[0] + coefficients[1] * z)))
    return risk


def published_scores(cohort: pd.DataFrame, dictionary: Dictionary) -> list[PublishedScore]:
    """Compute the scores that are judged beside the model, each alone.

    Whether the model uses them as predictors does not matter. Scores that are ratios enter
    as base-2 logarithms, as they are published; points as they are.

    Parameters
    ----------
    cohort : DataFrame
    dictionary : Dictionary
        Restricted to the cohort.
    """
    found = []
    for score in (BY_NAME[name] for name in COMPARATOR_SCORES):
        inputs = inputs_of(score, dictionary)
        if inputs is None:
            continue
        columns = [
            cohort[name].to_numpy(dtype=float, na_value=np.nan) * unit_factor(key, dictionary[name])
            for key, name in inputs.items()
        ]
        values = compute(score, columns)
        if score.scale == "log":
            values = np.log2(np.where(values > 0, values, np.nan))
        if np.isfinite(values).any():
            found.append(PublishedScore(score.name, score.label, tuple(inputs.values()), values))
    return found


def comparator_facts(scores: list[PublishedScore], minimum: int) -> dict[str, Any]:
    """Say for how many patients a score cannot be had, so that its risk is the base rate.

    Returns
    -------
    dict
        By score: ``label``, and ``without``, the share of patients without it; None, with
        the reason, where it stands for few patients.
    """
    facts: dict[str, Any] = {}
    for score in scores:
        n = len(score.values)
        without = int(np.isnan(score.values).sum())
        facts[score.name] = {"label": score.label, "without": without / n}
        if 0 < without < minimum or 0 < n - without < minimum:
            facts[score.name] |= {"without": None, "reason": suppressed(minimum)}
    return facts


def base_rate(observed: np.ndarray) -> float:
    """Return the share of events, half an event added to either class (Jeffreys)."""
    return float((observed.sum() + 0.5) / (len(observed) + 1))


def _therapy_design(therapy: np.ndarray, names: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(therapy)), therapy[:, None] == names[None, :]])
