"""Which variables move the risk: the bar chart of importance and the beeswarm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipeline.explanation.contributions import Explanations
from pipeline.explanation.sources import Source
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
    wrapped,
)
from pipeline.model.risk_model import PRIOR_SOURCE

_MOST_ROWS = 12


def draw_importance(
    importance: pd.DataFrame, explanations: Explanations, outcome: str
) -> Picture | None:
    """Bar chart of the mean absolute contributions with their intervals.

    None where nothing distinguishes the patients.
    """
    import shap

    rows, order, rest = _leading(importance, explanations, outcome)
    n = len(rows)
    if n == 0:
        return None
    label = explanations.outcomes[outcome]
    title = f"{label}: what moves the risk"
    mean, low, high = (rows[column].to_numpy() for column in ("mean_abs", "low", "high"))
    shares = [_share(share) for share in rows["share"]]
    with canvas(8, 1.4 + 0.4 * n) as figure:
        axes = figure.add_subplot()
        place(axes, 2.9, 0.65, 4.8, 0.4 * n)
        values = explanations.contributions[:, order, explanations.column(outcome)]
        names = rows["label"].tolist()
        chart = shap.Explanation(values=values, feature_names=names)
        shap.plots.bar(chart, max_display=n, order=np.arange(n), ax=axes, show=False)
        y = np.arange(n, 0, -1)
        axes.set_yticks(y, [wrapped(name) for name in names], size=10, color=INK)
        for guide in list(axes.lines):
            guide.remove()
        for bar in axes.patches:
            bar.set_facecolor(LOWERS)
        axes.errorbar(
            mean, y, xerr=[mean - low, high - mean], fmt="none", ecolor=INK, elinewidth=1.2
        )
        for text, end, share in zip(axes.texts, high, shares, strict=True):
            text.set(text=f" {share}", x=end + 0.01 * high.max(), size=9.5, color=QUIET)
        axes.set_xlim(0, 1.12 * high.max())
        axes.set_ylim(0.4, n + 0.6)
        axes.set_xlabel("Mean absolute contribution to the log-odds", size=10.5)
        axes.tick_params("x", labelsize=9.5)
        plain_frame(axes, "left", "bottom")
        head(figure, title, f"Per cent: share of all contributions. Black lines: intervals.{rest}")
        png, svg = png_and_svg(figure)
    named = [f"{name} ({share})" for name, share in zip(names, shares, strict=True)]
    alt = f"Bar chart. {title}. The leading variables are {'; '.join(named[:5])}."
    table = "importance.parquet"
    return Picture(file_name("importance", outcome), outcome, title, alt, table, False, png, svg)


def draw_beeswarm(
    importance: pd.DataFrame, explanations: Explanations, outcome: str
) -> Picture | None:
    """Every patient's contributions, coloured by the values behind them.

    None where nothing distinguishes the patients.
    """
    import shap
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap

    rows, order, rest = _leading(importance, explanations, outcome)
    n = len(rows)
    if n == 0:
        return None
    title = f"{explanations.outcomes[outcome]}: contributions, patient by patient"
    colours = LinearSegmentedColormap.from_list("value", [LOWERS, "#b9a5bd", RAISES])
    k = explanations.column(outcome)
    height = 1.65 + 0.42 * n
    with canvas(8, height) as figure:
        axes = figure.add_subplot()
        place(axes, 2.9, 0.65, 4.8, 0.42 * n)
        chart = shap.Explanation(
            values=explanations.contributions[:, order, k],
            data=np.column_stack([_shade(explanations, j, k) for j in order]),
            feature_names=rows["label"].tolist(),
        )
        shap.plots.beeswarm(
            chart, max_display=n, order=np.arange(n), color=colours, color_bar=False, ax=axes,
            plot_size=None, show=False, s=9, alpha=0.8,
        )  # fmt: skip
        names = [wrapped(name) for name in reversed(chart.feature_names)]
        axes.set_yticks(np.arange(n), names, size=10, color=INK)
        axes.tick_params("y", length=0)
        axes.tick_params("x", labelsize=9.5)
        axes.set_ylim(-0.7, n - 0.3)
        axes.set_xlabel("Contribution to the log-odds (right of 0: raises the risk)", size=10.5)
        key = figure.add_axes((0, 0, 1, 1))
        figure.colorbar(
            ScalarMappable(cmap=colours), cax=key, orientation="horizontal", ticks=[]
        ).outline.set_visible(False)
        place(key, 6.15, height - 0.72, 1.1, 0.1)
        for x, side, text in ((-0.06, "right", "low"), (1.06, "left", "high")):
            key.text(x, 0.4, text, ha=side, va="center", size=9, color=QUIET,
                     transform=key.transAxes)  # fmt: skip
        below = "Colour: the variable's value. Grey: missing, or a category."
        head(figure, title, f"Each point is a patient.{rest}\n{below}")
        png, svg = png_and_svg(figure)
    alt = f"Beeswarm plot. {title}, for the {n} leading variables."
    table = "contributions.parquet"
    return Picture(file_name("beeswarm", outcome), outcome, title, alt, table, True, png, svg)


def _leading(
    importance: pd.DataFrame, explanations: Explanations, outcome: str
) -> tuple[pd.DataFrame, list[int], str]:
    """Rows of importance to draw, their places among the sources, and what is left out."""
    moving = importance[(importance["outcome"] == outcome) & (importance["mean_abs"] > 0)]
    rows, others = moving.head(_MOST_ROWS), moving.iloc[_MOST_ROWS:]
    place_of = {source.name: j for j, source in enumerate(explanations.sources)}
    rest = ""
    if len(others):
        share = _share(others["share"].sum())
        rest = f" {len(others)} further variables, {share} together, are not drawn."
    return rows, [place_of[name] for name in rows["source"]], rest


def _shade(explanations: Explanations, j: int, k: int) -> np.ndarray:
    """What colours a source's points: its value, the logarithm if so read, NaN if text."""
    source: Source = explanations.sources[j]
    if source.name == PRIOR_SOURCE:
        prior: np.ndarray = explanations.prior[:, k]
        return prior
    if source.kind == "categorical":
        return np.full(len(source.values), np.nan)
    return np.asarray(source.position, dtype=float)


def _share(share: Any) -> str:
    return f"{share:.0%}" if share >= 0.01 else "<1%"
