"""Whether a table may decide on a model: its units, its outcomes, and who gets no risk.

The monitor names a fault and goes on. What changes a model, or says which of two is served, must
not rest on values in another unit: the fault would be built into the model, and outlast its
mending at the source.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.config import Monitoring
from pipeline.errors import InputError, did_you_mean
from pipeline.model.artifact import Artifact
from pipeline.model.head import SMALLEST_SHOWN
from pipeline.monitoring.faults import unit_faults
from pipeline.monitoring.observations import Observations
from pipeline.monitoring.reasons import count_of
from pipeline.serving.scorer import ABSTAINED, Scorer

# Reasons for no risk that are named.
_NAMED = 2


def check_outcomes(frame: pd.DataFrame, artifact: Artifact, file: Path) -> None:
    """Refuse a table without the columns that the model's outcomes are read from.

    Raises
    ------
    InputError
    """
    for column in dict.fromkeys(o["column"] for o in artifact.facts["outcomes"].values()):
        if column not in frame:
            others = [str(name) for name in frame.columns if name not in artifact.dictionary]
            hint = did_you_mean(column, others)
            raise InputError(
                f"has no column '{column}'{hint}",
                file=file,
                expected="the outcomes, which the model's risks are held against",
                mend=f"add the column, or name the one that holds them '{column}'",
            )


def check_units(seen: Observations, artifact: Artifact, settings: Monitoring, file: Path) -> None:
    """Refuse values that seem to be given in another unit than the model's.

    Raises
    ------
    InputError
        Naming every variable, its unit and where (a site, a period, or everywhere).
    """
    faults, _ = unit_faults(seen, artifact, settings)
    if not faults:
        return
    raise InputError(
        "; ".join(fault["sentence"] for fault in faults),
        file=file,
        expected="the dictionary's units: a fault that is fitted or judged here would stay",
        mend="convert the values. Where the laboratory confirms that they are right, set "
        f"monitoring.unit_psi in the config to {_above(max(f['psi'] for f in faults))}",
    )


def without_risk(seen: Observations, artifact: Artifact) -> str | None:
    """Say how many patients the model gives no risk, and why; None where all have one."""
    scored = Scorer(artifact).predict(pd.DataFrame(seen.values), reasons=False)
    abstains = (scored["status"] == "abstain").to_numpy()
    if not abstains.any():
        return None
    reasons = Counter(
        note.removeprefix(ABSTAINED)
        for notes in scored["notes"][abstains]
        for note in json.loads(notes)
        if note.startswith(ABSTAINED)
    )
    total = len(seen)
    named = [
        f"{reason} ({count_of(count, total)})"
        for reason, count in reasons.most_common(_NAMED)
        if count >= SMALLEST_SHOWN
    ]
    told = f"Without a risk, and not counted, are {count_of(int(np.sum(abstains)), total)} patients"
    return f"{told}: {'; '.join(named)}" if named else told


def _above(psi: float) -> str:
    """The next tenth that such a distance does not reach."""
    return f"{math.floor(psi * 10 + 1) / 10:.1f}"
