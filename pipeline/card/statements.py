"""What people state in the config, and what identifies the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.card.figures import unknown
from pipeline.config import Card, Config

_UNSTATED = ("not stated", "not assessed", "")


def ethics_facts(card: Card) -> dict[str, Any]:
    """Return what the config states of ethics and people; what it leaves out is not assessed."""
    stated = {
        "statement": card.ethics,
        "owner": card.owner,
        "licence": card.licence,
        "funding": card.funding,
        "interests": card.interests,
        "protocol": card.protocol,
        "patient_involvement": card.patient_involvement,
        "inequalities": card.inequalities,
        "bias_mitigation": card.bias_mitigation,
        "maintenance": card.maintenance,
        "risk_level": card.risk_level,
    }
    return {
        key: unknown(f"the config does not say (card.{'ethics' if key == 'statement' else key})")
        if text.strip().lower() in _UNSTATED
        else text
        for key, text in stated.items()
    }


def provenance_facts(config: Config, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return what identifies the run, and how to make it again.

    ``provenance`` may hold ``version, command, cohort_sha256, config_sha256, source_sha256,
    model_sha256, python`` and ``packages`` (name to version); what it lacks is not assessed.
    """
    needed = {
        "version": "the model is not registered",
        "command": "the stage did not say which command made it",
        "cohort_sha256": "the digest was not recorded",
        "config_sha256": "the digest was not recorded",
        "source_sha256": "the digest was not recorded",
        "model_sha256": "the digest was not recorded",
        "python": "the version was not recorded",
        "packages": "the versions were not recorded",
    }
    found = {key: provenance.get(key) or unknown(why) for key, why in needed.items()}
    return {"run": config.name, "seed": config.seed, **found}
