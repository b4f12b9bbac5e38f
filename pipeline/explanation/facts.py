"""What the run knows of its explanations, as plain figures for the card and the registry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipeline.explanation.contributions import EXAMPLES, Explanations
from pipeline.explanation.pictures import picture_facts
from pipeline.explanation.style import Picture


def explanation_facts(
    explanations: Explanations,
    importance: pd.DataFrame,
    leading: list[str],
    examples: dict[str, int],
    primary: str,
    pictures: list[Picture],
) -> dict[str, Any]:
    """Collect the figures; no patient's values or identifiers are among them.

    Returns
    -------
    dict
        ``patients`` explained; ``largest_gap`` between base plus contributions and log-odds;
        ``outcomes``: label, whether the risk varies at all, and the share of patients whose
        risk a lower grade's caps; ``importance`` of the sources that move a risk;
        ``examples``: percentile and risk of the example patients; ``pictures``.
    """
    total = explanations.base + explanations.contributions.sum(axis=1)
    moving = importance[importance["mean_abs"] > 0]
    k = explanations.column(primary)
    return {
        "patients": len(explanations.patients),
        "largest_gap": float(np.abs(total - explanations.log_odds).max()),
        "primary_outcome": primary,
        "leading": leading,
        "outcomes": {
            outcome: {
                "label": label,
                "varies": outcome in set(moving["outcome"]),
                "capped_share": float(np.mean(explanations.explained_by[:, i] != i)),
            }
            for i, (outcome, label) in enumerate(explanations.outcomes.items())
        },
        "importance": moving.to_dict(orient="records"),
        "examples": {
            name: {"percentile": EXAMPLES[name], "risk": float(explanations.risk[row, k])}
            for name, row in examples.items()
        },
        "pictures": picture_facts(pictures),
    }
