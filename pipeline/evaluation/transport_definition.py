"""What the figures of sites, therapies and years left out are, in words."""

from __future__ import annotations

from typing import Any

from pipeline.config import Evaluation, Transport


def definition(settings: Transport, evaluation: Evaluation) -> dict[str, Any]:
    """Return what the figures are, in words."""
    return {
        "procedure": (
            "the entire procedure is refitted without the unit's patients, wherever they have "
            "rows, and judged on them; units with fewer patients of either class are not judged, "
            "but train the others"
        ),
        "units": (
            f"{settings.units} at most, those with most patients in the smaller class of the "
            "primary outcome"
        ),
        "intervals": (
            f"{evaluation.interval_level:.0%}, normal approximation with analytic errors; "
            "but see the temporal split"
        ),
        "summary": (
            "random effects by restricted maximum likelihood, Hartung-Knapp interval; the "
            "prediction interval (t with k - 2 degrees of freedom) is where the true value of one "
            "further unit is expected"
        ),
        "tau": (
            "standard deviation between units, in log-odds for AUROC, as a logarithm for "
            "observed/expected and log-loss, else on the figure's own scale"
        ),
        "without_prior": (
            "the same with the training patients' base rate in place of the therapy's published "
            "rate; its attributes stay predictors"
        ),
        "differences": "model minus comparator on the same patients; below 0 is better",
        "temporal": (
            f"trained on earlier years, judged on the last ones that hold at least "
            f"{settings.latest_share:.0%} of the patients; their patients train nothing. "
            "Intervals: sites (or patients with several rows) are resampled as a whole, as in the "
            f"evaluation, where at least {evaluation.minimum_sites} have later patients"
        ),
        "suppression": f"counts under {evaluation.minimum_cell}, and what would reveal them, "
        "are not given",
        "interval_level": evaluation.interval_level,
        "minimum_events": max(settings.minimum_events, evaluation.minimum_cell),
    }
