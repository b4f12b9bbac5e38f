"""Rows of one patient: fitted without vouching for each other."""

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


def noise(persons, rows, seed=0):
    """Persons whose findings, the same in all their rows, say nothing of the outcome."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(persons), rows)
    Z = rng.normal(size=(persons, 12))[who] + rng.normal(0, 0.05, size=(len(who), 12))
    Y = (rng.random(persons) < 0.4).astype(float)[who][:, None]
    return Z, Y, np.full(Y.shape, np.nan), who


def test_rows_of_a_person_do_not_vouch_for_each_other():
    """Of noise nothing can be learned: the best risk of anybody new is the base rate."""
    Z, Y, published, who = noise(100, 4)
    new, outcomes, settings = noise(500, 1, seed=1)[0], {"any": NESTED["any"]}, {
        "trees": {"leaves": [8], "trees": [200]}, "ridge": {"penalties": [1, 1000]},
    }  # fmt: skip

    def expected_loss(persons):
        model = fit(Z, Y, published, outcomes, persons=persons, **settings)
        risk, rate = risks(model, new, np.full((500, 1), np.nan)).risk, Y.mean()
        return -(rate * np.log(risk) + (1 - rate) * np.log(1 - risk)).mean()

    floor = -(Y.mean() * np.log(Y.mean()) + (1 - Y.mean()) * np.log(1 - Y.mean()))
    assert expected_loss(None) > floor + 0.2  # who does not say who is who
    assert expected_loss(who) < floor + 0.03


def test_persons_of_one_row_each_change_not_a_bit():
    Z, Y, published = simulate(200)
    found = [
        risks(fit(Z, Y, published, persons=persons), Z, published).risk.tobytes()
        for persons in (None, np.random.default_rng(0).permutation(200))
    ]
    assert found[0] == found[1]


def test_many_rows_of_few_persons_with_an_event_fit_nothing():
    Z, Y, published, who = noise(40, 5)
    Y[:] = (who < 2)[:, None]  # 10 events, of 2 persons, for 3 inner folds
    outcomes, minimum = {"any": NESTED["any"]}, {"minimum_patients": 1, "minimum_events": 1}
    assert fit(Z, Y, published, outcomes, **minimum).heads[0].deviation is not None
    assert fit(Z, Y, published, outcomes, persons=who, **minimum).heads[0].deviation is None


def test_inner_folds_hold_whole_groups_where_they_are_enough_and_persons_else():
    Z, Y, published, who = noise(60, 2)
    columns = np.zeros(12, dtype=bool)

    def together(site, folds):
        patients = Patients(
            Z, Y, published, published, None, None, (0,) * 12, columns, columns, {}, who, site
        )
        return patients.together(np.arange(120), [0], folds)

    np.testing.assert_array_equal(together(who % 6, 5), who % 6)
    np.testing.assert_array_equal(together(who % 4, 5), who)
    # Six sites, and events at one of them.
    Y[:] = (who % 6 == 0)[:, None]
    np.testing.assert_array_equal(together(who % 6, 5), who)
