"""Rows of one patient: fitted without vouching for each other."""

import numpy as np

from pipeline.model.patients import Patients
from tests.model.fitted import NESTED, fit, risks, simulate


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
