"""From a cohort table to a calibrated, explained and registered model of CRS risk.

Research use only. ``pipeline.load(path_or_uri).predict(frame)`` scores new patients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.serving.scorer import Scorer

__version__ = "0.1.0"


def load(path_or_uri: str) -> Scorer:
    """Load a trained model from its folder or from a registry address.

    Parameters
    ----------
    path_or_uri : str
        A model folder (``models/default/train/model``), or an MLflow address such as
        ``models:/crs-risk@champion``; only the latter needs MLflow.

    Returns
    -------
    Scorer
        ``.predict(frame)`` takes raw baseline columns in the dictionary's units.
    """
    from pipeline.serving.scorer import load as load_scorer

    return load_scorer(path_or_uri)
