"""The card of a recalibrated version: what its site changed, then what its parent's card says.

One document, for whoever reviews the version or calls ``GET /v1/card``. A recalibrated model is its
parent in all but level and weights, so the parent's sections follow, marked as the parent's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

from markupsafe import Markup

from pipeline.monitoring.page import environment, interval, style

SHOWN = {
    "ici": "Mean distance from calibration (ICI)",
    "observed_expected": "Observed / expected",
    "calibration_intercept": "Calibration intercept",
    "calibration_slope": "Calibration slope",
    "log_loss": "Log-loss",
    "brier": "Brier score",
    "auroc_within_therapy": "AUROC within therapy",
}
_HEADLINE = ("observed_expected", "calibration_slope", "auroc_within_therapy")
KINDS = {
    "none": "left as it was",
    "intercept": "the level of all risks alone",
    "intercept and slope": "level, and one weight for therapy and findings together",
    "reweighted": "level, a weight for the therapy and another for the findings",
}
LIMITS = {
    "What was not learned": "What each finding means is the parent's: no finding's effect, and no "
    "interaction, was learned anew. A finding that tells the opposite at this site still counts as "
    "it did. Where the monitor's verdict is 'retrain', train on the site's own table instead.",
    "Figures of the site": "They are cross-validated within these patients, the closed test "
    "included. They say nothing of other sites, of later years, or of therapies not given here.",
    "Few events": "Outcomes with too few events to be tested by themselves follow the "
    "best-informed one, and are not judged here.",
    "Intervals of risks": "They hold the update's own uncertainty beside the parent's.",
    "Use": "Research use only: not a medical device, not validated in patients, not for dosing, "
    "prophylaxis, admission or discharge.",
}
_MAIN = re.compile(r'<main id="main">\n?(.*)</main>', re.DOTALL)
_CONTENTS = re.compile(r'<nav aria-label="Contents">.*?<ol>\n?(.*?)</ol>', re.DOTALL)
_FIRST_SCREEN = 'href="#summary"'
# Anchors of this page; a parent that was itself recalibrated has them too.
_OWN_ANCHOR = re.compile(r'((?:id|aria-labelledby)="|href="#)(?=(?:parent-)*site-)')


def site_facts(
    facts: Mapping[str, Any], title: str, primary_outcome: str, minimum_cell: int
) -> dict[str, Any]:
    """Collect what the card shows, counts suppressed.

    Parameters
    ----------
    facts : mapping
        ``parent``, ``again``, ``cohort``, ``centres``, ``site_sha256``, ``updates``, ``steps``,
        ``evaluation``, ``audit``, ``gate`` and ``registered``, as `recalibrated` gathers them.
    title : str
        Of the parent's card.
    primary_outcome : str
        Whose figures stand on the first screen.
    minimum_cell : int
        Smaller counts are not shown.
    """
    outcomes = facts["evaluation"]["outcomes"]
    patients = max(part["n"] for part in outcomes.values())
    few = f"fewer than {minimum_cell} with or without it"
    figures = _figures(facts)
    return {
        **{key: facts[key] for key in ("cohort", "site_sha256", "steps", "gate", "registered")},
        "title": title,
        "parent": facts["parent"],
        "parent_in_words": _parent(facts["parent"]),
        "patients": patients,
        "events": {
            part["label"]: few
            if outcomes[name]["events"] is None
            else f"{outcomes[name]['events']:,} of {outcomes[name]['n']:,}"
            for name, part in facts["updates"].items()
        },
        "updates": {n: u | {"words": KINDS[u["kind"]]} for n, u in facts["updates"].items()},
        "adapted": _adapted(facts["updates"]),
        "whose": _whose(facts["centres"]),
        "again": facts["again"],
        "figures": figures,
        "headline": _headline(figures[list(outcomes).index(primary_outcome)]),
        "interval_level": facts["evaluation"]["definition"]["interval_level"],
        "audit": [f for f in facts["audit"]["findings"] if f["severity"] != "note"],
        "limits": LIMITS,
        "minimum_cell": minimum_cell,
    }


def to_html(site: Mapping[str, Any], parents_card: str | None) -> str:
    """Render the card as one page.

    Parameters
    ----------
    site : mapping
        As `site_facts` returns it.
    parents_card : str or None
        The parent's card as HTML, whose sections follow; None where it is not at hand.
    """
    sections, contents = parents_sections(parents_card)
    script = resources.files("pipeline.card") / "templates" / "card.js"
    return (
        environment()
        .get_template("site_card.html.j2")
        .render(
            S=site,
            style=style(),
            script=Markup(script.read_text(encoding="utf-8")),
            parents_sections=Markup(sections),
            parents_contents=Markup(contents),
        )
    )


def parents_sections(card: str | None) -> tuple[str, str]:
    """Take sections and contents out of a card of this pipeline; empty where there are none."""
    main, contents = (part.search(card or "") for part in (_MAIN, _CONTENTS))
    if main is None or contents is None:
        return "", ""
    # Its first screen is left out, which nothing but such links speaks of.
    sections, listed = (
        _OWN_ANCHOR.sub(r"\1parent-", found.group(1)).replace(_FIRST_SCREEN, 'href="#site-parent"')
        for found in (main, contents)
    )
    return sections, listed


def to_markdown(site: Mapping[str, Any]) -> str:
    """The same in short, as the version's description."""
    registered = site["registered"]
    lines = [
        f"# {registered['model_name']} version {registered['version']}: recalibrated for a site",
        "",
        f"Research use only. Child of {site['parent_in_words']}; {site['patients']:,} patients"
        f"{site['whose']} ({site['cohort']}). {site['gate']['verdict']}",
        "",
        "| Outcome | Events | Update | alpha | weight of the therapy | weight of findings |",
        "|---|---|---|---|---|---|",
    ]
    for update in site["updates"].values():
        lines.append(
            f"| {update['label']} | {site['events'][update['label']]} | {update['kind']} "
            f"| {interval(update['alpha'])} | {interval(update['rate_weight'])} "
            f"| {interval(update['deviation_weight'])} |"
        )
    lines += ["", "| Outcome | Figure | Before | After |", "|---|---|---|---|"]
    for part in site["figures"]:
        if part["reason"]:
            lines.append(f"| {part['label']} | not shown: {part['reason']} | | |")
        for row in part["rows"]:
            before, after = interval(row["before"], 3), interval(row["after"], 3)
            lines.append(f"| {part['label']} | {row['figure']} | {before} | {after} |")
    lines += ["", *(f"**{name}.** {text}" for name, text in site["limits"].items())]
    return "\n".join(lines) + "\n"


