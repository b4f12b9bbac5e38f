"""Figures with their intervals under each other: groups, centres, therapies, models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.card.figures import number
from pipeline.card.svg import Drawing, Scale, ticks

_STEP = 21
_TOP = 12
_LEFT, _RIGHT, _WIDTH = 142, 252, 404
_LABEL = 22  # letters that fit before the axis


@dataclass(frozen=True)
class Row:
    """One line of a forest plot.

    Attributes
    ----------
    label : str
    figure : mapping or None
        ``estimate``, ``low``, ``high``, and for a summary ``prediction_low`` and
        ``prediction_high``; None makes the row a heading.
    kind : str
        ``own`` (in the accent colour), ``other`` or ``summary``.
    mark : str
        Id of the row on the page, where something refers to it.
    """

    label: str
    figure: Mapping[str, Any] | None = None
    kind: str = "other"
    mark: str = ""


def draw_forest(
    plot: Mapping[str, str], rows: Sequence[Row], axis: str, ideal: float, span: tuple[float, float]
) -> Drawing:
    """Draw rows of estimates with intervals.

    Parameters
    ----------
    plot : mapping
        ``name``, ``title`` and ``alt``.
    rows : sequence of Row
    axis : str
        What is measured.
    ideal : float
        Where a dotted line stands: chance, or the ideal.
    span : tuple of float
        What the axis holds at least. It widens for estimates, and somewhat for intervals; those
        that pass its ends are cut there with an arrow.
    """
    bottom = _TOP + _STEP * len(rows)
    drawing = Drawing(plot["name"], plot["title"], plot["alt"], _WIDTH, bottom + 44)
    x = _scale(rows, span)
    marks = ticks(x.low, x.high, 4)
    for first, last in _blocks(rows):
        ends = (_TOP + _STEP * first - 1, _TOP + _STEP * last - 1)
        for value in marks:
            drawing.line([(x(value), end) for end in ends], "p-grid")
        drawing.line([(x(ideal), end) for end in ends], "p-line p-faint p-dot")
    digits = 1 if all(abs(10 * value - round(10 * value)) < 1e-6 for value in marks) else 2
    for value in marks:
        drawing.text(x(value), bottom + 15, number(value, digits), "p-quiet", "middle")
    drawing.text((_LEFT + _RIGHT) / 2, bottom + 34, axis, "", "middle")
    for k, row in enumerate(rows):
        _row(drawing, row, _TOP + _STEP * k, x)
    return drawing


def _row(drawing: Drawing, row: Row, top: float, x: Scale) -> None:
    base, middle = top + 14, top + 10
    if row.figure is None:
        drawing.text(4, base, row.label, "p-strong")
        return
    if row.mark:
        drawing.parts.append(f'<g id="{row.mark}" class="p-row">')
        drawing.parts.append(f'<rect class="p-ground" x="0" y="{top}" width="{_WIDTH}" '
                             f'height="{_STEP}"/>')  # fmt: skip
    own = row.kind != "other"
    label = row.label if len(row.label) <= _LABEL else row.label[: _LABEL - 1] + "…"
    drawing.text(10, base, label, "p-accent-text" if own else "")
    low, high = row.figure["low"], row.figure["high"]
    if row.figure.get("prediction_low") is not None:
        ends = (row.figure["prediction_low"], row.figure["prediction_high"])
        drawing.line([(x(end), middle) for end in ends], "p-line p-faint")
        for end in ends:
            drawing.line([(x(end), middle - 4), (x(end), middle + 4)], "p-line p-faint")
    if low is not None:
        kind = "p-line p-model" if own else "p-line p-faint"
        drawing.line([(x(low), middle), (x(high), middle)], kind)
        for end, beyond, step in ((low, low < x.low, 5), (high, high > x.high, -5)):
            if beyond:
                tip = x(end)
                drawing.line([(tip + step, middle - 4), (tip, middle), (tip + step, middle + 4)],
                             kind)  # fmt: skip
    place = x(row.figure["estimate"])
    if row.kind == "summary":
        drawing.diamond(place, middle, 6, "p-mark")
    else:
        drawing.dot(place, middle, 4.5, "p-mark" if own else "p-mark-other")
    drawing.text(262, base, short(row.figure), "p-accent-text" if own else "p-quiet")
    if row.mark:
        drawing.parts.append("</g>")


def short(figure: Mapping[str, Any]) -> str:
    """Write an estimate with its interval in little room: ``0.69 (0.66–0.72)``."""
    text = number(figure["estimate"], 2)
    if figure["low"] is None:
        return text
    low, high = number(figure["low"], 2), number(figure["high"], 2)
    return f"{text} ({low}{'–' if figure['low'] >= 0 else ' to '}{high})"


def _scale(rows: Sequence[Row], span: tuple[float, float]) -> Scale:
    found = [row.figure for row in rows if row.figure is not None]
    estimates = [figure["estimate"] for figure in found]
    low, high = min([span[0], *estimates]), max([span[1], *estimates])
    # One wide interval must not press all others together.
    room = 0.25 * (high - low)
    ends = [
        figure[end]
        for figure in found
        for end in ("low", "high", "prediction_low", "prediction_high")
        if figure.get(end) is not None
    ]
    low = max(min([low, *ends]), low - room)
    high = min(max([high, *ends]), high + room)
    step = 0.05 if high - low < 1 else 0.25
    return Scale(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step,
                 _LEFT, _RIGHT)  # fmt: skip


def _blocks(rows: Sequence[Row]) -> list[tuple[int, int]]:
    """First and last-plus-one row between headings."""
    blocks, first = [], 0
    for k in range(len(rows) + 1):
        if k == len(rows) or rows[k].figure is None:
            if k > first:
                blocks.append((first, k))
            first = k + 1
    return blocks
