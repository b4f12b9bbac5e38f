"""One head: the risk of one outcome, ``prior + u + a + m sum(b f)`` on the logit scale.

``u`` is the random intercept of the patient's therapy, ``f`` are the deviations by the three
learners, and ``m`` says how far patients on a therapy of this modality follow them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from pipeline.config import Deviation as Beliefs
from pipeline.model.deviation import Deviation
from pipeline.model.interval import Uncertainty
from pipeline.model.recalibration import fit_recalibration
from pipeline.model.update import Update

# Fewer events, or patients without the event, are not counted in what leaves training.
SMALLEST_SHOWN = 10

PriorKind = Literal["published", "base rate"]


@dataclass(frozen=True)
class Prior:
    """Where an outcome's log-odds start before anything is learned of the patient.

    Attributes
    ----------
    kind : str
        ``published`` rates per therapy, or the training cohort's ``base rate``.
    base_rate : float or None
        Log-odds of the base rate, every patient's prior where the kind is ``base rate``; None
        otherwise, as nothing needs it and it tells the number of events.
    mean : float
        Mean prior log-odds in training; explanations are relative to it.
    """

    kind: PriorKind
    base_rate: float | None
    mean: float

    def log_odds(self, published: np.ndarray) -> np.ndarray:
        """Prior log-odds, shape (n,); NaN where a published rate is needed and unknown."""
        if self.kind == "published":
            return published
        return np.full(len(published), self.base_rate)


@dataclass(frozen=True)
class Head:
    """The fitted risk of one outcome.

    Attributes
    ----------
    outcome : str
    prior : Prior
    deviation : Deviation or None
        Learned together with the nested outcomes, which hold the same one; None where the
        cohort was below the config's minimum: the risk is then the prior, recalibrated in the
        large at most.
    a : float
    b : tuple of float
        Weight of each learner: trees, ridge, elastic net.
    uncertainty : Uncertainty
    patients : int
        What it was trained on.
    events : int or None
        Of these; None where they, or the patients without the event, are too few to be shown.
    why_not_fitted : str or None
        In words, where there is no deviation.
    therapy_effects : tuple of float
        Per column, how far this cohort's rate of a therapy lies from the published one, in
        log-odds, shrunk as a random intercept; 0 for all other columns. Empty for none.
    modality_effects : tuple of float
        Per column, ``m - 1`` of the modality it codes; 0 for all other columns. Empty for none.
    information : dict of str to float
        Per arm (therapy in a disease), what training tells of its rate: the sum of
        ``p (1 - p)`` over its patients. Empty where nothing was fitted.
    update : Update
        What a site's patients taught after training; nothing, in a model as trained.
    """

    outcome: str
    prior: Prior
    deviation: Deviation | None
    a: float
    b: tuple[float, ...]
    uncertainty: Uncertainty
    patients: int
    events: int | None
    why_not_fitted: str | None = None
    therapy_effects: tuple[float, ...] = ()
    modality_effects: tuple[float, ...] = ()
    information: dict[str, float] = field(default_factory=dict)
    update: Update = field(default_factory=Update)

    def therapy_parts(self, Z: np.ndarray) -> np.ndarray:
        """What each column's therapy effect adds to the log-odds, shape (n, columns)."""
        if not self.therapy_effects:
            return np.zeros_like(Z)
        return np.nan_to_num(Z) * np.array(self.therapy_effects)

    def follows(self, Z: np.ndarray) -> np.ndarray:
        """How far each patient's therapy follows the deviation, shape (n,): ``m``."""
        if not self.modality_effects:
            return np.ones(len(Z))
        return 1.0 + np.nan_to_num(Z) @ np.array(self.modality_effects)

    def terms(
        self, F: np.ndarray, Z: np.ndarray, published: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Log-odds by the therapy alone, and what the findings add, each of shape (n,).

        As trained, before coherence and before any update, which combines the two.

        Parameters
        ----------
        F : ndarray, shape (n, learners)
            Deviation by each learner; 0 where nothing was fitted.
        Z : ndarray, shape (n, columns)
        published : ndarray, shape (n,)
        """
        own_rate = self.therapy_parts(Z).sum(axis=1)
        deviation = self.follows(Z) * (F @ np.array(self.b))
        return self.prior.log_odds(published) + own_rate + self.a, deviation

    def sd(
        self,
        F: np.ndarray,
        Z: np.ndarray,
        filled: np.ndarray,
        prior_sd: np.ndarray,
        arms: np.ndarray | None,
    ) -> np.ndarray:
        """Standard deviation of the log-odds, shape (n,).

        Parameters
        ----------
        F : ndarray, shape (n, learners)
            How far the learners disagree on a patient counts as spread, by their weights.
        Z, filled : ndarray, shape (n, columns)
        prior_sd : ndarray, shape (n,)
            Of the published rate. It enters as far as training did not tell of the rate: in
            full for an arm that training did not see, and where nothing was fitted.
        arms : ndarray of str, shape (n,), or None
            As ``features.matrix.arm_names`` returns them; None where no published rates are used.
        """
        b = np.array(self.b)
        apart = F - (F @ b / max(b.sum(), 1e-12))[:, None]
        disagreement = self.follows(Z) * np.sqrt(b.sum() * (apart**2 @ b))
        own = np.hypot(self.uncertainty.sd(filled), disagreement)
        own = self.update.deviation_weight * own
        prior_sd = self.update.rate_weight * prior_sd
        if self.prior.kind != "published":
            return own
        told = np.zeros(len(filled))
        if arms is not None and self.information:
            unique, codes = np.unique(arms, return_inverse=True)
            told = np.array([self.information.get(arm, 0.0) for arm in unique])[codes]
        return np.sqrt(own**2 + prior_sd**2 / (1 + told * prior_sd**2))


def information_by_arm(arms: np.ndarray | None, risk: np.ndarray) -> dict[str, float]:
    """Sum ``p (1 - p)`` over the patients of each arm."""
    if arms is None:
        return {}
    unique, codes = np.unique(arms.astype(str), return_inverse=True)
    total = np.bincount(codes, weights=risk * (1 - risk))
    return {str(arm): float(found) for arm, found in zip(unique, total, strict=True)}


def choose_prior(y: np.ndarray, published: np.ndarray) -> Prior:
    """Published rates where there are any, else the base rate (half an event on either side)."""
    events = float(y.sum())
    base_rate = float(np.log((events + 0.5) / (len(y) - events + 0.5)))
    if np.isnan(published).all():
        return Prior("base rate", base_rate, base_rate)
    return Prior("published", None, float(published.mean()))


def shown_events(y: np.ndarray) -> int | None:
    """Count the events, unless either class is too small to be shown."""
    events = int(y.sum())
    return events if min(events, len(y) - events) >= SMALLEST_SHOWN else None


def recalibrate(
    y: np.ndarray,
    offset: np.ndarray,
    F: np.ndarray,
    modalities: np.ndarray,
    beliefs: Beliefs,
) -> tuple[float, tuple[float, ...], np.ndarray]:
    """Fit ``a``, ``b`` and ``m`` of a head from out-of-fold deviations.

    Parameters
    ----------
    F : ndarray, shape (n, learners)
    modalities : ndarray of 0/1, shape (n, kinds)
        Modality of each patient's therapy.

    Returns
    -------
    a : float
    b : tuple of float, one per learner
    m : ndarray, shape (kinds,)
        At least 0. Each modality's factor is learned beside the common weights, so that a
        modality with few patients keeps about 1.
    """
    if not F.any():
        # Nothing was fitted: the intercept alone.
        a, _ = fit_recalibration(y, offset, F[:, :0], beliefs.intercept_sd, F[0, :0], F[0, :0])
        return a, (0.0,) * F.shape[1], np.ones(modalities.shape[1])
    learners = F.shape[1]
    mean, sd = np.full(learners, beliefs.weight_mean / learners), beliefs.weight_sd
    a, b = fit_recalibration(y, offset, F, beliefs.intercept_sd, mean, np.full(learners, sd))
    kinds, deviation = modalities.shape[1], F @ b
    m = np.ones(kinds)
    if kinds and deviation.any():
        without = deviation * (1 - modalities.sum(axis=1))
        a, m = fit_recalibration(
            y, offset + without, deviation[:, None] * modalities, beliefs.intercept_sd,
            np.ones(kinds), np.full(kinds, beliefs.modality_sd),
        )  # fmt: skip
    return a, tuple(float(weight) for weight in b), m


def too_few(y: np.ndarray, minimum: tuple[int, int]) -> str | None:
    """Say in words why nothing may be fitted, or None where it may.

    Parameters
    ----------
    y : ndarray of 0/1, shape (n,)
    minimum : tuple of two int
        Patients, and events of the smaller class, that are needed.
    """
    patients_needed, events_needed = minimum
    n, events = len(y), int(min(y.sum(), len(y) - y.sum()))
    if n >= patients_needed and events >= events_needed:
        return None
    # The sentence travels with every prediction: a small count could point at a person.
    shown = str(events) if events >= SMALLEST_SHOWN else f"fewer than {SMALLEST_SHOWN}"
    return (
        f"{n} patients with {shown} in the smaller outcome class; at least "
        f"{patients_needed} patients and {events_needed} events are needed: no finding in the "
        "patient changes the risk, which is the prior alone, recalibrated to the cohort's overall "
        "rate at most"
    )
