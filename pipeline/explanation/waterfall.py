"""One patient's risk, taken apart: from where the model starts to this patient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.explanation.contributions import EXAMPLES, Explanations
from pipeline.explanation.importance import NEGLIGIBLE
from pipeline.explanation.scales import risk_ticks
from pipeline.explanation.style import (
    INK,
    LOWERS,
    QUIET,
    RAISES,
    Picture,
    canvas,
    file_name,
    head,
    place,
    plain_frame,
    png_and_svg,
    shortened,
)
from pipeline.model.risk_model import PRIOR_SOURCE, expit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_ROWS = 11


def draw_waterfall(
    explanations: Explanations, outcome: str, example: str, row: int
) -> Picture | None:
    """Draw a patient's contributions as steps in log-odds, with the risk in per cent above.

    Parameters
    ----------
    example : str
        A key of ``EXAMPLES``.
    row : int
        As ``example_rows`` returns it.

    Returns
    -------
    Picture or None
        None where the patient does not differ from the average.
    """
    import shap

    k = explanations.column(outcome)
    parts = explanations.contributions[row, :, k]
    order = np.argsort(-np.abs(parts), kind="stable")
    order = order[np.abs(parts[order]) > NEGLIGIBLE]
    if len(order) == 0:
        return None
    n = min(len(order), _MOST_ROWS)
    label = explanations.outcomes[outcome]
    title = f"{label}: risk {per_cent(explanations.risk[row, k])}"
    with canvas(8, 0.5 * n + 1.5) as figure:
        axes = figure.add_subplot()
        place(axes, 3.3, 0.6, 4.45, 0.5 * n)
        chart = shap.Explanation(
            values=parts[order],
            base_values=explanations.base[row, k],
            feature_names=[explanations.sources[j].label for j in order],
        )
        shap.plots.waterfall(chart, max_display=n, show=False)
        # Its marks for f(x) and E[f(X)] give way to an axis of risks.
        for marks in figure.axes[1:]:
            marks.remove()
        figure.set_size_inches(8, 0.5 * n + 1.85)
        place(axes, 3.3, 0.65, 4.45, 0.5 * n)
        _redraw_steps(axes, parts[order], n, float(explanations.log_odds[row, k]))
        axes.set_yticks([])
        for i in range(n):
            name, value = _row_text(explanations, row, k, order, i, n)
            y = n - 1 - i
            style: Any = {"ha": "right", "va": "center", "transform": axes.get_yaxis_transform()}
            axes.text(-0.02, y + (0.19 if value else 0), name, size=9.5, color=INK, **style)
            axes.text(-0.02, y - 0.2, value, size=9, color=QUIET, **style)
        axes.set_ylim(-0.6, n - 0.4)
        axes.set_xlabel(f"Log-odds of {lower_first(label)}, calibrated", size=10.5)
        axes.tick_params("x", labelsize=9.5)
        above = axes.twiny()
        above.set_xlim(axes.get_xlim())
        above.set_xticks(*risk_ticks(*axes.get_xlim()))
        above.tick_params("x", labelsize=9.5, length=3, pad=2)
        above.annotate("Risk", (-0.02, 1), (0, 6), "axes fraction", "offset points",
                       ha="right", size=9.5, color=QUIET)  # fmt: skip
        plain_frame(above, "top")
        head(figure, title, _below(explanations, row, k, example))
        png, svg = png_and_svg(figure)
    alt = f"Waterfall plot. {label}, a patient of {example} risk: steps in log-odds per variable."
    table = "contributions.parquet"
    return Picture(file_name("waterfall", example), outcome, title, alt, table, True, png, svg)


def per_cent(risk: float) -> str:
    """Write a risk: ``23%``, ``4.2%``, ``<0.1%``."""
    if risk < 0.001:
        return "<0.1%"
    if risk > 0.999:
        return ">99.9%"
    return f"{risk:.1%}" if risk < 0.0995 or risk >= 0.995 else f"{risk:.0%}"


def lower_first(label: str) -> str:
    """Label as it reads inside a sentence; abbreviations such as CRS stay as they are."""
    return label if label[:2].isupper() else label[:1].lower() + label[1:]


def _row_text(
    explanations: Explanations, row: int, k: int, order: np.ndarray, i: int, n: int
) -> tuple[str, str]:
    if i == n - 1 and len(order) > n:
        return f"{len(order) - n + 1} further variables", ""
    source = explanations.sources[order[i]]
    value = source.shown(row)
    if source.name == PRIOR_SOURCE:
        rate = per_cent(explanations.prior[row, explanations.explained_by[row, k]])
        value = f"{value}: {rate}"
    return shortened(source.label, 42), shortened(value, 44)


def _redraw_steps(axes: Axes, parts: np.ndarray, n: int, end: float) -> None:
    """Draw shap's arrows and numbers again: it turns arrows shorter than their head round.

    Parameters
    ----------
    parts : ndarray
        Largest first; the last of the ``n`` rows holds the sum of all that remain.
    end : float
        Log-odds to which the uppermost step leads.
    """
    from matplotlib.patches import FancyArrow, Polygon

    for arrow in [patch for patch in axes.patches if isinstance(patch, FancyArrow)]:
        arrow.remove()
    steps = np.append(parts[: n - 1], parts[n - 1 :].sum())
    low, high = axes.get_xlim()
    for i, step in enumerate(steps):
        y, start = n - 1 - i, end - step
        neck = end - np.sign(step) * min(abs(step), 0.015 * (high - low))
        outline = [(start, y - 0.38), (neck, y - 0.38), (end, y), (neck, y + 0.38),
                   (start, y + 0.38)]  # fmt: skip
        axes.add_patch(Polygon(outline, facecolor=RAISES if step > 0 else LOWERS, lw=0))
        end = start
    for text in axes.texts:
        step = steps[n - 1 - round(text.get_position()[1])]
        text.set(text=f"{step:+.2f}".replace("-", "−"), size=10)


def _below(explanations: Explanations, row: int, k: int, example: str) -> str:
    start = per_cent(float(expit(explanations.base[row, k])))
    own = per_cent(float(explanations.risk[row, k]))
    place_in = f"A patient of {example} risk: the {EXAMPLES[example]}th percentile."
    steps = f"Steps lead from where the model starts ({start}) to this patient ({own})."
    by = explanations.explained_by[row, k]
    if by == k:
        return f"{place_in}\n{steps}"
    binding = lower_first(list(explanations.outcomes.values())[by])
    return f"{place_in} Capped by the risk of {binding}, whose reasons these are.\n{steps}"
