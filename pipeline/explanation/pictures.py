"""All pictures of a run's explanations, in the order in which people read them.

Pictures of groups of patients may leave the run folder; those that show single patients,
without identifiers, may only where the cohort is synthetic (``Picture.patient_level``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd

from pipeline.explanation.contributions import Explanations
from pipeline.explanation.dependence_plots import draw_dependence, draw_groups
from pipeline.explanation.global_plots import draw_beeswarm, draw_importance
from pipeline.explanation.style import Picture
from pipeline.explanation.waterfall import draw_waterfall


def draw_pictures(
    explanations: Explanations,
    importance: pd.DataFrame,
    groups: pd.DataFrame,
    primary: str,
    leading: list[str],
    examples: dict[str, int],
    progress: Callable[[str, int, int], None],
) -> list[Picture]:
    """Draw importance and beeswarm per outcome, and for the primary one all the rest.

    Parameters
    ----------
    importance, groups : DataFrame
        As ``global_importance`` and ``grouped_dependence`` return them.
    primary : str
        The outcome of dependence plots and waterfalls.
    leading : list of str
        Sources whose dependence is drawn.
    examples : dict of str to int
        As ``example_rows`` returns it: the patients of the waterfalls.
    progress : callable
        Told what is done, how many pictures are drawn, and of how many.

    Returns
    -------
    list of Picture
        Without those that would show nothing, because the risk does not vary.
    """
    tasks: list[Callable[[], Picture | None]] = []
    for outcome in [primary, *(name for name in explanations.outcomes if name != primary)]:
        tasks.append(partial(draw_importance, importance, explanations, outcome))
        tasks.append(partial(draw_beeswarm, importance, explanations, outcome))
    tasks.append(partial(draw_groups, explanations, primary, leading, groups))
    for rank, name in enumerate(leading, 1):
        tasks.append(partial(draw_dependence, explanations, primary, name, rank, groups))
    for example, row in examples.items():
        tasks.append(partial(draw_waterfall, explanations, primary, example, row))
    drawn = []
    for done, draw in enumerate(tasks):
        progress("drawing", done, len(tasks))
        drawn.append(draw())
    return [picture for picture in drawn if picture is not None]


def picture_facts(pictures: list[Picture]) -> list[dict[str, Any]]:
    """What the card and the registry must know of each picture."""
    return [
        {
            "name": picture.name,
            "file": f"{picture.name}.png",
            "svg": f"{picture.name}.svg" if picture.svg else None,
            "outcome": picture.outcome,
            "title": picture.title,
            "alt": picture.alt,
            "table": picture.table,
            "patient_level": picture.patient_level,
        }
        for picture in pictures
    ]
