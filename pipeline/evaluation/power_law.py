"""The inverse power law of learning, and where it flattens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Excess log-loss of a fit to n patients falls as 1/n in theory, and more slowly where there is
# always more to learn; beyond these exponents five points tell nothing.
EXPONENTS = np.linspace(0.3, 2.0, 69)
FEWEST_SIZES = 4


@dataclass(frozen=True)
class PowerLaw:
    r"""Curves :math:`L(n) = c + b n^{-\alpha}`, :math:`b \ge 0`; each array of shape (B,)."""

    floor: np.ndarray
    coefficient: np.ndarray
    exponent: np.ndarray

    def doubling(self, n: float) -> np.ndarray:
        """Return what doubling n patients saves, shape (B,)."""
        return self.coefficient * n**-self.exponent * (1 - 2**-self.exponent)

    def flat_from(self, worthwhile: float) -> np.ndarray:
        """Return the n from which a doubling saves less than ``worthwhile``, shape (B,)."""
        per_unit = self.coefficient * (1 - 2**-self.exponent) / worthwhile
        return np.asarray(per_unit ** (1 / self.exponent))


def fit_power_law(sizes: np.ndarray, losses: np.ndarray, weights: np.ndarray) -> PowerLaw:
    """Fit one curve per row by weighted least squares.

    Parameters
    ----------
    sizes : ndarray, shape (k,)
        At least four.
    losses : ndarray, shape (B, k)
    weights : ndarray, shape (k,)
        Inverse variances of the points.

    Notes
    -----
    For a given exponent the curve is a straight line in ``sizes ** -exponent``; the exponent
    is searched on a grid, and a line that would rise is flat.

    References
    ----------
    Figueroa RL et al. BMC Med Inform Decis Mak 2012;12:8.
    """
    if len(sizes) < FEWEST_SIZES:
        raise ValueError(f"a learning curve needs {FEWEST_SIZES} sizes, found {len(sizes)}")
    share = weights / weights.sum()
    x = sizes[None, :] ** -EXPONENTS[:, None]
    centred = x - (x @ share)[:, None]
    mean = losses @ share
    slope = (losses * share) @ centred.T / (centred**2 @ share)
    slope = np.maximum(slope, 0)
    residual = losses[:, None, :] - mean[:, None, None] - slope[:, :, None] * centred[None]
    best = np.argmin((residual**2) @ share, axis=1)
    rows = np.arange(len(losses))
    chosen = slope[rows, best]
    return PowerLaw(mean - chosen * (x @ share)[best], chosen, EXPONENTS[best])
