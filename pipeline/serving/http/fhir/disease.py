"""The disease, from Conditions: by code and by name, as a level of the model's dictionary."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from pipeline.model.artifact import Artifact
from pipeline.serving.http.fhir.coding import codes, spellings, table
from pipeline.serving.http.fhir.reading import Reading
from pipeline.serving.http.fhir.resources import Entry, texts

# What does not hold of the patient, or holds of another; provisional diagnoses do, with a remark.
_DENIED = {"refuted", "entered-in-error", "differential"}
_UNSURE = {"provisional", "unconfirmed"}
# A lymphoma in remission or relapse is still what the therapy is for; a past one only where
# nothing else is.
_PAST = {"resolved", "inactive"}
_DOUBT = re.compile(
    r"\?|histor|suspect|possib|probab|exclu|ruled? out|screen|risk of|family|transform|richter"
)
_QUALIFIERS = (
    "relapsed|refractory|recurrent|progressive|metastatic|advanced|active|adult|primary refractory"
    "|newly diagnosed|extensive stage|limited stage|r r|and|or"
)


def read_disease(entries: list[Entry], artifact: Artifact, found: Reading) -> None:
    """Add the disease to a reading, where the Conditions name one of the dictionary's.

    Parameters
    ----------
    entries : list of Entry
    artifact : Artifact
    found : Reading
        Gets the disease, or a remark on why there is none.
    """
    name = artifact.plan.disease
    if name is None:
        return
    levels = {level.casefold(): level for level in artifact.dictionary[name].levels or []}
    now: dict[str, list[Entry]] = {}
    past: dict[str, list[Entry]] = {}
    for entry in entries:
        named = _levels_of(entry, levels, found) if entry.kind == "Condition" else set()
        if named and _DENIED & _codes(entry, "verificationStatus"):
            found.remark("a condition is refuted, differential or entered in error: not used")
            continue
        into = past if _PAST & _codes(entry, "clinicalStatus") else now
        for level in sorted(named):
            into.setdefault(level, []).append(entry)
    held = now or past
    if len(held) == 1:
        ((found.record[name], conditions),) = held.items()
        if all(_UNSURE & _codes(entry, "verificationStatus") for entry in conditions):
            found.remark("the condition that names the disease is not confirmed")
        if not now:
            found.remark("the condition that names the disease is resolved or inactive")
    elif held:
        found.remark(
            f"the conditions name several diseases of the model ({', '.join(held)}): none is used"
        )
    else:
        found.remark(
            "no condition of the Bundle names a disease of the model's dictionary: "
            + ", ".join(levels.values())
        )


def _codes(entry: Entry, key: str) -> set[str]:
    return {text.casefold() for text in texts(entry.resource.get(key))}


def _levels_of(entry: Entry, levels: dict[str, str], found: Reading) -> set[str]:
    concept = entry.resource.get("code")
    said = list(spellings(concept))
    # A dictionary's own names go as they are; they may be short, and are the whole text.
    named = {levels[own] for text in said if (own := text.strip().casefold()) in levels}
    if named:
        return named
    rows = list(_rows(concept, said))
    rows = [row for row in rows if row["disease"].casefold() in levels]
    if rows and any(_DOUBT.search(text.casefold()) for text in said):
        found.remark("a condition is of a history, suspicion or transformation: not used")
        return set()
    # What a code leaves open, another text of the same condition may tell.
    sure = [row for row in rows if not row["assumed"]]
    if not sure and any(re.search(r"\bt[ -]", text.casefold()) for text in said):
        return set()
    for row in rows if not sure else ():
        found.remark(
            f"the disease is taken as {row['assumed']}, which its code or name leaves open"
        )
    return {levels[row["disease"].casefold()] for row in sure or rows}


def _rows(concept: Any, said: list[str]) -> Iterator[dict[str, str]]:
    """Rows of the table that hold of a Condition: by each of its codes and texts the longest."""
    by_code, by_name, pattern = _tables()
    for system, code in codes(concept):
        # Of SNOMED CT the concept itself; an ICD-10 code stands for all that begin with it.
        own = [code] if system != "icd-10" else _shortened(code)
        yield from [by_code[system, part] for part in own if (system, part) in by_code][:1]
    for text in said:
        if match := pattern.match(_worded(text)):
            yield by_name[match[1]]


@cache
def _tables() -> tuple[dict[tuple[str, str], dict[str, str]], dict[str, dict[str, str]], Any]:
    rows = table("diseases.csv")
    by_code = {(row["system"], row["text"]): row for row in rows if row["system"] != "name"}
    by_name = {_worded(row["text"]): row for row in rows if row["system"] == "name"}
    names = "|".join(sorted(by_name, key=len, reverse=True))
    return by_code, by_name, re.compile(rf"(?:(?:{_QUALIFIERS}) )*({names})(?: |$)")


def _shortened(code: str) -> list[str]:
    """An ICD-10 code and its beginnings; billing leaves the point out: C8330 is C83.30."""
    dotted = code if "." in code or len(code) <= 3 else f"{code[:3]}.{code[3:]}"
    return [dotted[:n] for n in range(len(dotted), 2, -1)]


def _worded(text: str) -> str:
    """Words of a text, spelled in one way."""
    plain = text.casefold().replace("leukaemia", "leukemia").replace("'", "").replace("’", "")
    return " ".join(re.findall(r"[a-z0-9]+", plain))