def _figures(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Per outcome its figures before and after, or the reason why they are not shown."""
    found = []
    for outcome, part in facts["evaluation"]["outcomes"].items():
        models, paired = part.get("models", {}), part["differences"].get("before", {})
        entry = {"label": facts["updates"][outcome]["label"], "rows": [], "reason": None}
        if "model" in models and part.get("reason") is None:
            entry["rows"] = [
                {"figure": words, "before": models["before"][key], "after": models["model"][key],
                 "difference": paired.get(key)}
                for key, words in SHOWN.items()
                if key in models["model"]
            ]  # fmt: skip
        else:
            entry["reason"] = part.get("reason", "not evaluated")
        found.append(entry)
    return found


def _headline(primary: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = [row for row in primary["rows"] if row["figure"] in map(SHOWN.get, _HEADLINE)]
    return [row | {"label": primary["label"]} for row in rows]


def _adapted(updates: Mapping[str, Mapping[str, Any]]) -> str:
    level_alone = {update["kind"] for update in updates.values()} <= {"none", "intercept"}
    return "only the level of risks was" if level_alone else "only level and weight of risks were"


def _whose(centres: int | None) -> str:
    """Of how many centres the patients are, as far as their table says."""
    if centres is None:
        return ""
    return " of one centre" if centres == 1 else f" of {centres} centres"


def _parent(parent: Mapping[str, Any]) -> str:
    version = parent["version"]
    return f"version {version}" if version else "a model that is not registered"
