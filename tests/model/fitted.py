"""Small models fitted on drawn patients."""

import numpy as np

from pipeline.config import Model, Outcome
from pipeline.model.fitting import fit_risk_model
from pipeline.model.patients import Patients

NESTED = {
    name: Outcome(column="grade", at_least=grade, label=name)
    for name, grade in (("ge3", 3), ("any", 1), ("ge2", 2))
}


QUICK = {
    "inner_folds": 3,
    "trees": {"leaves": [4], "trees": [30]},
    "ridge": {"penalties": [100], "l1_ratio": 0.0, "knots": 4},
    "elastic_net": {"penalties": [20], "l1_ratio": 0.5, "knots": 0},
}


def simulate(n, seed=0, outcomes=NESTED):
    """Patients whose grade rises with the first of five measurements."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, 5))
    Z[rng.random(Z.shape) < 0.1] = np.nan
    severity = 1.5 * np.nan_to_num(Z[:, 0]) + rng.logistic(size=n)
    grade = np.digitize(severity, [-0.5, 0.5, 2.0])
    Y = np.column_stack([grade >= o.at_least for o in outcomes.values()]).astype(float)
    return Z, Y, np.full(Y.shape, np.nan)


def fit(Z, Y, published, outcomes=NESTED, cohort=None, persons=None, **settings):
    settings = Model.model_validate(QUICK | settings)
    columns = Z.shape[1]
    patients = Patients(
        Z, Y, published, np.zeros_like(published), None, None, (0,) * columns,
        np.zeros(columns, dtype=bool), np.zeros(columns, dtype=bool), outcomes, persons, persons,
    )  # fmt: skip
    return fit_risk_model(patients, settings, 1, cohort)


def risks(model, Z, published, sd=0.3):
    return model.predict(Z, published, np.where(np.isnan(published), np.nan, sd), None, 0.9)
