"""Facts to pages: one self-contained HTML file, and the same content in Markdown."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipeline.card import figures
from pipeline.card.findings import shown_thresholds
from pipeline.card.plots import DECISION_ENDS

# Pictures of the explain stage are embedded up to this many characters in all; the page
# stays under 3 MB, and further ones are named with their place in the run folder.
EMBEDDED_AT_MOST = 2_200_000


def to_html(facts: Mapping[str, Any], plots: Mapping[str, bytes | str]) -> str:
    """Render the card as one HTML file that needs no network and no script to be read.

    Parameters
    ----------
    facts : mapping
        As `collect` returns it.
    plots : mapping of str to bytes or str
        The card's own plots as `draw_plots` returns them, and the pictures of the explain
        stage by their ``name``: PNG as bytes, SVG as text. One that is absent is not shown.
    """
    page = _environment(facts, html=True).get_template("card.html.j2")
    files = resources.files("pipeline.card") / "templates"
    own = {plot["name"] for plot in facts["plots"]}
    return page.render(
        facts=facts,
        decision_ends=DECISION_ENDS,
        shown_thresholds=shown_thresholds,
        own={name: Markup(svg) for name, svg in plots.items() if name in own},
        pictures=_embedded(facts, plots),
        style=Markup((files / "card.css").read_text(encoding="utf-8")),
        script=Markup((files / "card.js").read_text(encoding="utf-8")),
    )


def to_markdown(facts: Mapping[str, Any]) -> str:
    """Render the card as Markdown with a metadata header in the style of Hugging Face."""
    page = _environment(facts, html=False).get_template("card.md.j2")
    header = yaml.safe_dump(_metadata(facts), sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{header}---\n\n{page.render(facts=facts)}"


def to_description(facts: Mapping[str, Any]) -> str:
    """Render the card's first screen as Markdown, for the registry's short description."""
    return _environment(facts, html=False).get_template("description.md.j2").render(facts=facts)


def _environment(facts: Mapping[str, Any], *, html: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("pipeline.card"),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "number": figures.number,
        "percent": figures.percent,
        "with_interval": figures.with_interval,
        "interval": figures.interval,
        "words": figures.words,
        "cellwords": figures.cell_words,
        "cell": lambda text: str(text).replace("|", "\\|").replace("\n", " "),
        "json": lambda value: Markup(json.dumps(value).replace("<", "\\u003c")),
    }
    environment.tests |= {"unknown": figures.is_unknown, "suppressed": figures.is_suppressed}
    environment.globals |= {"MODELS": figures.model_names(facts["performance"]["yardstick"])}
    return environment


def _embedded(facts: Mapping[str, Any], plots: Mapping[str, bytes | str]) -> dict[str, str]:
    """Addresses that hold the explain stage's pictures themselves, in order, while they fit."""
    pictures = [] if figures.is_unknown(facts["explanation"]) else facts["explanation"]["pictures"]
    found, left = {}, EMBEDDED_AT_MOST
    for picture in pictures:
        drawn = plots.get(picture["name"])
        if drawn is None:
            continue
        kind = "svg+xml" if isinstance(drawn, str) else "png"
        data = drawn.encode() if isinstance(drawn, str) else drawn
        address = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
        if len(address) <= left:
            found[picture["name"]] = address
            left -= len(address)
    return found


def _metadata(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Machine-readable head: what Hugging Face's model cards hold, and nothing that is unknown."""
    ethics, identity = facts["ethics"], facts["identity"]
    primary = facts["performance"]["outcomes"][facts["primary_outcome"]]
    own = primary["models"].get("model", {})
    metrics = [
        {"type": key, "name": facts["performance"]["measures"][key]["label"],
         "value": figure["estimate"]}
        for key, figure in own.items()
        if not figures.is_unknown(figure)
    ]  # fmt: skip
    header: dict[str, Any] = {"language": "en"}
    if not figures.is_unknown(ethics["licence"]):
        header |= {"license": "other", "license_name": ethics["licence"]}
    header |= {
        "library_name": "crs-risk-pipeline",
        "pipeline_tag": "tabular-classification",
        "tags": [
            "cytokine-release-syndrome", "prediction-model", "calibrated", "research-use-only",
            *(["synthetic-data"] if facts["synthetic"] else []),
        ],
    }  # fmt: skip
    if not metrics:
        return header
    return header | {
        "model-index": [
            {
                "name": f"{identity['model_name']} ({identity['run']})",
                "results": [
                    {
                        "task": {"type": "tabular-classification", "name": identity["predicts"]},
                        "dataset": {
                            "name": f"{identity['run']} cohort, out-of-fold",
                            "type": "synthetic" if facts["synthetic"] else "clinical",
                        },
                        "metrics": metrics,
                    }
                ],
            }
        ],
    }  # fmt: skip
