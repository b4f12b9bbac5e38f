"""Figures of one unit (a site, a therapy, a period) with analytic standard errors.

A meta-analysis needs an estimate and its variance per unit, on a scale on which the estimate
is about normal: AUROC in log-odds, observed/expected and log-loss as logarithms, calibration
intercept and slope as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from pipeline.evaluation.calibration import calibration_intercept
from pipeline.evaluation.logistic import fit_logistic
from pipeline.evaluation.meta_analysis import FEWEST_UNITS, random_effects
from pipeline.evaluation.overall import clipped, log_odds
from pipeline.evaluation.performance import NO_THERAPY, UNDEFINED

SEPARATED = "the risks separate the classes, and such an AUROC has no error to make an interval of"

# Scale of each figure's estimate and standard error.
SCALES = {
    "auroc": "logit",
    "auroc_within_therapy": "logit",
    "calibration_intercept": "identity",
    "calibration_slope": "identity",
    "observed_expected": "log",
    "log_loss": "log",
}


@dataclass(frozen=True)
class Measured:
    """An estimate and its standard error, on the scale of the meta-analysis.

    Attributes
    ----------
    value, error : float
        NaN, or infinite on the scale, where undefined.
    reason : str
        Why either is, in words.
    """

    value: float
    error: float
    reason: str = "undefined here"

    @property
    def usable(self) -> bool:
        """Whether both are defined, and the error above 0."""
        return bool(np.isfinite(self.value) and np.isfinite(self.error) and self.error > 0)


def measure(
    observed: np.ndarray, risk: np.ndarray, strata: np.ndarray | None
) -> dict[str, Measured]:
    r"""Return every figure of `SCALES`, on its scale.

    Parameters
    ----------
    observed : ndarray of 0 and 1, shape (n,)
        Both classes.
    risk : ndarray, shape (n,)
    strata : ndarray of int, shape (n,), or None
        Therapy of each patient; negative where unknown, None where the cohort has none.

    Notes
    -----
    Standard errors: AUROC, see `concordance`; observed/expected,
    :math:`\sqrt{(1 - \bar y) / \sum y}` on the log scale (Debray, BMJ 2017;356:i6460);
    intercept and slope, the information of the recalibrating regression; log-loss, the
    patients' spread.
    """
    everyone = np.zeros(len(risk), dtype=int)
    events = observed.sum()
    loss = mean_with_error(patient_log_loss(observed, risk))
    return {
        "auroc": _on_logit(*concordance(observed, risk, everyone)),
        "auroc_within_therapy": Measured(np.nan, np.nan, NO_THERAPY)
        if strata is None or not (strata >= 0).any()
        else _on_logit(*concordance(observed, risk, strata)),
        "calibration_intercept": _intercept(observed, risk),
        "calibration_slope": _slope(observed, risk),
        "observed_expected": Measured(
            float(np.log(events / risk.sum())),
            float(np.sqrt((1 - observed.mean()) / events)),
        ),
        "log_loss": Measured(float(np.log(loss.value)), loss.error / loss.value),
    }


def concordance(observed: np.ndarray, risk: np.ndarray, strata: np.ndarray) -> tuple[float, float]:
    r"""Return the AUROC over pairs of the same stratum, pooled, and its standard error.

    Parameters
    ----------
    observed : ndarray of 0 and 1, shape (n,)
    risk : ndarray, shape (n,)
    strata : ndarray of int, shape (n,)
        Patients of negative strata are left out.

    Returns
    -------
    tuple of float
        NaN where no stratum holds both classes.

    Notes
    -----
    With :math:`C_i` the concordant pairs of patient i, :math:`M_i` all its pairs and
    :math:`M` those of the data, the error is
    :math:`\sqrt{\sum_i (C_i - \theta M_i)^2} / M`, each class's sum raised by
    :math:`m / (m - 1)` for its m patients. With one stratum that is the estimate of DeLong
    (Biometrics 1988;44:837).
    """
    known = strata >= 0
    if not known.any():
        return np.nan, np.nan
    rows = pd.DataFrame({"s": strata[known], "y": observed[known] == 1, "risk": risk[known]})
    by_class = rows.groupby(["s", "y"])["risk"]
    size = rows.groupby("s")["risk"].transform("size")
    others = (size - by_class.transform("size")).to_numpy(dtype=float)
    # Rank among all of the stratum less rank among its own class: those of the other below.
    below = (rows.groupby("s")["risk"].rank() - by_class.rank()).to_numpy()
    event = rows["y"].to_numpy()
    concordant = np.where(event, below, others - below)
    pairs = others[event].sum()
    if pairs == 0:
        return np.nan, np.nan
    theta = concordant[event].sum() / pairs
    variance = 0.0
    for members in (event & (others > 0), ~event & (others > 0)):
        count = int(members.sum())
        if count < 2:
            return float(theta), np.nan
        excess = concordant[members] - theta * others[members]
        variance += (excess**2).sum() * count / (count - 1)
    return float(theta), float(np.sqrt(variance) / pairs)


def patient_log_loss(observed: np.ndarray, risk: np.ndarray) -> np.ndarray:
    """Return each patient's negative log-likelihood, in nats, shape (n,)."""
    p = clipped(risk)
    return np.asarray(-(observed * np.log(p) + (1 - observed) * np.log1p(-p)))


