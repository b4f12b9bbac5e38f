"""How contributions depend on values: patients as points, or groups of patients as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipeline.explanation.contributions import Explanations
from pipeline.explanation.scales import Ticks, positions, value_ticks
from pipeline.explanation.sources import MISSING, Source
from pipeline.explanation.style import (
    FAINT,
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
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_AXIS = "Contribution to the log-odds"
_MOST_LEVELS = 8


def draw_dependence(
    explanations: Explanations, outcome: str, name: str, rank: int, groups: pd.DataFrame
) -> Picture | None:
    """One variable's contributions against its values, patients as points.

    Parameters
    ----------
    rank : int
        Of the variable among the leading ones; it opens the file's name.
    groups : DataFrame
        As ``grouped_dependence`` returns it; of numbers the means are drawn as a line.

    Returns
    -------
    Picture or None
        None where no patient has a value.
    """
    import shap

    j = [source.name for source in explanations.sources].index(name)
    source = explanations.sources[j]
    title = f"{explanations.outcomes[outcome]}: {source.label}"
    at = positions(source)
    known = ~np.isnan(at)
    if not known.any():
        return None
    words = source.kind == "categorical"
    groups = groups[groups["source"] == name]
    with canvas(8, 4.9) as figure:
        axes = figure.add_subplot()
        place(axes, 0.95, 1.45 if words else 0.75, 6.75, 2.55 if words else 3.25)
        column = shap.Explanation(
            values=explanations.contributions[known, j, explanations.column(outcome)],
            data=at[known],
            feature_names=source.label,
        )
        shap.plots.scatter(
            column, color=LOWERS, hist=False, dot_size=14, alpha=0.4, ax=axes, show=False
        )
        axes.axhline(0, color=QUIET, lw=0.8, zorder=0)
        ticks = value_ticks(source)
        _means(axes, source, groups, ticks, INK, spread=False)
        _set_ticks(axes, source, ticks, 22)
        axes.tick_params("both", labelsize=9.5)
        axes.set_xlabel("" if words else source.heading, size=10.5, color=INK)
        axes.set_ylabel(_AXIS, size=10.5, color=INK)
        line = " Line: means of groups." if source.kind == "numeric" else ""
        share = f"{np.mean(~known):.0%}" if np.mean(~known) >= 0.01 else "<1%"
        hollow = " (hollow)" if (groups["level"] == MISSING).any() else ""
        without = "" if known.all() else f" Value missing: {share} of patients{hollow}."
        head(figure, title, f"Each point is a patient.{line}{without}")
        png, svg = png_and_svg(figure)
    alt = f"Scatter plot. {title}: contributions against values."
    file = file_name("dependence", str(rank), name)
    return Picture(file, outcome, title, alt, "contributions.parquet", True, png, svg)


def draw_groups(
    explanations: Explanations, outcome: str, names: list[str], groups: pd.DataFrame
) -> Picture | None:
    """The leading variables side by side on one scale, from groups of patients only.

    None where no variable moves the risk. Of many levels the largest are drawn.
    """
    if groups.empty:
        return None
    title = f"{explanations.outcomes[outcome]}: the leading variables"
    sources = {source.name: source for source in explanations.sources}
    drawn = [name for name in names if name in set(groups["source"])]
    columns = min(3, len(drawn))
    lines = -(-len(drawn) // columns)
    tall = [
        3.1 if any(sources[name].kind == "categorical" for name in drawn[i : i + columns]) else 2.4
        for i in range(0, len(drawn), columns)
    ]
    height = 0.8 + sum(tall)
    limit = 1.12 * float(groups[["low", "high", "contribution"]].abs().to_numpy().max())
    with canvas(8, height) as figure:
        for i, name in enumerate(drawn):
            line, column = divmod(i, columns)
            axes = figure.add_subplot(lines, columns, i + 1)
            across = 7.0 / columns
            bottom = height - 0.8 - sum(tall[:line]) - 2.0
            place(axes, 0.85 + column * across, bottom, across - 0.25, 1.6)
            source = sources[name]
            part = groups[groups["source"] == name]
            ticks = value_ticks(source)
            if source.kind == "categorical":
                # Only levels that a group stands for: a rare one may point at a patient.
                shown = part[part["level"] != MISSING].nlargest(_MOST_LEVELS, "patients")
                levels = sorted(shown["level"])
                ticks = list(np.arange(float(len(levels)))), levels
            _means(axes, source, part, ticks, LOWERS)
            _set_ticks(axes, source, ticks, 14)
            axes.axhline(0, color=QUIET, lw=0.8, zorder=0)
            axes.set_ylim(-limit, limit)
            axes.grid(axis="y", color=FAINT, lw=0.6, zorder=-1)
            axes.set_axisbelow(True)
            axes.tick_params("both", labelsize=8.5, labelleft=column == 0)
            text = source.label if source.kind == "categorical" else source.heading
            axes.set_title(wrapped(text, 28), size=9.5, color=INK, loc="left", pad=4)
            if column == 0:
                axes.set_ylabel("Log-odds contribution", size=9)
            plain_frame(axes, "left", "bottom")
        hollow = " Hollow: value missing." if (groups["level"] == MISSING).any() else ""
        head(figure, title, f"Means of groups of patients; bars: quartiles.{hollow}")
        png, svg = png_and_svg(figure)
    alt = f"Line charts. {title}: mean contributions of groups of patients, by value of " + (
        ", ".join(sources[name].label for name in drawn)
    )
    file, table = file_name("groups", outcome), "dependence.parquet"
    return Picture(file, outcome, title, alt + ".", table, False, png, svg)


def _means(
    axes: Axes,
    source: Source,
    groups: pd.DataFrame,
    ticks: Ticks,
    colour: str,
    spread: bool = True,
) -> None:
    """Draw groups: numbers joined by a line, levels as points, the missing beside them."""
    if source.kind == "numeric":
        known = groups[groups["value"].notna()]
        at = np.log10(known["value"]) if source.log else known["value"]
    else:
        place_of = dict(zip(ticks[1], ticks[0], strict=True))
        known = groups[groups["level"].isin(list(place_of))]
        at = known["level"].map(place_of).astype(float)
    mean = known["contribution"]
    # The mean of a skewed group may lie beyond its quartiles.
    bars = np.clip([mean - known["low"], known["high"] - mean], 0, None) if spread else None
    joined = "-" if source.kind == "numeric" else "none"
    axes.errorbar(at, mean, bars, color=colour, ls=joined, marker="o", ms=4, lw=1.4, elinewidth=1)
    missing = groups[groups["level"] == MISSING]
    if len(missing) and len(at):
        low, high = axes.get_xlim()
        beside = high + 0.04 * (high - low)
        axes.plot(
            [beside], missing["contribution"], marker="D", ms=5, mfc="white", mec=RAISES, ls="none"
        )
        axes.set_xlim(low, beside + 0.04 * (high - low))


def _set_ticks(axes: Axes, source: Source, ticks: Ticks, longest: int) -> None:
    limits = axes.get_xlim()
    at, texts = ticks
    words = source.kind == "categorical"
    axes.set_xticks(
        at,
        [shortened(text.replace("_", " "), longest) for text in texts],
        rotation=40 if words else 0,
        ha="right" if words else "center",
        rotation_mode="anchor" if words else "default",
    )
    axes.set_xlim(limits)
