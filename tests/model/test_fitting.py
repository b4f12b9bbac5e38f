"""The whole model: coherent, honest where it knows little, and never far behind its prior."""

from itertools import pairwise

import numpy as np
import pytest

from pipeline.config import Model, Outcome
from pipeline.evaluation.resampling import assign_folds
from pipeline.features.matrix import prior_log_odds, values_of
from pipeline.model.artifact import write_artifact
from pipeline.model.head import choose_prior, shown_events, too_few
from pipeline.model.predict import predict, predict_with_reasons
from pipeline.model.risk_model import expit
from tests.model.fitted import NESTED, fit, risks, simulate


def logit(risk):
    return np.log(risk / (1 - risk))


def assert_coherent(found, lowest_first):
    for lower, higher in pairwise(lowest_first):
        for figures in (found.risk, found.low, found.high):
            assert (figures[:, higher] <= figures[:, lower] * (1 + 1e-12)).all()
    assert (found.low <= found.risk * (1 + 1e-12)).all()
    assert (found.risk <= found.high * (1 + 1e-12)).all()


@pytest.fixture(scope="module")
def nested():
    data = simulate(400)
    return data, fit(*data)


def test_risks_and_intervals_are_coherent_in_whatever_order_outcomes_stand(nested):
    (Z, _, _), model = nested
    assert model.outcomes == ["ge3", "any", "ge2"]
    assert model.capped_by == (2, None, 1)
    extremes = np.vstack([Z, 10 * Z, np.full((1, 5), np.nan)])
    found = risks(model, extremes, np.full((len(extremes), 3), np.nan))
    assert_coherent(found, [1, 2, 0])


def test_published_rates_that_contradict_each_other_are_made_coherent():
    # Per patient any order of the three published rates, and of how well they are known.
    Z, Y, _ = simulate(60)
    rng = np.random.default_rng(1)
    published, sd = rng.normal(0, 3, (60, 3)), rng.uniform(0.1, 2, (60, 3))
    model = fit(Z, Y, published)
    found = risks(model, Z, published, sd)
    assert_coherent(found, [1, 2, 0])
    each = published + np.array([head.a for head in model.heads])
    lowest = {1: [1], 2: [1, 2], 0: [1, 2, 0]}
    for k, candidates in lowest.items():
        # The cap is the least of the outcome's own and all lower grades' log-odds.
        np.testing.assert_allclose(logit(found.risk[:, k]), each[:, candidates].min(axis=1))
        given_by = np.array(candidates)[each[:, candidates].argmin(axis=1)]
        np.testing.assert_array_equal(found.bound_by[:, k], given_by)


def test_outcomes_of_different_columns_do_not_bind_or_borrow():
    outcomes = {
        "crs": Outcome(column="grade", at_least=1, label="CRS"),
        "neurotoxicity": Outcome(column="icans", at_least=2, label="ICANS"),
    }
    Z, Y, published = simulate(200, outcomes=outcomes)
    model = fit(Z, Y, published, outcomes)
    assert model.capped_by == (None, None)
    assert model.heads[0].deviation is not model.heads[1].deviation
    np.testing.assert_array_equal(risks(model, Z, published).bound_by, np.tile([0, 1], (len(Z), 1)))


def test_nested_outcomes_share_one_deviation_and_weights_are_never_negative(nested):
    first, *others = nested[1].heads
    for head in others:
        assert head.deviation is first.deviation
    for head in nested[1].heads:
        assert min(head.b) >= 0
        assert sum(head.b) > 0


@pytest.mark.parametrize(
    ("patients", "events", "fitted"),
    [(99, 40, False), (100, 30, True), (100, 29, False), (100, 70, True), (100, 71, False)],
)
def test_the_minimum_counts_patients_and_the_smaller_class(patients, events, fitted):
    y = np.repeat([1.0, 0.0], [events, patients - events])
    assert (too_few(y, (100, 30)) is None) == fitted


def test_the_reason_shows_no_small_count():
    sentence = too_few(np.repeat([1.0, 0.0], [3, 147]), (100, 30))
    assert "150 patients with fewer than 10" in sentence
    assert "at least 100 patients and 30 events" in sentence
    assert "prior alone" in sentence


