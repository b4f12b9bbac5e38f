"""How pictures look, and how they become bytes: the same bytes from the same numbers."""

from __future__ import annotations

import io
import re
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's vermilion and blue: apart for every kind of colour vision.
RAISES, LOWERS = "#D55E00", "#0072B2"
INK, QUIET, FAINT = "#222222", "#6b6b6b", "#d9d9d9"

_DPI = 150
_LARGEST_SVG = 150_000
_SETTINGS: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: text is as wide on every machine
    "svg.hashsalt": "pipeline",
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "text.color": INK,
}


@dataclass(frozen=True)
class Picture:
    """A picture and what must be known of it.

    Attributes
    ----------
    name : str
        File name without ending.
    outcome, title, alt : str
        ``alt`` says in words what is drawn, for those who do not see it; it quotes no patient.
    table : str
        The Parquet table that holds its numbers.
    patient_level : bool
        Whether it shows single patients. Such a picture of real patients stays in the run
        folder.
    png : bytes
    svg : bytes or None
        None where points would make it large.
    """

    name: str
    outcome: str
    title: str
    alt: str
    table: str
    patient_level: bool
    png: bytes
    svg: bytes | None


@contextmanager
def canvas(width: float, height: float) -> Iterator[Figure]:
    """Open a figure in the house style, on no screen, and close it afterwards.

    shap draws on pyplot's current figure and shuffles points with numpy's global generator:
    both are set here, and put back.
    """
    import matplotlib
    import matplotlib.pyplot as plt
    from shap.plots._style import style_context

    backend = matplotlib.get_backend()
    plt.switch_backend("Agg")
    shuffling = np.random.get_state()  # noqa: NPY002 (shap's generator, not ours)
    np.random.seed(0)  # noqa: NPY002
    colours = style_context(
        primary_color_positive=RAISES, primary_color_negative=LOWERS, tick_labels_color=QUIET
    )
    try:
        with matplotlib.rc_context(_SETTINGS), colours, warnings.catch_warnings():
            # A source without numbers has no colours to scale: shap takes percentiles of NaN.
            warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
            yield plt.figure(figsize=(width, height), dpi=_DPI)
    finally:
        plt.close("all")
        np.random.set_state(shuffling)  # noqa: NPY002
        plt.switch_backend(backend)


def place(axes: Axes, left: float, bottom: float, width: float, height: float) -> None:
    """Place axes in inches from the figure's lower left corner."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    w, h = figure.get_size_inches()
    axes.set_position((left / w, bottom / h, width / w, height / h))


def head(figure: Figure, title: str, below: str) -> None:
    """Write a title and a line below it at the figure's upper left."""
    width, height = figure.get_size_inches()
    figure.text(0.15 / width, 1 - 0.12 / height, title, ha="left", va="top", size=13, weight="bold")
    figure.text(0.15 / width, 1 - 0.42 / height, below, ha="left", va="top", size=9.5, color=QUIET)


def wrapped(text: str, width: int = 30) -> str:
    """Break a label into at most two lines."""
    lines = textwrap.wrap(text, width)
    if len(lines) > 2:
        lines = [lines[0], shortened(" ".join(lines[1:]), width)]
    return "\n".join(lines)


def shortened(text: str, longest: int) -> str:
    """Cut a text that is too long for its place."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def file_name(*parts: str) -> str:
    """File name of parts, which may hold names from other people's dictionaries."""
    return "_".join(re.sub(r"[^A-Za-z0-9-]+", "_", part).strip("_") for part in parts)


def plain_frame(axes: Axes, *sides: str) -> None:
    """Keep the frame's named sides only."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in sides)


def png_and_svg(figure: Figure) -> tuple[bytes, bytes | None]:
    """Render without dates or versions; no SVG where it would be large."""
    png, svg = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png", dpi=_DPI, metadata={"Software": None})
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    drawing = svg.getvalue()
    return png.getvalue(), drawing if len(drawing) <= _LARGEST_SVG else None
