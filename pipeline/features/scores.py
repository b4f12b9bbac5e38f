"""Published baseline scores, each from its own formula, units and guards.

A score with a missing input is missing: nothing is imputed inside a score. Formulas and
cut-offs come from the publications named with each score; ``data/README.md`` says which of
them were confirmed against the source and which are assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.cohort.dictionary import Dictionary, Variable
from pipeline.cohort.units import linear_map

Values = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Input:
    """A measurement that a score needs.

    Attributes
    ----------
    unit : str
        The unit in which the formula is published.
    loinc : str
        Finds the variable where a dictionary calls it by another name.
    """

    unit: str
    loinc: str


INPUTS = {
    "ldh": Input("U/L", "2532-0"),
    "creatinine": Input("mg/dL", "2160-0"),
    "platelets": Input("10*9/L", "777-3"),
    "crp": Input("mg/L", "1988-5"),
    "ferritin": Input("ng/mL", "2276-4"),
    "hemoglobin": Input("g/dL", "718-7"),
    "albumin": Input("g/L", "1751-7"),
    "anc": Input("10*9/L", "751-8"),
    "alc": Input("10*9/L", "731-0"),
}


@dataclass(frozen=True)
class Score:
    """A published score.

    Attributes
    ----------
    name, label : str
        Column name and what people read.
    inputs : tuple of str
        Keys of ``INPUTS``, in the order of the formula's arguments.
    formula : callable
        Arrays (or one patient's plain numbers) in the units of ``INPUTS`` to the score, element
        by element; missing inputs propagate.
    scale : str
        ``log`` for ratios, which the linear learners see as logarithms.
    floor : float
        Smallest value the logarithm takes.
    trend : str or None
        ``up`` where a higher score is published to go with a higher risk of CRS.
    source : str
        Where the formula was published.
    """

    name: str
    label: str
    inputs: tuple[str, ...]
    formula: Callable[..., np.ndarray]
    source: str
    scale: str = "linear"
    floor: float = 0.0
    trend: str | None = None


def easix(ldh: np.ndarray, creatinine: np.ndarray, platelets: np.ndarray) -> np.ndarray:
    """Endothelial activation and stress index: LDH x creatinine / platelets."""
    return ldh * creatinine / _countable(platelets)


def simplified_easix(ldh: np.ndarray, platelets: np.ndarray) -> np.ndarray:
    """EASIX without creatinine: LDH / platelets."""
    return ldh / _countable(platelets)


def modified_easix(ldh: np.ndarray, crp: np.ndarray, platelets: np.ndarray) -> np.ndarray:
    """EASIX with CRP for creatinine: LDH x CRP / platelets, CRP in mg/dL as published."""
    return ldh * (crp / 10.0) / _countable(platelets)


def car_hematotox(
    platelets: np.ndarray,
    anc: np.ndarray,
    hemoglobin: np.ndarray,
    crp: np.ndarray,
    ferritin: np.ndarray,
) -> np.ndarray:
    """CAR-HEMATOTOX points, 0 to 7; built for prolonged neutropenia, not for CRS.

    Platelets above 175 score 0, 75 to 175 score 1, below 75 score 2 (10*9/L); neutrophils
    at most 1.2 (10*9/L), haemoglobin at most 9 (g/dL) and CRP of at least 30 (mg/L) score 1
    each; ferritin below 650 scores 0, up to 2000 scores 1, above scores 2 (ng/mL).
    """
    points = 0.0 + (platelets <= 175) + (platelets < 75)
    points = points + (anc <= 1.2) + (hemoglobin <= 9.0) + (crp >= 30.0)
    points = points + (ferritin >= 650) + (ferritin > 2000)
    return _missing_where_any_is(points, platelets + anc + hemoglobin + crp + ferritin)


def modified_glasgow(crp: np.ndarray, albumin: np.ndarray) -> np.ndarray:
    """Modified Glasgow prognostic score: CRP above 10 mg/L, and then albumin below 35 g/L."""
    points = (crp > 10.0) * (1.0 + (albumin < 35.0))
    return _missing_where_any_is(points, crp + albumin)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Numerator by denominator; undefined, hence missing, where the denominator is zero."""
    return numerator / _either(denominator > 0, denominator, np.nan)


def immune_inflammation(platelets: np.ndarray, anc: np.ndarray, alc: np.ndarray) -> np.ndarray:
    """Systemic immune-inflammation index: platelets x neutrophils / lymphocytes."""
    return platelets * ratio(anc, alc)


def nutritional(albumin: np.ndarray, alc: np.ndarray) -> np.ndarray:
    """Prognostic nutritional index: albumin (g/L) + 5 x lymphocytes (10*9/L)."""
    return albumin + 5.0 * alc


SCORES = (
    Score(
        "easix", "EASIX", ("ldh", "creatinine", "platelets"), easix,
        "Korell 2022, doi:10.3389/fimmu.2022.877477", "log", 0.01, "up",
    ),
    Score(
        "s_easix", "Simplified EASIX", ("ldh", "platelets"), simplified_easix,
        "Pennisi 2021, doi:10.1182/bloodadvances.2020003885", "log", 0.01, "up",
    ),
    Score(
        "m_easix", "Modified EASIX", ("ldh", "crp", "platelets"), modified_easix,
        "Pennisi 2021, doi:10.1182/bloodadvances.2020003885", "log", 0.001, "up",
    ),
    Score(
        "car_hematotox", "CAR-HEMATOTOX",
        ("platelets", "anc", "hemoglobin", "crp", "ferritin"), car_hematotox,
        "Rejeski, Blood 2021;138:2499",
    ),
    Score("nlr", "Neutrophil/lymphocyte ratio", ("anc", "alc"), ratio,
          "standard definition", "log", 0.01),
    Score("plr", "Platelet/lymphocyte ratio", ("platelets", "alc"), ratio,
          "standard definition", "log", 0.1),
    Score("sii", "Systemic immune-inflammation index", ("platelets", "anc", "alc"),
          immune_inflammation, "standard definition", "log", 0.1),
    Score("mgps", "Modified Glasgow prognostic score", ("crp", "albumin"), modified_glasgow,
          "standard definition"),
    Score("pni", "Prognostic nutritional index", ("albumin", "alc"), nutritional,
          "standard definition"),
    Score("crp_albumin", "CRP/albumin ratio", ("crp", "albumin"), ratio,
          "standard definition", "log", 0.001),
)  # fmt: skip

BY_NAME = {score.name: score for score in SCORES}


def inputs_of(score: Score, dictionary: Dictionary) -> dict[str, str] | None:
    """Find the variables that feed a score.

    Returns
    -------
    dict or None
        Input to variable name, or None where the dictionary lacks an input. A variable is
        found by name, or else by its LOINC code.
    """
    found = {}
    for name in score.inputs:
        variable = _find(name, dictionary)
        if variable is None:
            return None
        found[name] = variable.name
    return found


def unit_factor(name: str, variable: Variable) -> float:
    """Factor from the dictionary's canonical unit to the unit of the published formula."""
    return linear_map(variable.unit or "1", INPUTS[name].unit, variable.molar_mass)[0]


def compute(score: Score, columns: list[np.ndarray]) -> np.ndarray:
    """Compute a score from its inputs, in the order and units of the formula."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return score.formula(*columns)


def _find(name: str, dictionary: Dictionary) -> Variable | None:
    candidates = [dictionary[name]] if name in dictionary else []
    candidates += [v for v in dictionary if INPUTS[name].loinc in v.loinc]
    usable = [v for v in candidates if v.is_baseline_predictor and v.kind == "numeric" and v.unit]
    return usable[0] if usable else None


def _countable(platelets: np.ndarray) -> np.ndarray:
    # A count of zero is below what analysers resolve; one is the published guard.
    return _either(platelets < 1.0, 1.0, platelets)


def _missing_where_any_is(points: np.ndarray, total: np.ndarray) -> np.ndarray:
    # Comparisons turn missing into False: restore it. A sum is missing where one input is.
    return _either(total != total, np.nan, points)


def _either(condition: np.ndarray, one: Any, other: Any) -> Any:
    # One patient's values come as plain numbers, for which numpy takes ten times as long.
    if isinstance(condition, np.ndarray):
        return np.where(condition, one, other)
    return one if condition else other