@pytest.mark.parametrize(
    ("events", "shown"), [(0, None), (9, None), (10, 10), (40, 40), (41, None), (50, None)]
)
def test_events_are_counted_only_where_both_classes_may_be_shown(events, shown):
    assert shown_events(np.repeat([1.0, 0.0], [events, 50 - events])) == shown


def test_below_the_minimum_published_rates_move_in_the_large_only():
    Z, Y, _ = simulate(90)
    published = np.random.default_rng(0).normal(0, 1, (90, 3))
    model = fit(Z, Y, published)
    for k, head in enumerate(model.heads):
        assert head.deviation is None
        assert "prior alone" in head.why_not_fitted
        assert head.b == (0, 0, 0)
        shift = sum(head.terms(np.zeros((90, 3)), Z, published[:, k])) - published[:, k]
        np.testing.assert_allclose(shift, head.a)
        # Observed and expected agree, but for the belief that holds the shift near zero.
        fitted_gap = abs(expit(published[:, k] + head.a).mean() - Y[:, k].mean())
        prior_gap = abs(expit(published[:, k]).mean() - Y[:, k].mean())
        assert fitted_gap <= prior_gap
        assert fitted_gap < 0.05


def test_below_the_minimum_without_rates_every_risk_is_the_base_rate():
    Z, Y, published = simulate(50)
    found = risks(fit(Z, Y, published), Z, published)
    expected = (Y.sum(axis=0) + 0.5) / 51
    np.testing.assert_allclose(found.risk, np.tile(expected, (50, 1)))
    np.testing.assert_allclose(found.prior, found.risk)


def test_base_rate_is_the_prior_only_where_no_rate_is_published():
    y = np.repeat([1.0, 0.0], [20, 30])
    alone = choose_prior(y, np.full(50, np.nan))
    assert alone.kind == "base rate"
    assert alone.base_rate == pytest.approx(np.log(20.5 / 30.5))
    np.testing.assert_allclose(alone.log_odds(np.full(3, np.nan)), np.log(20.5 / 30.5))
    published = choose_prior(y, np.linspace(-1, 0, 50))
    assert published.kind == "published"
    assert published.mean == pytest.approx(-0.5)
    assert published.base_rate is None
    np.testing.assert_array_equal(published.log_odds(np.array([0.3])), [0.3])


@pytest.mark.parametrize("events", [0, 50])
def test_one_class_alone_gives_a_finite_base_rate(events):
    prior = choose_prior(np.repeat([1.0, 0.0], [events, 50 - events]), np.full(50, np.nan))
    assert abs(prior.base_rate) == pytest.approx(np.log(50.5 / 0.5))


@pytest.mark.parametrize(("patients", "events"), [(101, 30), (100, 31), (103, 29), (99, 33)])
def test_every_fold_decides_as_the_whole_cohort(patients, events):
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(patients, 2))
    Y = rng.permutation(np.repeat([1.0, 0.0], [events, patients - events]))[:, None]
    outcomes = {"any": NESTED["any"]}
    published = np.full(Y.shape, np.nan)
    whole = fit(Z, Y, published, outcomes).heads[0].deviation is not None
    folds = assign_folds(Y[:, 0].astype(int), 5, 1, 3, None).reshape(-1)
    for fold in range(5):
        rows = folds != fold
        part = fit(Z[rows], Y[rows], published[rows], outcomes, cohort=Y)
        assert (part.heads[0].deviation is not None) == whole


def test_a_fold_without_events_still_gives_risks():
    # Leaving out a centre may leave out all events.
    Z, Y, published = simulate(120)
    model = fit(Z, 0 * Y, published, cohort=Y)
    found = risks(model, Z, published)
    assert (found.risk < 0.01).all()


def test_a_low_minimum_fits_nothing_without_an_event_for_each_inner_fold():
    Z, Y, published = simulate(60, outcomes={"any": NESTED["any"]})
    Y[:] = 0
    Y[0] = 1
    model = fit(Z, Y, published, {"any": NESTED["any"]}, minimum_patients=1, minimum_events=1)
    assert model.heads[0].deviation is None


