"""Risks of a cohort with four therapies and one marker, as cross-validation leaves them."""

import numpy as np
import pandas as pd
from scipy.special import expit

from pipeline.config import Evaluation
from pipeline.evaluation.oof import oof_frame

SETTINGS = Evaluation(bootstrap=200, processes=1, thresholds={"ge2": [0.3, 0.99]})


def cohort(n=600, events_scale=0.0, seed=1, repeats=2):
    """Four therapies, one informative marker; `model` knows both, `therapy_only` the first."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"p{k:04d}" for k in rng.permutation(n)])
    therapy = rng.integers(0, 4, size=n)
    known = np.array([-1.0, -0.3, 0.2, 0.8])[therapy]
    marker = rng.normal(size=n)
    observed, truth, risks = {}, {"patient_id": ids}, {"model": [], "therapy_only": []}
    for outcome, base in (("any", 0.5), ("ge2", -0.5 + events_scale)):
        true_risk = expit(base + known + 0.8 * marker)
        observed[outcome] = (rng.random(n) < true_risk).astype(int)
        truth[f"risk_{outcome}"] = true_risk
        noise = 0.2 * rng.normal(size=(repeats, n))
        risks["model"].append(expit(base + known + 0.7 * marker + noise))
        risks["therapy_only"].append(expit(base + known + 0.02 * noise))
    folds = np.stack([rng.permutation(n) % 5 for _ in range(repeats)])
    stacked = {name: np.stack(values, axis=2) for name, values in risks.items()}
    frame = oof_frame(ids, folds, observed, stacked)
    names = pd.Series([f"t{k}" for k in therapy], index=ids)
    return frame, names, pd.DataFrame(truth)
