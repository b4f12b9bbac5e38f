"""Riley's minimum sample size for developing a risk model with a binary outcome, in full.

The one place that says what is counted as a parameter: the audit, the learning stage and the
card report the same number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import norm

from pipeline.cohort.dictionary import Dictionary, Variable
from pipeline.config import Audit, Predictors

# Riley's defaults for the two criteria that are seldom changed.
OPTIMISM = 0.05
MARGIN_OF_ERROR = 0.05
# What counts, in the words that stand beside the number.
COUNTED = (
    "one per numeric or binary variable that the model may use, levels minus one per categorical "
    "one; scores and attributes of a therapy follow from variables already counted; splines and "
    "trees would ask for more"
)


def candidate_variables(
    dictionary: Dictionary, predictors: Predictors, therapy: str | None = None
) -> list[Variable]:
    """Return the variables that the config lets a model use.

    Parameters
    ----------
    dictionary : Dictionary
        Restricted to the cohort.
    predictors : Predictors
    therapy : str, optional
        The variable that finds the therapy prior, which is used whatever ``predictors`` says.
    """
    return [
        variable
        for variable in dictionary
        if variable.is_baseline_predictor
        and (predictors.admit(variable.name) or variable.name == therapy)
    ]


def candidate_parameters(cohort: pd.DataFrame, variables: Iterable[Variable]) -> int:
    """Count candidate predictor parameters as Riley does: before any selection.

    A numeric or binary variable is one, a categorical one the number of its levels minus one,
    one that does not vary none. Variables are counted, not the model's columns: a therapy's
    attributes are sums of its products' indicators, and most scores are sums of logarithms
    of variables that enter as logarithms, so that an unpenalised regression, of which the criteria
    speak, has no coefficient left for them. Smooth terms and trees come on top; the penalties
    that hold them back have no place in the criteria either. The count is a floor.

    Parameters
    ----------
    cohort : DataFrame
    variables : iterable of Variable
        As `candidate_variables` returns them.
    """
    levels = [(v.kind, cohort[v.name].nunique()) for v in variables]
    return sum(n - 1 if kind == "categorical" else 1 for kind, n in levels if n > 1)


def against_riley(n: int, events: int, parameters: int, audit: Audit) -> dict[str, Any]:
    """Return Riley's minimum for an outcome beside what the cohort has.

    Parameters
    ----------
    n, events : int
        Patients, and those with the event: neither none nor all.
    parameters : int
    audit : Audit
        What the criteria assume and ask: ``expected_auroc`` and ``shrinkage``.

    Returns
    -------
    dict
        ``patients_needed``, ``events_needed``, ``criteria``, ``met``, ``expected_auroc``,
        ``shrinkage`` and ``events_per_parameter``, of the smaller class, as the rule of thumb
        has it.
    """
    parameters = max(1, parameters)
    needed = riley_minimum(parameters, events / n, audit.expected_auroc, audit.shrinkage)
    return {
        "patients_needed": needed["n"],
        "events_needed": needed["events"],
        "criteria": needed["criteria"],
        "met": n >= needed["n"],
        "events_per_parameter": min(events, n - events) / parameters,
        "expected_auroc": audit.expected_auroc,
        "shrinkage": audit.shrinkage,
    }


def riley_minimum(
    parameters: int, prevalence: float, c_statistic: float, shrinkage: float = 0.9
) -> dict[str, Any]:
    """Return the smallest number of patients that meets Riley's three criteria.

    Parameters
    ----------
    parameters : int
        Candidate predictor parameters, counted before any selection: one per numeric or
        binary variable, levels minus one per categorical variable, more with splines.
    prevalence : float
        Expected share of patients with the event.
    c_statistic : float
        AUROC that the model is expected to reach, above 0.5.
    shrinkage : float
        Criterion 1: expected uniform shrinkage of the coefficients is at least this.

    Returns
    -------
    dict
        ``n``, ``events`` (rounded up), ``criteria`` (the three numbers of patients),
        ``cox_snell_r2`` and ``events_per_parameter``.

    Raises
    ------
    ValueError
        If an argument lies outside its domain.
    """
    if not 0.5 < c_statistic < 1:
        raise ValueError(f"c_statistic must lie between 0.5 and 1, found {c_statistic}")
    if not 0 < prevalence < 1:
        raise ValueError(f"prevalence must lie between 0 and 1, found {prevalence}")
    r2 = cox_snell_r2(prevalence, c_statistic)
    criteria = riley_criteria(parameters, prevalence, r2, shrinkage)
    n = max(criteria.values())
    return {
        "n": n,
        "events": math.ceil(n * prevalence),
        "criteria": criteria,
        "cox_snell_r2": r2,
        "events_per_parameter": n * prevalence / parameters,
    }


def riley_criteria(
    parameters: int, prevalence: float, r2: float, shrinkage: float = 0.9
) -> dict[str, int]:
    r"""Return the number of patients that each of the three criteria asks for.

    Parameters
    ----------
    parameters, prevalence, shrinkage
        As in `riley_minimum`.
    r2 : float
        Expected Cox-Snell R2 of the model, below ``shrinkage``.

    Notes
    -----
    With :math:`R^2_{max}` the largest Cox-Snell :math:`R^2` at this prevalence :math:`\phi`,

    1. ``shrinkage``: :math:`n = p / ((S - 1) \ln(1 - R^2 / S))`;
    2. ``optimism`` (apparent and adjusted Nagelkerke :math:`R^2` differ by at most 0.05):
       the same with :math:`S = R^2 / (R^2 + 0.05 R^2_{max})`;
    3. ``overall_risk`` (known to plus or minus 0.05 with 95 % confidence):
       :math:`n = (1.96 / 0.05)^2 \phi (1 - \phi)`.

    References
    ----------
    Riley RD et al. Stat Med 2019;38:1276 (criteria 1 and 2) and BMJ 2020;368:m441.
    """
    if parameters < 1:
        raise ValueError(f"parameters must be at least 1, found {parameters}")
    if not 0 < r2 < shrinkage < 1:
        raise ValueError(f"shrinkage must lie between R2 ({r2:.3f}) and 1, found {shrinkage}")
    max_r2 = 1 - math.exp(2 * _null_log_likelihood(prevalence))

    def patients_for(target: float) -> int:
        return math.ceil(parameters / ((target - 1) * math.log(1 - r2 / target)))

    return {
        "shrinkage": patients_for(shrinkage),
        "optimism": patients_for(r2 / (r2 + OPTIMISM * max_r2)),
        "overall_risk": math.ceil(
            (norm.ppf(0.975) / MARGIN_OF_ERROR) ** 2 * prevalence * (1 - prevalence)
        ),
    }


def cox_snell_r2(prevalence: float, c_statistic: float) -> float:
    r"""Return the Cox-Snell R2 of a calibrated model with the given AUROC.

    Parameters
    ----------
    prevalence, c_statistic : float
        Share of events and AUROC.

    Notes
    -----
    The linear predictor is taken as normal with unit variance in both classes, its means
    :math:`\sqrt{2}\,\Phi^{-1}(c)` apart. The true log-odds is then linear in it, so the
    expected log-likelihood is an integral; the article and pmsampsize simulate a million
    patients instead and differ by their simulation error (about 1 % in n).

    References
    ----------
    Riley RD, Van Calster B, Collins GS. Stat Med 2021;40:859.
    """
    gap = math.sqrt(2) * norm.ppf(c_statistic)
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()

    def log_odds(predictor: np.ndarray) -> np.ndarray:
        return logit(prevalence) + gap * predictor - gap**2 / 2

    events = weights @ np.log(expit(log_odds(nodes + gap)))
    others = weights @ np.log(expit(-log_odds(nodes)))
    fitted = prevalence * events + (1 - prevalence) * others
    return float(1 - math.exp(-2 * (fitted - _null_log_likelihood(prevalence))))


def _null_log_likelihood(prevalence: float) -> float:
    """Log-likelihood per patient when everyone is given the overall risk."""
    return prevalence * math.log(prevalence) + (1 - prevalence) * math.log(1 - prevalence)
