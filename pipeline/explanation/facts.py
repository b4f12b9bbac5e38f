"""What the run knows of its explanations, as plain figures for the card and the registry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipeline.explanation.contributions import EXAMPLES, Explanations
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
        ``outcomes``: per outcome its label, whether the risk varies at all, the share of
        patients whose risk is capped by a lower grade's, and the importance of each source;
        ``examples``: percentile and risk of the example patients; ``pictures``.
    """
    total = explanations.base + explanations.contributions.sum(axis=1)
    k = explanations.column(primary)
    return {
        "patients": len(explanations.patients),
        "largest_gap": float(np.abs(total - explanations.log_odds).max()),
        "primary_outcome": primary,
        "leading": leading,
        "outcomes": {
            outcome: _outcome_facts(explanations, importance, outcome)
            for outcome in explanations.outcomes
        },
        "examples": {
            name: {"percentile": EXAMPLES[name], "risk": float(explanations.risk[row, k])}
            for name, row in examples.items()
        },
        "pictures": [
            {
                "file": f"{picture.name}.png",
                "svg": f"{picture.name}.svg" if picture.svg else None,
                "outcome": picture.outcome,
                "title": picture.title,
                "alt": picture.alt,
                "table": picture.table,
                "patient_level": picture.patient_level,
            }
            for picture in pictures
        ],
    }


def _outcome_facts(
    explanations: Explanations, importance: pd.DataFrame, outcome: str
) -> dict[str, Any]:
    k = explanations.column(outcome)
    rows = importance[(importance["outcome"] == outcome) & (importance["mean_abs"] > 0)]
    return {
        "label": explanations.outcomes[outcome],
        "varies": bool(len(rows)),
        "capped_share": float(np.mean(explanations.explained_by[:, k] != k)),
        "importance": rows.drop(columns="outcome").to_dict(orient="records"),
    }
