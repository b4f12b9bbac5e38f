"""Exact contributions of every source to each patient's calibrated log-odds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.explanation.sources import Source, sources_of
from pipeline.features.matrix import values_of
from pipeline.model.artifact import Artifact
from pipeline.model.predict import predict_with_reasons

TOLERANCE = 1e-9

# Where in the distribution of risk the example patients stand, in per cent.
EXAMPLES = {"low": 5, "middle": 50, "high": 95}


@dataclass(frozen=True)
class Explanations:
    """Why n patients have the risks they have.

    Attributes
    ----------
    patients : ndarray, shape (n,)
        Identifiers. They go into tables of the run folder, never into a picture.
    id_name : str
    outcomes : dict
        Outcome to its label, in the model's order.
    sources : list of Source
        What contributions belong to; the therapy prior last.
    base : ndarray, shape (n, outcomes)
        Log-odds from which the model starts: their mean in training, not the cohort's rate.
    contributions : ndarray, shape (n, sources, outcomes)
        On the calibrated log-odds: ``base`` plus their sum is ``log_odds``.
    log_odds, risk, prior : ndarray, shape (n, outcomes)
        Log-odds and risk; risk by the therapy prior alone.
    explained_by : ndarray of int, shape (n, outcomes)
        Column of the outcome whose head gave the risk: a lower grade's where that grade's
        risk caps this one's. Base and contributions are then that head's.
    """

    patients: np.ndarray
    id_name: str
    outcomes: dict[str, str]
    sources: list[Source]
    base: np.ndarray
    contributions: np.ndarray
    log_odds: np.ndarray
    risk: np.ndarray
    prior: np.ndarray
    explained_by: np.ndarray

    def column(self, outcome: str) -> int:
        """Position of an outcome."""
        return list(self.outcomes).index(outcome)

    def risk_table(self) -> pd.DataFrame:
        """One row per patient and outcome: base, log-odds, risk, prior risk, explaining head."""
        n, k = self.risk.shape
        names = np.array(list(self.outcomes))
        return pd.DataFrame(
            {
                self.id_name: np.repeat(self.patients, k),
                "outcome": np.tile(names, n),
                "base": self.base.ravel(),
                "log_odds": self.log_odds.ravel(),
                "risk": self.risk.ravel(),
                "prior_risk": self.prior.ravel(),
                "explained_by": names[self.explained_by].ravel(),
            }
        )

    def contribution_table(self) -> pd.DataFrame:
        """One row per patient, outcome and source: contribution, and the value behind it.

        Numbers stand under ``value`` and text under ``level``. Long rather than wide, so
        that no variable's name can clash with another column's.
        """
        n, s, k = self.contributions.shape
        value = np.full((n, s), np.nan)
        level = np.full((n, s), None, dtype=object)
        for j, source in enumerate(self.sources):
            (level if source.kind == "categorical" else value)[:, j] = source.values
        return pd.DataFrame(
            {
                self.id_name: np.repeat(self.patients, s * k),
                "outcome": np.tile(np.repeat(list(self.outcomes), s), n),
                "source": np.tile([source.name for source in self.sources], n * k),
                "contribution": self.contributions.transpose(0, 2, 1).ravel(),
                "value": np.repeat(value[:, None, :], k, axis=1).ravel(),
                "level": np.repeat(level[:, None, :], k, axis=1).ravel(),
            }
        )


def explain(artifact: Artifact, cohort: pd.DataFrame, rows: int, seed: int) -> Explanations:
    """Explain the risks of a cohort's patients.

    Parameters
    ----------
    artifact : Artifact
    cohort : DataFrame
        Canonical values, with the id variable first.
    rows : int
        Explain at most so many patients: of more, a random sample in the cohort's order.
    seed : int
        Of the sample.

    Raises
    ------
    ArithmeticError
        Where base and contributions do not add up to the log-odds of the risk.
    """
    if len(cohort) > rows:
        kept = np.random.default_rng(seed).choice(len(cohort), rows, replace=False)
        cohort = cohort.iloc[np.sort(kept)]
    values = values_of(cohort, artifact.plan)
    prediction = predict_with_reasons(artifact, values)
    risk = prediction.risks.risk
    log_odds = np.log(risk) - np.log1p(-risk)
    _check_additivity(prediction.base + prediction.contributions.sum(axis=1), log_odds, risk)
    labels = artifact.facts.get("labels", {})
    return Explanations(
        patients=cohort.iloc[:, 0].to_numpy(),
        id_name=str(cohort.columns[0]),
        outcomes={name: labels.get(name, name) for name in artifact.model.outcomes},
        sources=sources_of(values, artifact.plan),
        base=prediction.base,
        contributions=prediction.contributions,
        log_odds=log_odds,
        risk=risk,
        prior=prediction.risks.prior,
        explained_by=prediction.risks.bound_by,
    )


def example_rows(explanations: Explanations, outcome: str) -> dict[str, int]:
    """Choose real patients of low, middle and high risk.

    Returns
    -------
    dict of str to int
        Keys of ``EXAMPLES`` to the row of the patient who stands at that percentile of risk.
    """
    order = np.argsort(explanations.risk[:, explanations.column(outcome)], kind="stable")
    return {
        name: int(order[round(percentile / 100 * (len(order) - 1))])
        for name, percentile in EXAMPLES.items()
    }


def example_table(
    explanations: Explanations, outcome: str, examples: dict[str, int]
) -> pd.DataFrame:
    """Which patients the examples are: one row each, with percentile and risk."""
    rows = list(examples.values())
    return pd.DataFrame(
        {
            "example": list(examples),
            "percentile": [EXAMPLES[name] for name in examples],
            explanations.id_name: explanations.patients[rows],
            "outcome": outcome,
            "risk": explanations.risk[rows, explanations.column(outcome)],
        }
    )


def _check_additivity(total: np.ndarray, log_odds: np.ndarray, risk: np.ndarray) -> None:
    # A risk within rounding of 1 no longer determines its log-odds to nine digits.
    allowed = TOLERANCE + 4 * np.finfo(float).eps / np.maximum(1 - risk, np.finfo(float).tiny)
    wrong = ~(np.abs(total - log_odds) <= allowed)  # also true where something is NaN
    if wrong.any():
        raise ArithmeticError(
            f"contributions do not add up to the log-odds for {int(wrong.sum())} of "
            f"{wrong.size} risks: the model or its explanation is at fault"
        )
