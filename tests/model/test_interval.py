"""Intervals: the posterior by hand, wider where less is known, and the share they cover."""

import numpy as np
import pytest

from pipeline.features.matrix import arm_names, build_matrix, prior_log_odds, values_of
from pipeline.model.interval import fit_uncertainty, limits
from pipeline.model.predict import predict


def spread(low, high):
    return np.log(high / (1 - high)) - np.log(low / (1 - low))


@pytest.fixture(scope="module")
def patients():
    rng = np.random.default_rng(0)
    filled = np.column_stack([rng.normal(5, 2, 80), rng.random(80) < 0.3, np.full(80, 2.0)])
    return filled.astype(float), np.array([False, True, False]), rng.uniform(0.1, 0.6, 80)


def test_posterior_is_the_inverse_hessian(patients):
    filled, coded, risk = patients
    belief = np.array([0.2, 0.4, 0.3])
    found = fit_uncertainty(filled, coded, risk, belief)
    # By hand: scaled terms, weights p (1 - p), precision 1 / sd^2 on all but the intercept.
    first = (filled[:, 0] - filled[:, 0].mean()) / filled[:, 0].std()
    second = (filled[:, 1] - filled[:, 1].mean()) / 0.5
    X = np.column_stack([np.ones(80), first, second])
    hessian = X.T @ np.diag(risk * (1 - risk)) @ X + np.diag([0, 25.0, 6.25])
    covariance = np.linalg.inv(hessian)
    np.testing.assert_allclose((found.root @ found.root.T)[:3, :3], covariance, rtol=1e-9)
    np.testing.assert_allclose(
        found.sd(filled), np.sqrt(np.einsum("ni,ij,nj->n", X, covariance, X)), rtol=1e-9
    )


def test_a_column_without_variation_adds_no_spread(patients):
    filled, coded, risk = patients
    found = fit_uncertainty(filled, coded, risk, np.full(3, 0.2))
    changed = filled.copy()
    changed[:, 2] = 1e6
    np.testing.assert_allclose(found.sd(changed), found.sd(filled))


def test_spread_grows_away_from_the_training_patients(patients):
    filled, coded, risk = patients
    found = fit_uncertainty(filled, coded, risk, np.full(3, 0.2))
    far = np.array([[5.0, 0, 2], [15.0, 0, 2], [45.0, 0, 2]])
    assert (np.diff(found.sd(far)) > 0).all()


def test_spread_shrinks_with_the_root_of_the_patients(patients):
    filled, coded, risk = patients
    vague = np.full(3, 1e3)
    once = fit_uncertainty(filled, coded, risk, vague).sd(filled)
    tiled = fit_uncertainty(np.tile(filled, (4, 1)), coded, np.tile(risk, 4), vague).sd(filled)
    np.testing.assert_allclose(tiled, once / 2, rtol=1e-4)


def test_without_patients_information_the_belief_is_left(patients):
    filled, coded, _ = patients
    certain = np.full(80, 1e-12)  # risks of 0 tell nothing on the logit scale
    found = fit_uncertainty(filled, coded, certain, np.array([0.2, 0.4, 0.3]))
    variances = np.diag(found.root @ found.root.T)
    np.testing.assert_allclose(variances[1:3], [0.04, 0.16], rtol=1e-6)


def test_limits_are_the_normal_quantiles():
    low, high = limits(np.array([1.0]), np.array([2.0]), 0.90)
    assert high[0] == pytest.approx(1 + 2 * 1.6448536269514722, rel=1e-12)
    assert low[0] == pytest.approx(1 - 2 * 1.6448536269514722, rel=1e-12)


def test_more_patients_give_narrower_intervals(configure, draw, train):
    config = configure()
    asked, _ = draw(config, 200, 50)
    widths = []
    for n in (150, 600):
        model = train(draw(config, n, 3)[0], config)
        found = predict(model, values_of(asked, model.plan))
        widths.append(np.nanmedian(spread(found.low, found.high), axis=0)[0])
    assert widths[1] < 0.85 * widths[0]


def test_an_unseen_therapy_is_less_certain_than_a_seen_one(artifact, cohort):
    # The same patients, scored as if training had and had not met their therapy.
    plan, model = artifact.plan, artifact.model
    values = values_of(cohort, plan)
    Z, (prior, sd) = build_matrix(values, plan), prior_log_odds(values, plan)
    known = arm_names(values, plan)
    seen, unseen = (
        model.predict(Z, prior, sd, arms, 0.9) for arms in (known, np.char.add("new ", known))
    )
    wider = spread(unseen.low, unseen.high) - spread(seen.low, seen.high)
    fitted = [head.deviation is not None for head in model.heads]
    own = seen.bound_by == np.arange(3)
    for k in np.flatnonzero(fitted):
        assert (wider[own[:, k], k] > 0).all()
    np.testing.assert_array_equal(unseen.risk, seen.risk)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("patients", "minimum_events"), [(800, 30), (120, 1000)], ids=["fitted", "prior alone"]
)
def test_nominal_90_percent_covers_the_true_risk_in_80_to_99(
    configure, draw, train, patients, minimum_events
):
    # New patients of the same population; the outcome's frailty is integrated out of truth.
    covered = []
    for seed in (21, 22):
        config = configure(
            predictors={}, model={"minimum_events": minimum_events, "inner_folds": 5}
        )
        model = train(draw(config, patients, seed)[0], config)
        asked, truth = draw(config, 1000, seed + 100)
        found = predict(model, values_of(asked, model.plan))
        known = ~np.isnan(found.risk)
        inside = (truth >= found.low) & (truth <= found.high)
        covered.append([inside[known[:, k], k].mean() for k in range(3)])
    mean = np.mean(covered, axis=0)
    assert (mean >= 0.80).all(), mean
    assert (mean <= 0.99).all(), mean
