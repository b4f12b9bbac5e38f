import dcurves
import numpy as np
import pandas as pd
import pytest

from pipeline.evaluation.classification import classification_figures, count_alerts
from pipeline.evaluation.utility import net_benefit, net_benefit_of_all


@pytest.fixture
def cohort():
    rng = np.random.default_rng(12)
    risk = rng.beta(2, 4, size=1000)
    return (rng.random(1000) < risk).astype(float), risk[None, :]


def test_net_benefit_by_hand():
    # 4 patients, threshold 0.2 (odds 1/4): 2 true and 1 false positive: (2 - 1/4) / 4.
    observed, risks = np.array([1, 1, 0, 0.0]), np.array([[0.9, 0.2, 0.3, 0.1]])
    thresholds = np.array([0.2])
    alerts = count_alerts(observed, risks, thresholds, np.ones((1, 4)))
    assert net_benefit(alerts, thresholds)[0, 0] == pytest.approx(1.75 / 4)
    assert net_benefit_of_all(alerts, thresholds)[0, 0] == pytest.approx((2 - 2 / 4) / 4)


def test_acting_on_all_breaks_even_at_the_prevalence(cohort):
    observed, risks = cohort
    thresholds = np.array([observed.mean()])
    alerts = count_alerts(observed, risks, thresholds, np.ones((1, 1000)))
    assert net_benefit_of_all(alerts, thresholds)[0, 0] == pytest.approx(0, abs=1e-12)


def test_below_every_risk_the_model_acts_on_all(cohort):
    observed, risks = cohort
    thresholds = np.array([risks.min() / 2])
    alerts = count_alerts(observed, risks, thresholds, np.ones((1, 1000)))
    assert net_benefit(alerts, thresholds) == pytest.approx(net_benefit_of_all(alerts, thresholds))


def test_calibrated_risks_never_lose_to_acting_on_all_or_none():
    # With the true risk as a share of events, the best rule is to act above the threshold.
    risk = np.linspace(0.01, 0.9, 500)
    thresholds = np.linspace(0.05, 0.8, 16)
    counts = np.random.default_rng(0).binomial(1000, risk)
    observed = np.concatenate([np.ones(500), np.zeros(500)])
    weights = np.concatenate([counts, 1000 - counts])[None, :].astype(float)
    alerts = count_alerts(observed, np.tile(risk, 2)[None, :], thresholds, weights)
    best = np.maximum(net_benefit_of_all(alerts, thresholds), 0)
    assert (net_benefit(alerts, thresholds) >= best - 1e-4).all()


def test_net_benefit_and_alerts_are_those_of_dcurves(cohort):
    observed, risks = cohort
    thresholds = np.arange(1, 61) / 100
    alerts = count_alerts(observed, risks, thresholds, np.ones((1, 1000)))
    table = dcurves.dca(
        data=pd.DataFrame({"risk": risks[0], "event": observed.astype(int)}),
        outcome="event",
        modelnames=["risk"],
        thresholds=thresholds,
    )
    by_model = {name: part.sort_values("threshold") for name, part in table.groupby("model")}
    assert net_benefit(alerts, thresholds)[0] == pytest.approx(by_model["risk"]["net_benefit"])
    assert net_benefit_of_all(alerts, thresholds)[0] == pytest.approx(
        by_model["all"]["net_benefit"]
    )
    assert classification_figures(alerts)["alerts_per_100"][0] == pytest.approx(
        100 * by_model["risk"]["test_pos_rate"]
    )
