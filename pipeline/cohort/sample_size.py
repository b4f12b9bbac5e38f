"""Riley's minimum sample size for developing a risk model with a binary outcome."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm

# Riley's defaults for the two criteria that are seldom changed.
OPTIMISM = 0.05
MARGIN_OF_ERROR = 0.05


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
