"""Whether a cohort is large enough for "fine" to mean anything."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np

from pipeline.config import Monitoring
from pipeline.model.artifact import Artifact
from pipeline.monitoring.closed_test import Site
from pipeline.monitoring.reasons import count_of


def adequacy(
    site: Site,
    patients: int,
    overall: dict[str, Any],
    artifact: Artifact,
    level: float,
    settings: Monitoring,
) -> dict[str, Any]:
    """How closely the level of the primary outcome is known.

    Parameters
    ----------
    site : Site
        Patients with a risk and a known primary outcome.
    patients : int
        In the whole cohort.
    overall : dict
        All patients' figures, as `calibration_by_period` gives them.
    artifact : Artifact
    level : float
        Of the interval.
    settings : Monitoring

    Returns
    -------
    dict
        ``adequate``: whether the interval of the calibration intercept reaches no further than
        `settings.widest_intercept`; None where no outcome is known. ``half_width`` in log-odds;
        where too few are in a class for an interval to be shown, that which right risks would
        give. ``sentence``, where not adequate: what could have gone unseen.
    """
    if len(site.y) == 0:
        return {"adequate": None, "half_width": None, "sentence": None}
    if "intercept" in overall:
        half = (overall["intercept"]["high"] - overall["intercept"]["low"]) / 2
    else:
        risk = np.exp(-np.logaddexp(0.0, -site.offset))
        z = NormalDist().inv_cdf(0.5 + level / 2)
        half = z / float(np.sqrt(np.sum(risk * (1 - risk))))
    if half <= settings.widest_intercept:
        return {"adequate": True, "half_width": half, "sentence": None}
    label = artifact.facts["labels"][artifact.facts["primary_outcome"]]
    told = (
        f"from {count_of(len(site.y), patients)} patients with a risk and a known outcome, odds of "
        f"{label} that are {np.exp(half):.1f} times as high as predicted, or as low, may go unseen"
    )
    return {"adequate": False, "half_width": half, "sentence": told}