def mean_with_error(values: np.ndarray) -> Measured:
    """Return the mean of the patients' values and its standard error."""
    error = float(values.std(ddof=1) / np.sqrt(len(values)))
    return Measured(float(values.mean()), error, "the risks are the same")


def with_interval(found: Measured, scale: str, level: float) -> dict[str, Any]:
    """Return ``estimate``, ``low``, ``high`` on the figure's own scale; None with a ``reason``."""
    if not found.usable:
        known = back(found.value, scale)
        estimate = known if np.isfinite(known) else None
        return {"estimate": estimate, "low": None, "high": None, "reason": found.reason}
    half = norm.ppf(1 - (1 - level) / 2) * found.error
    return {
        "estimate": back(found.value, scale),
        "low": back(found.value - half, scale),
        "high": back(found.value + half, scale),
    }


def summarised(found: list[Measured], scale: str, level: float) -> dict[str, Any]:
    """Return the random-effects summary of the units in which a figure is defined.

    Returns
    -------
    dict
        ``estimate``, ``low``, ``high``, ``prediction_low``, ``prediction_high`` on the
        figure's own scale, ``tau`` on that of the analysis, ``units``; with fewer than three
        units all are None and ``reason`` says so.
    """
    usable = [m for m in found if m.usable]
    if len(usable) < FEWEST_UNITS:
        nothing = ("estimate", "low", "high", "prediction_low", "prediction_high", "tau")
        return {
            **dict.fromkeys(nothing),
            "units": len(usable),
            "reason": f"{len(usable)} units have this figure; a summary needs {FEWEST_UNITS}",
        }
    pooled = random_effects(
        np.array([m.value for m in usable]), np.array([m.error**2 for m in usable]), level
    )
    ends = ("estimate", "low", "high", "prediction_low", "prediction_high")
    return {
        **{end: back(getattr(pooled, end), scale) for end in ends},
        "tau": pooled.tau,
        "units": pooled.units,
    }


def back(value: float, scale: str) -> float:
    """Return a value of the analysis's scale on the figure's own."""
    if scale == "logit":
        return float(1 / (1 + np.exp(-value)))
    return float(np.exp(value)) if scale == "log" else float(value)


def _on_logit(share: float, error: float) -> Measured:
    if np.isnan(share):
        return Measured(np.nan, np.nan, UNDEFINED["calibration_slope_within_therapy"])
    if share in (0, 1):
        return Measured(np.inf if share else -np.inf, np.nan, SEPARATED)
    spread = share * (1 - share)
    why = "the risks do not vary" if error == 0 else "a class has a single patient to compare"
    return Measured(float(np.log(share / (1 - share))), error / spread, why)


def _intercept(observed: np.ndarray, risk: np.ndarray) -> Measured:
    value = float(calibration_intercept(observed, risk, np.ones((1, len(risk))))[0])
    p = 1 / (1 + np.exp(-(log_odds(risk) + value)))
    return Measured(value, float((p * (1 - p)).sum() ** -0.5))


def _slope(observed: np.ndarray, risk: np.ndarray) -> Measured:
    x = log_odds(risk)
    if np.ptp(x) < 1e-9:
        return Measured(np.nan, np.nan, "the risks do not vary")
    design = np.column_stack([np.ones(len(x)), x])
    found = fit_logistic(design, observed, np.ones((1, len(x))), start=np.array([0.0, 1.0]))[0]
    if not np.isfinite(found).all():
        return Measured(np.nan, np.nan, UNDEFINED["calibration_slope"])
    p = 1 / (1 + np.exp(-(design @ found)))
    w = p * (1 - p)
    spread = (w * x**2).sum() - (w * x).sum() ** 2 / w.sum()
    return Measured(float(found[1]), float(spread**-0.5))
