"""Who belongs to which group: the columns by which subgroups are formed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from pipeline.cohort.dictionary import Dictionary, Variable
from pipeline.config import Subgroups
from pipeline.errors import InputError
from pipeline.evaluation.suppression import pooled_name
from pipeline.features.plan import THERAPY_SOURCES, FeaturePlan

UNKNOWN = "not recorded"
# Codes of the table of therapies in words.
MODALITIES = {"car_t": "CAR-T cells", "tcr_t": "TCR-T cells", "til": "TIL",
          "t_cell_engager": "T-cell engagers", "checkpoint_inhibitor": "checkpoint inhibitors",
          "monoclonal_antibody": "monoclonal antibodies"}  # fmt: skip


@dataclass(frozen=True)
class Grouping:
    """A division of the patients.

    Attributes
    ----------
    variable, label : str
        The column, and what people read.
    names : tuple of str
        Of the groups, in order.
    members : Series of str, indexed by patient
        The group of each.
    """

    variable: str
    label: str
    names: tuple[str, ...]
    members: pd.Series


def groupings(
    cohort: pd.DataFrame,
    dictionary: Dictionary,
    attributes: Mapping[str, np.ndarray],
    settings: Subgroups,
    minimum_cell: int,
) -> list[Grouping]:
    """Divide the patients by each column that the config names and the cohort holds.

    Parameters
    ----------
    cohort : DataFrame
    dictionary : Dictionary
        Restricted to the cohort.
    attributes : mapping of str to ndarray, shape (n,)
        What the table of therapies says of each patient's therapy, by source
        (``therapy_modality``).
    settings : Subgroups
    minimum_cell : int
        Levels of fewer patients are pooled: their very names could point to a patient.

    Returns
    -------
    list of Grouping
        Names that the cohort does not hold are skipped.

    Raises
    ------
    InputError
        If a column was not known before infusion, or limits do not fit its kind.
    """
    patients = cohort[dictionary.id_name].to_numpy()
    found = []
    for name, limits in settings.by.items():
        if name in dictionary:
            variable = dictionary[name]
            _check(variable, limits)
            label = variable.label
            members, names = _groups(variable, cohort[name], limits, minimum_cell)
        elif name in attributes:
            label = THERAPY_SOURCES[name]
            members, names = _levels(pd.Series(attributes[name], dtype=object), minimum_cell)
        else:
            continue
        found.append(Grouping(name, label, names, members.set_axis(patients)))
    return found


def named_group(label: str, group: str) -> str:
    """Name a group so that it stands in a sentence: ``sex female``, ``centre 03``."""
    label, group = label.removeprefix("Therapy: ").lower(), MODALITIES.get(group, group)
    alone = label == "modality" or group.split()[0].lower() in label.split()
    return group if alone else f"{label} {group}"


def therapy_attributes(plan: FeaturePlan, therapies: np.ndarray | None) -> dict[str, np.ndarray]:
    """Return what the table of therapies says of each patient's therapy, by source.

    Parameters
    ----------
    plan : FeaturePlan
    therapies : ndarray of str, shape (n,), or None
        Canonical names; None without a therapy prior.
    """
    if plan.facts is None or therapies is None:
        return {}
    sources = [source for source in THERAPY_SOURCES if source != "therapy"]
    return {source: plan.facts.values(therapies, source) for source in sources}


def _check(variable: Variable, limits: list[float]) -> None:
    key = f"evaluation.subgroups.by.{variable.name}"
    if variable.timing != "baseline" or variable.role in ("id", "outcome"):
        raise InputError(
            f"'{variable.name}' makes no subgroups: its role is {variable.role} and its timing "
            f"{variable.timing}",
            column=key,
            expected="a variable known before infusion",
            mend="remove the name",
        )
    if (variable.kind == "numeric") != bool(limits):
        raise InputError(
            f"'{variable.name}' is {variable.kind}",
            column=key,
            expected="limits of bands, such as [18, 65]" if not limits else "[], for its levels",
            mend="give limits for numbers only",
        )


def _groups(
    variable: Variable, values: pd.Series, limits: list[float], minimum_cell: int
) -> tuple[pd.Series, tuple[str, ...]]:
    if limits:
        return _bands(values, limits)
    if variable.kind == "binary":
        values = values.map({0: "no", 1: "yes"})
    return _levels(values, minimum_cell)


def _bands(values: pd.Series, limits: list[float]) -> tuple[pd.Series, tuple[str, ...]]:
    between = [f"{low:g} to under {high:g}" for low, high in pairwise(limits)]
    names = [f"under {limits[0]:g}", *between, f"{limits[-1]:g} and over", UNKNOWN]
    place = np.searchsorted(limits, values.to_numpy(dtype=float), side="right")
    place[values.isna().to_numpy()] = len(names) - 1
    members = pd.Series(np.array(names, dtype=object)[place])
    return members, tuple(names[k] for k in np.unique(place))


def _levels(values: pd.Series, minimum_cell: int) -> tuple[pd.Series, tuple[str, ...]]:
    members = values.reset_index(drop=True).astype(object)
    members = members.where(members.notna(), UNKNOWN).astype(str)
    counts = members.value_counts()
    rare = [name for name in counts.index[counts < minimum_cell] if name != UNKNOWN]
    others = pooled_name(minimum_cell)
    members = members.mask(members.isin(rare), others)
    names = sorted(set(members) - {UNKNOWN, others})
    last = [name for name in (others, UNKNOWN) if (members == name).any()]
    return members, (*names, *last)
