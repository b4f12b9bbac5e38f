"""Which therapies of the model a Bundle's resources give or order, by code and by name."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

from pipeline.features.therapy import TherapyFacts
from pipeline.model.artifact import Artifact
from pipeline.serving.http.fhir.coding import codes, folded, spellings, table
from pipeline.serving.http.fhir.reading import Reading
from pipeline.serving.http.fhir.resources import Entry

REQUESTS = ("MedicationRequest", "ServiceRequest")
INFUSIONS = ("MedicationAdministration", "Procedure", *REQUESTS)
# Aliases that are short, or made of words for kinds, mean a therapy only as the whole text.
_SHORTEST = 5
_KINDS = {"anti", "antibody", "bispecific", "car", "class", "inhibitor", "or", "pooled", "with"}
# A text may name a therapy and be about what goes before, after or along with it.
_ASIDE = re.compile(
    r"apheres|pheresis|harvest|collection|lymphodeplet|premedic|prophyla|bridging|consult|evaluat"
    r"|eligib|educat|authori[sz]|allerg|histor|monitor|follow.?up|\b(?:before|after|prior|post)\b"
)
_FOR = re.compile(r"\b(?:for|to|no|non|not|without)[\s-]*$")
# Four letters that the FDA appends to biologics' names (Nonproprietary Naming of Biological
# Products, 2017): teclistamab-cqyv.
_SUFFIX = r"(?:-[a-z]{4})?"


def therapies_of(
    entries: list[Entry], artifact: Artifact, found: Reading
) -> dict[str, list[Entry]]:
    """Group what gives or orders a therapy by its canonical name.

    Therapies on which no rate bears are left out: the model gives no risk of them,
    and they are given along with those that it is about, as rituximab is.

    Parameters
    ----------
    entries : list of Entry
        May hold the Medications to which the others refer.
    artifact : Artifact
    found : Reading
        Gets a remark on what names a therapy and is not used.
    """
    facts = artifact.plan.facts
    if facts is None:
        return {}
    named: dict[str, list[Entry]] = {}
    rateless: dict[str, None] = {}
    for entry in entries:
        if entry.kind not in INFUSIONS:
            continue
        names = _named(_concept(entry, entries), facts, found)
        if len(names) > 1:
            found.remark("one order or infusion names several therapies: it is not used")
        for name in names if len(names) == 1 else ():
            if _is_rated(name, artifact):
                named.setdefault(name, []).append(entry)
            else:
                rateless[name] = None
    if rateless and not named:
        found.remark(f"no rate in the table of therapies bears on {', '.join(rateless)}: not used")
    return named


def _is_rated(name: str, artifact: Artifact) -> bool:
    facts, model = artifact.plan.facts, artifact.model
    assert facts is not None
    return all(
        head.prior.kind != "published" or grade is None or facts.rate(name, None, grade) is not None
        for head, grade in zip(model.heads, artifact.plan.grades, strict=True)
    )


def _concept(entry: Entry, entries: list[Entry]) -> Any:
    """What is given: a concept of its own, or that of the Medication it refers to."""
    own = entry.resource.get("medicationCodeableConcept") or entry.resource.get("code")
    link = entry.resource.get("medicationReference")
    if own or not isinstance(link, dict):
        return own
    reference = link.get("reference")
    medication = entry.contained(reference)
    for other in entries if medication is None and reference else ():
        if other.kind == "Medication" and reference in (other.url, other.address):
            medication = other.resource
    code = medication.get("code") if medication is not None else None
    return code or {"text": link.get("display")}


def _named(concept: Any, facts: TherapyFacts, found: Reading) -> set[str]:
    by_code = _by_code()
    names = {by_code[code] for code in codes(concept) if code in by_code}
    known = {facts.aliases[name] for name in names if name in facts.aliases}
    for text in spellings(concept):
        named = _in_text(text, facts)
        if named and _ASIDE.search(folded(text)):
            found.remark(
                "a text names a therapy but is about what goes with it, as cell collection or "
                "monitoring: not used"
            )
        else:
            known |= named
    return known


@cache
def _by_code() -> dict[tuple[str, str], str]:
    return {(row["system"], row["code"]): row["therapy"] for row in table("therapies.csv")}


def _in_text(text: str, facts: TherapyFacts) -> set[str]:
    plain = folded(text)
    whole = facts.aliases.get(plain) or facts.aliases.get(text.strip().casefold())
    if whole is not None:
        return {whole}
    return {
        facts.aliases[match[1]]
        for match in _within(tuple(facts.aliases)).finditer(plain)
        if not _FOR.search(plain[: match.start()])
    }


@lru_cache(maxsize=4)
def _within(aliases: tuple[str, ...]) -> re.Pattern[str]:
    """Aliases that may stand within a longer text, as whole words; the longest goes first."""
    own = [
        alias
        for alias in aliases
        if len(alias) >= _SHORTEST and not _KINDS & set(re.findall(r"[a-z]+", alias))
    ]
    words = "|".join(re.escape(alias) for alias in sorted(own, key=len, reverse=True))
    return re.compile(rf"(?<![\w-])({words}){_SUFFIX}(?![\w-])" if own else r"(?!)")
