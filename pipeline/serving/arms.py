"""What a therapy's arm brings to each head's risk: the same for each of its patients."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pipeline.features.encoder import REMEMBERED, Arm, Arms
from pipeline.model.artifact import Artifact


class ArmTerms:
    """Terms of the arms of one model, each computed once.

    Parameters
    ----------
    artifact : Artifact
    centres : ndarray, shape (heads, sources)
        What each source's linear terms add on average: an arm follows it as it follows the
        deviation.
    """

    def __init__(self, artifact: Artifact, centres: np.ndarray) -> None:
        heads, plan = artifact.model.heads, artifact.plan
        self._heads, self._centres = heads, centres
        self._is_published = np.array([head.prior.kind == "published" for head in heads])
        self._base_rate = np.array([head.prior.base_rate or 0.0 for head in heads])
        self._prior_mean = np.array([head.prior.mean for head in heads])
        self._a = np.array([head.a for head in heads])
        self._rate_weight = np.array([head.update.rate_weight for head in heads])
        self._deviation_weight = np.array([head.update.deviation_weight for head in heads])
        columns = plan.therapy_columns
        width = len(plan.columns)
        self._effects, self._modality_effects = (
            np.array([effects or [0.0] * width for effects in of_heads])[:, columns]
            for of_heads in (
                [head.therapy_effects for head in heads],
                [head.modality_effects for head in heads],
            )
        )
        self._source_of = np.eye(len(plan.sources) + 1)[
            [plan.sources.index(plan.columns[at].source) for at in columns]
        ]
        self._of = lru_cache(REMEMBERED)(self._computed)

    def terms(self, arms: Arms) -> np.ndarray:
        """Look up the terms of n patients, shape (4, heads, n).

        Log-odds of the prior; of the therapy alone, the prior included; how far patients follow
        the deviation; and the variance that the published rate brings.
        """
        return self._spread(arms, 0)

    def contributions(self, arms: Arms) -> np.ndarray:
        """Look up what the arm adds to contributions, shape (heads, sources + 1, n).

        The therapy prior's is the last.
        """
        return self._spread(arms, 1)

    def _spread(self, arms: Arms, which: int) -> np.ndarray:
        """Lay out per patient what is known of the arms."""
        if len(arms.of) == 1 and arms.each:
            return self._of(arms.each[0])[which]
        found = [self._of(arm)[which] for arm in arms.each] or [self._of(None)[which]]
        return np.concatenate(found, axis=-1).take(arms.of, axis=-1)

    def _computed(self, arm: Arm | None) -> tuple[np.ndarray, np.ndarray]:
        codes = np.nan_to_num(arm.columns[:, 0]) if arm else np.zeros(len(self._source_of))
        published, sd = (arm.published, arm.sd) if arm else np.full((2, len(self._heads)), np.nan)
        name = arm.name if arm else ""
        prior = np.where(self._is_published, published, self._base_rate)
        rate = prior + self._effects @ codes + self._a
        follows = 1.0 + self._modality_effects @ codes
        # The published rate's variance enters as far as training did not tell of the arm.
        told = np.array([head.information.get(name, 0.0) for head in self._heads])
        scaled = (self._rate_weight * sd) ** 2
        variance = np.where(self._is_published, scaled / (1 + told * scaled), 0.0)
        contributions = (self._effects * codes) @ self._source_of * self._rate_weight[:, None]
        contributions -= self._centres * (self._deviation_weight * follows)[:, None]
        contributions[:, -1] = self._rate_weight * (prior - self._prior_mean)
        return np.stack([prior, rate, follows, variance])[..., None], contributions[..., None]
