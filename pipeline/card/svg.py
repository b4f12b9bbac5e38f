"""A little drawing in SVG: axes, lines, bands and text that follow the page's light or dark.

Written by hand rather than by a plotting library, so that a plot's text is text, its colours
are the page's, it reads at the width of a phone, and the same numbers give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

# The page sets the variables; a plot on its own falls back to the light colours.
_STYLE = (
    ".p-text{font:12px/1.2 -apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,"
    "'Liberation Sans',sans-serif;fill:var(--ink,#1a2129)}"
    ".p-quiet{fill:var(--quiet,#5b6671)}.p-strong{font-weight:600}"
    ".p-accent-text{fill:var(--accent,#00607a);font-weight:600}"
    ".p-line{fill:none;stroke:var(--ink,#1a2129);stroke-width:1.5;stroke-linejoin:round}"
    ".p-grid{stroke:var(--rule,#dfe3e6);stroke-width:1}"
    ".p-axis{stroke:var(--quiet,#5b6671);stroke-width:1}"
    ".p-model{stroke:var(--accent,#00607a);stroke-width:2.5}"
    ".p-faint{stroke:var(--quiet,#5b6671)}"
    ".p-long{stroke-dasharray:12 4}"
    ".p-dash{stroke-dasharray:6 4}.p-dot{stroke-dasharray:1.5 3.5;stroke-linecap:round}"
    ".p-leader{stroke:var(--quiet,#5b6671);stroke-width:.75;fill:none;opacity:.6}"
    ".p-band{fill:var(--accent,#00607a);opacity:.16}"
    ".p-point{fill:var(--paper,#fff);stroke:var(--ink,#1a2129);stroke-width:1.5}"
    ".p-ground{fill:none}"
    ".p-mark{fill:var(--accent,#00607a)}.p-mark-other{fill:var(--quiet,#5b6671)}"
)


@dataclass(frozen=True)
class Scale:
    """A straight scale from values to places.

    Attributes
    ----------
    low, high : float
        Values at the ends.
    start, end : float
        Their places.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Place of a value, which is kept within the ends."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


@dataclass
class Drawing:
    """An SVG under construction.

    Attributes
    ----------
    name : str
        Makes the ids of title and description unique on a page.
    title, alt : str
        The heading, and the finding in words for those who do not see the drawing.
    width, height : float
    """

    name: str
    title: str
    alt: str
    width: float
    height: float
    parts: list[str] = field(default_factory=list)

    def line(self, points: Iterable[tuple[float, float]], kind: str, mark: str = "") -> None:
        """Draw a line through points; ``mark`` becomes its id."""
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        named = f' id="{mark}"' if mark else ""
        self.parts.append(f'<polyline{named} class="{kind}" points="{places}"/>')

    def band(
        self, lower: Sequence[tuple[float, float]], upper: Sequence[tuple[float, float]]
    ) -> None:
        """Fill between two lines."""
        around = [*lower, *reversed(upper)]
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in around)
        self.parts.append(f'<polygon class="p-band" points="{places}"/>')

    def dot(self, x: float, y: float, radius: float, kind: str) -> None:
        """Draw a point."""
        self.parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"/>')

    def diamond(self, x: float, y: float, size: float, kind: str) -> None:
        """Draw a diamond, as summaries of studies have it."""
        corners = ((x - size, y), (x, y - size), (x + size, y), (x, y + size))
        places = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
        self.parts.append(f'<polygon class="{kind}" points="{places}"/>')

    def text(self, x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> None:
        """Write text; ``y`` is its base line."""
        classes = f"p-text {kind}".strip()
        self.parts.append(
            f'<text class="{classes}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
            f"{escape(text)}</text>"
        )

    def to_text(self) -> str:
        """Return the SVG, with title and description for screen readers."""
        t, d = f"{self.name}-title", f"{self.name}-desc"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'role="img" aria-labelledby="{t} {d}">'
            f'<title id="{t}">{escape(self.title)}</title><desc id="{d}">{escape(self.alt)}</desc>'
            f"<style>{_STYLE}</style>" + "".join(self.parts) + "</svg>"
        )


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values within limits, at most ``most`` of them."""
    for step in (m * 10.0**e for e in range(-4, 4) for m in (1, 2, 5)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [k * step for k in range(first, last + 1)]
    return [low, high]


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move labels apart until neighbours keep a gap, each as near to its own place as can be."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = [0.0] * len(places)
    floor = low
    for i in order:
        moved[i] = max(places[i], floor)
        floor = moved[i] + gap
    ceiling = high
    for i in reversed(order):
        moved[i] = min(moved[i], ceiling)
        ceiling = moved[i] - gap
    return moved
