"""Where the learning curve flattens: by its fitted law, and in words."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.config import Learning
from pipeline.evaluation.bootstrap import summary
from pipeline.evaluation.power_law import FEWEST_SIZES, fit_power_law


def law_of_learning(
    sizes: np.ndarray, losses: np.ndarray, usable: list[int], settings: Learning, level: float
) -> dict[str, Any]:
    """Return what the next doubling would save, and from which size on it saves too little.

    Parameters
    ----------
    sizes : ndarray, shape (sizes,)
    losses : ndarray, shape (1 + samples, sizes)
        Log-loss in the data, then in each bootstrap sample.
    usable : list of int
        Sizes at which every part had enough events to be fitted.
    settings : Learning
    level : float
        Of the intervals.
    """
    if len(usable) < FEWEST_SIZES:
        return {
            "reason": f"{FEWEST_SIZES} training sizes with enough events throughout are needed, "
            f"found {len(usable)}"
        }
    at, values = sizes[usable], losses[:, usable]
    values = values[np.isfinite(values).all(axis=1)]
    law = fit_power_law(at, values, 1 / values[1:].var(axis=0))
    return {
        "floor": summary(law.floor, level),
        "exponent": summary(law.exponent, level),
        "next_doubling": summary(law.doubling(float(sizes[-1])), level),
        "flat_from": summary(law.flat_from(settings.worthwhile), level),
        "smallest": int(at[0]),
    }


def sentence(curve: dict[str, Any], worthwhile: float) -> str:
    """Say soberly where the curve flattens, or that it does not within the data."""
    last, law = curve["last_doubling"], curve["law"]
    saved = last["log_loss"]
    said = (
        f"Going from {last['from']:,} to {last['to']:,} training patients saved "
        f"{saved['estimate']:.4f} in log-loss ({saved['low']:.4f} to {saved['high']:.4f})."
    )
    if "reason" in law:
        return f"{said} Where the curve flattens is not estimated: {law['reason']}."
    ahead = law["next_doubling"]
    more = f"{ahead['estimate']:.4f} ({ahead['low']:.4f} to {ahead['high']:.4f})"
    flat = law["flat_from"]
    if flat["high"] <= last["to"]:
        about = max(flat["estimate"], law["smallest"])
        return (
            f"{said} By the fitted curve a doubling saves less than {worthwhile:g} from about "
            f"{about:,.0f} patients on (at most {max(flat['high'], law['smallest']):,.0f}); "
            f"another one would save {more}."
        )
    if flat["low"] > last["to"]:
        return (
            f"{said} The curve has not flattened within the data: another doubling would save "
            f"{more}, more than {worthwhile:g}."
        )
    return (
        f"{said} Whether the curve has flattened is uncertain: another doubling would save "
        f"{more}, where {worthwhile:g} counts as worthwhile."
    )
