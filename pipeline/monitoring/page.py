"""What the pages on a model in use share: the model card's dress, and how figures are written."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipeline.card import figures


def environment() -> Environment:
    """Templates of this folder, with the filters that write figures."""
    page = Environment(
        loader=PackageLoader("pipeline.monitoring"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters |= {"percent": percent, "number": number, "interval": interval}
    return page


def style() -> Markup:
    """The model card's own style."""
    file = resources.files("pipeline.card") / "templates" / "card.css"
    return Markup(file.read_text(encoding="utf-8"))


def percent(share: float | None, digits: int = 0) -> str:
    """A share in per cent; None is one of too few patients."""
    return "few" if share is None else figures.percent(share, digits)


def number(value: float | None, digits: int = 2) -> str:
    """A number as the card writes it; None was not assessed."""
    return figures.NOT_ASSESSED if value is None else figures.number(value, digits)


def interval(figure: Mapping[str, float | None], digits: int = 2) -> str:
    """An estimate with its interval."""
    estimate = number(figure["estimate"], digits)
    if figure["estimate"] is None or figure["low"] is None:
        return estimate
    return f"{estimate} {figures.interval(figure, digits)}"