def test_a_value_missing_where_training_missed_none_gets_what_is_expected():
    # LightGBM alone would take it for 0, which here lies far below all that training saw.
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(500, 3)) + 10
    y = (2 * (Z[:, 0] - 10) + rng.logistic(size=500) > 0).astype(float)[:, None]
    published = np.full((500, 1), np.nan)
    model = fit(Z, y, published, {"any": NESTED["any"]})
    asked = np.array([[np.nan, 10, 10], [10, 10, 10], [0, 10, 10]])
    unknown, middling, extreme = risks(model, asked, published[:3]).risk[:, 0]
    assert unknown == pytest.approx(middling, abs=0.05)
    assert extreme < 0.3 < unknown


def test_patients_of_whom_rates_are_unknown_get_no_risk(artifact, cohort):
    values = values_of(cohort.head(3).assign(therapy=["aspirin", None, "Tecartus"]), artifact.plan)
    found = predict(artifact, values)
    assert np.isnan(found.risk[:2]).all()
    assert np.isnan(found.low[:2]).all()
    assert np.isfinite(found.risk[2]).all()


def test_no_patients_give_no_risks(artifact, cohort):
    found = predict_with_reasons(artifact, values_of(cohort.head(0), artifact.plan))
    assert found.risks.risk.shape == (0, 3)
    assert found.contributions.shape[0] == 0


def test_synthetic_risks_are_coherent_for_every_row(artifact, cohort):
    assert_coherent(predict(artifact, values_of(cohort, artifact.plan)), [0, 1, 2])


def test_same_data_and_seed_give_the_same_bytes(artifact, cohort, configure, train, tmp_path):
    again = train(cohort.copy(), configure(model={"minimum_events": 60}))
    other = train(cohort, configure(model={"minimum_events": 60}, seed=1))
    folders = [tmp_path / name for name in ("first", "again", "other")]
    for folder, model in zip(folders, (artifact, again, other), strict=True):
        folder.mkdir()
        write_artifact(model, folder)
    first, same, different = (
        {file.name: file.read_bytes() for file in folder.iterdir()} for folder in folders
    )
    assert first == same
    assert first.keys() == different.keys()
    assert first != different


@pytest.mark.slow
def test_a_small_cohort_never_puts_the_model_far_behind_its_prior(configure, draw, train):
    # Expected log-loss on new patients by their true risk, the default procedure on 120
    # patients, over four cohorts. The prior alone is some 0.03 behind the truth.
    regrets = []
    for seed in range(4):
        settings = Model(minimum_events=20).model_dump()
        config = configure(predictors={}, model=settings)
        model = train(draw(config, 120, seed)[0], config)
        assert any(head.deviation for head in model.model.heads)
        asked, truth = draw(config, 1500, seed + 500)
        values = values_of(asked, model.plan)
        published, _ = prior_log_odds(values, model.plan)
        found = logit(predict(model, values).risk)
        loss = np.logaddexp(0, found) - truth * found
        alone = np.logaddexp(0, published) - truth * published
        regrets.append(np.nanmean(loss - alone, axis=0))
    assert (np.mean(regrets, axis=0) < 0.01).all(), np.mean(regrets, axis=0)


def test_with_many_patients_the_model_is_well_ahead_of_its_prior():
    Z, Y, published = simulate(1500)
    rates = np.tile(logit(Y.mean(axis=0)), (1500, 1))
    new, observed, _ = simulate(3000, seed=1)
    model = fit(Z, Y, rates)
    found = risks(model, new, np.tile(rates[:1], (3000, 1)))

    def loss(log_odds):
        return (np.logaddexp(0, log_odds) - observed * log_odds).mean(axis=0)

    assert (loss(logit(found.risk)) < loss(rates[:1]) - 0.05).all()
    assert np.isnan(published).all()


@pytest.mark.parametrize("shift", [-1.0, 1.0])
def test_a_cohort_s_own_level_is_kept_where_published_rates_are_far_from_it(shift):
    Z, Y, _ = simulate(800, seed=3)
    published = np.broadcast_to(logit(Y.mean(axis=0)) - shift, Y.shape)
    model = fit(Z, Y, published)
    # What the intercept's belief, of standard deviation 1, may take from 160 or more events.
    assert risks(model, Z, published).risk.mean(axis=0) == pytest.approx(Y.mean(axis=0), abs=0.02)
    new, observed, _ = simulate(4000, seed=4)
    found = risks(model, new, published[:1].repeat(4000, axis=0)).risk
    assert found.mean(axis=0) == pytest.approx(observed.mean(axis=0), abs=0.05)
