"""What a reader must hold against the model: drawn from the run's own figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.card.figures import is_unknown, number, percent, with_interval, words

RESEARCH_USE = (
    "Research use only. This model is not a medical device and has not been validated in "
    "patients. It must not guide dosing, prophylaxis, admission or discharge."
)
SYNTHETIC = (
    "Every figure on this card comes from synthetic patients. It shows how well the pipeline "
    "recovers the assumptions it built into those patients, not how accurate it would be in a "
    "clinic."
)
SAME_LITERATURE = (
    "The directions that the trees obey and the effects that drew the patients come from the same "
    "literature, so the model is right about directions by construction; most sizes of effects are "
    "assumed."
)
NOTHING_FITTED = (
    "This model must not be used. Too few patients were available to fit anything: every risk "
    "is {prior} alone, at most recalibrated in the large, and no laboratory value or other "
    "finding in the patient changes it."
)
PARTLY_FITTED = (
    "For some outcomes nothing was fitted: their risk is {prior} alone, which no finding in the "
    "patient changes."
)


def warnings(facts: Mapping[str, Any]) -> list[str]:
    """Return the sentences that stand on the first screen, the gravest first."""
    heads = facts["model"]["heads"]
    published = facts["model"]["prior"]["kind"] == "published"
    prior = "the therapy's prior rate" if published else "the cohort's own rate"
    found = []
    if not any(head["fitted"] for head in heads):
        found.append(NOTHING_FITTED.format(prior=prior))
    elif not all(head["fitted"] for head in heads):
        found.append(PARTLY_FITTED.format(prior=prior))
    found.append(RESEARCH_USE)
    if facts["synthetic"]:
        found.append(SYNTHETIC)
    subgroups = facts["performance"]["subgroups"]
    if facts["verdict"]["warnings"]:
        found.append(_without_gain(facts))
    elif not is_unknown(subgroups) and subgroups["unranked_finding"]:
        found.append(subgroups["unranked_finding"])
    return found


def _without_gain(facts: Mapping[str, Any]) -> str:
    """Say in which groups the therapy alone would do, the outcomes of a group together."""
    warned = facts["verdict"]["warnings"]
    yardstick = facts["performance"]["yardstick"]
    its = "the therapy's" if facts["performance"]["by_therapy"] else "the base rate's"
    told = []
    for group, n in dict.fromkeys((warning["group"], warning["n"]) for warning in warned):
        figures = [
            ("" if w["outcome"] == facts["primary_outcome"] else f"{w['label']}: ")
            + with_interval(w["figure"], 3)
            for w in warned
            if (w["group"], w["n"]) == (group, n)
        ]
        told.append(
            f"{group}, {number(n, 0)} patients (log-loss above {its}: {'; '.join(figures)})"
        )
    return (
        f"Not shown to add anything to the {yardstick} in groups large enough to show it: "
        f"{'; '.join(told)}."
    )


def limits(facts: Mapping[str, Any], primary: str) -> list[dict[str, str]]:
    """Return limits and known failure modes, each with a heading and one or two sentences."""
    own = facts["performance"]["outcomes"][primary]
    found = [
        _entry("Never validated outside its own cohort", _validation(facts)),
        *_subgroups(facts),
        *_sample_size(facts),
        *_interval(facts, own),
        *_calibration(own),
        _entry("Therapies", (
            "A therapy that training never saw starts from its rate in the table and says so; one "
            "without a rate of its own gets that of its kind; an unknown one gets no risk."
        )),
        _entry("Missing values", (
            "Missing values are filled with what the patient's other values make likely, so a "
            "sparse record gives an ordinary-looking risk. Where fewer than "
            f"{facts['model']['minimum_present']} of the leading predictors are known, the model "
            "abstains."
        )),
        _entry("Treatment changes the outcome", (
            "Prophylaxis and early tocilizumab or steroids lower the grade that is recorded. The "
            "risk is the one under the care these patients received, not the one without care."
        )),
        _entry("Associations, not causes", (
            "A contribution says what the model leans on. Changing a value in the patient need "
            "not change the risk."
        )),
        _entry("In use", (
            "No monitoring of drift, alerts or outcomes is part of this model. No decision that "
            "it might inform has been tested."
        )),
    ]  # fmt: skip
    if facts["synthetic"]:
        found.insert(0, _entry("Synthetic patients", f"{SYNTHETIC} {SAME_LITERATURE}"))
    return found


def _validation(facts: Mapping[str, Any]) -> str:
    transport = facts["performance"]["transport"]
    text = "All figures come from cross-validation on the training cohort. "
    if is_unknown(transport):
        return text + f"Transport to other centres, years or therapies: {words(transport)}."
    return text + " ".join(
        ["Centres, therapies and years left out of training are still of this cohort.",
         *transport["findings"]]
    )  # fmt: skip


def _subgroups(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    subgroups = facts["performance"]["subgroups"]
    if is_unknown(subgroups):
        return []
    found = []
    if facts["verdict"]["warnings"]:
        text = _without_gain(facts)
        found.append(_entry("Groups in which it adds nothing", text))
    if subgroups["unranked_finding"]:
        found.append(_entry("Groups it cannot tell apart", subgroups["unranked_finding"]))
    if subgroups["misled"]:
        found.append(_entry("Groups in which the risks mislead", subgroups["finding"]))
    return found


def _entry(heading: str, text: str) -> dict[str, str]:
    return {"heading": heading, "text": text}


def _sample_size(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    findings = facts["data"]["audit"]["findings"]
    few = [f["message"] for f in findings if f["check"] == "too_few_events"]
    return [_entry("Few events for so many predictors", " ".join(few))] if few else []


def _interval(facts: Mapping[str, Any], own: Mapping[str, Any]) -> list[dict[str, str]]:
    """The interval of a risk, where its coverage is known and short of what it claims."""
    truth = own["truth"]
    if is_unknown(truth) or is_unknown(truth["interval"]):
        text = "Whether a risk's interval holds the true risk as often as it says is not assessed."
        return [_entry("Intervals of risks", text)]
    coverage, claimed = truth["interval"]["coverage"], facts["model"]["interval_level"]
    found = []
    if not is_unknown(coverage) and coverage["estimate"] < claimed:
        found.append(_entry("Intervals are too narrow", (
            f"The {percent(claimed, 0)} interval of a risk held the true risk in a share of "
            f"{with_interval(coverage, 3)} of the synthetic patients."
        )))  # fmt: skip
    at = next((row for row in truth["coverage"] if abs(row["level"] - claimed) < 1e-9), None)
    if at is not None and not is_unknown(at["lowest"]):
        lowest = at["lowest"]
        if not is_unknown(lowest["coverage"]) and lowest["coverage"]["estimate"] < claimed:
            found.append(_entry("Intervals fail some therapies", (
                f"On {lowest['therapy']} ({lowest['n']} patients) the {percent(claimed, 0)} "
                "interval held the true risk in a share of only "
                f"{with_interval(lowest['coverage'], 3)}: its rate here is far from the published "
                "one, and an interval does not know by how much."
            )))  # fmt: skip
    return found


def _calibration(own: Mapping[str, Any]) -> list[dict[str, str]]:
    slope = own["models"].get("model", {}).get("calibration_slope")
    if (
        slope is None
        or is_unknown(slope)
        or slope["low"] is None
        or slope["low"] <= 1 <= slope["high"]
    ):
        return []
    extreme = slope["high"] < 1
    text = (
        f"The calibration slope is {number(slope['estimate'], 2)}: risks are too "
        + ("extreme: high ones too high, low ones too low." if extreme else
           "moderate: high ones too low, low ones too high.")
    )  # fmt: skip
    return [_entry("Risks too extreme" if extreme else "Risks too moderate", text)]
