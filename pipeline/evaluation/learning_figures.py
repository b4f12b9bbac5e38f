"""Log-loss and AUROC at each training size, in the data and in each bootstrap sample."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.config import Evaluation
from pipeline.evaluation.bootstrap import weight_blocks
from pipeline.evaluation.discrimination import concordance_within, within_folds
from pipeline.evaluation.unit_figures import patient_log_loss


def figures_by_size(
    y: np.ndarray,
    risks: list[np.ndarray],
    folds: np.ndarray,
    therapies: np.ndarray | None,
    groups: np.ndarray | None,
    evaluation: Evaluation,
    seed: int,
) -> dict[str, np.ndarray]:
    """Return each figure in the data and in each bootstrap sample, shape (1 + samples, sizes).

    Parameters
    ----------
    y : ndarray of 0 and 1, shape (n,)
    risks : list of ndarray, shape (subsets, repeats, n)
        One per training size.
    folds : ndarray of int, shape (repeats, n)
    therapies : ndarray of str, shape (n,), or None
    groups : ndarray, shape (n,), or None
        What is resampled as a whole.
    evaluation : Evaluation
    seed : int

    Returns
    -------
    dict of ndarray
        ``log_loss``, ``auroc`` and, where there are therapies, ``auroc_within_therapy``.

    Notes
    -----
    A patient's weight in the judgement of a fit is its own weight times the fit's: patients
    and fits are resampled crosswise, as both are drawn from many (Owen AB, Ann Appl Stat
    2007;1:386).
    """
    repeats, n = folds.shape
    strata = None if therapies is None else pd.factorize(therapies)[0]
    rng = np.random.default_rng([seed, 1])
    fits = int(folds.max()) + 1
    # Rows of all repeats one after the other; pairs are sought within one fit.
    of_fit = (folds + fits * np.arange(repeats)[:, None]).ravel()
    observed = np.tile(y, repeats)
    within = None if strata is None else within_folds(of_fit, np.tile(strata, repeats))
    losses = [np.mean([patient_log_loss(observed, r.ravel()) for r in risk], 0) for risk in risks]
    found: dict[str, list[np.ndarray]] = {"log_loss": [], "auroc": [], "auroc_within_therapy": []}
    first = True
    for weights in weight_blocks(n, evaluation.bootstrap, seed, groups):
        of_fits = rng.multinomial(fits, np.full(fits, 1 / fits), size=(len(weights), repeats))
        if first:
            of_fits[0], first = 1, False
        crossed = np.tile(weights, repeats) * of_fits.reshape(len(weights), -1)[:, of_fit]
        total = crossed.sum(axis=1)
        # Few sites and few fits may leave no patient in a resample: it has no figure.
        total = np.where(total > 0, total, np.nan)
        found["log_loss"].append(np.stack([crossed @ loss / total for loss in losses], axis=1))
        for name, codes in (("auroc", of_fit), ("auroc_within_therapy", within)):
            if codes is not None:
                ranked = [
                    np.mean([concordance_within(observed, r.ravel(), codes, crossed) for r in s], 0)
                    for s in risks
                ]
                found[name].append(np.stack(ranked, axis=1))
    return {name: np.concatenate(parts) for name, parts in found.items() if parts}
