"""Explanations add up, on every kind of head, and say which patient stands where."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from pipeline.explanation.contributions import example_rows, example_table, explain
from pipeline.features.plan import Column
from pipeline.model.head import Head, Prior
from pipeline.model.risk_model import RiskModel


def assert_adds_up(explanations):
    total = explanations.base + explanations.contributions.sum(axis=1)
    logit = np.log(explanations.risk / (1 - explanations.risk))
    np.testing.assert_allclose(total, logit, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", ["explanations", "prior_alone", "without_prior"])
def test_base_and_contributions_are_the_log_odds_of_the_risk(kind, request):
    assert_adds_up(request.getfixturevalue(kind))


def test_tables_add_up_for_who_reads_only_them(explanations):
    parts = explanations.contribution_table()
    risks = explanations.risk_table().set_index(["patient_id", "outcome"])
    total = parts.groupby(["patient_id", "outcome"])["contribution"].sum() + risks["base"]
    logit = np.log(risks["risk"] / (1 - risks["risk"]))
    pd.testing.assert_series_equal(total.sort_index(), logit.sort_index(), check_names=False,
                                   rtol=0, atol=1e-9)  # fmt: skip


def test_the_table_holds_each_patients_own_values(explanations, cohort):
    parts = explanations.contribution_table()
    ge2 = parts[parts["outcome"] == "ge2"]
    for source in ("ldh", "platelets", "bulky"):
        shown = ge2[ge2["source"] == source].set_index("patient_id")["value"]
        expected = cohort.set_index("patient_id")[source]
        pd.testing.assert_series_equal(shown, expected, check_names=False)
    therapy = ge2[ge2["source"] == "therapy_prior"].set_index("patient_id")["level"]
    assert therapy.to_dict() == cohort.set_index("patient_id")["therapy"].to_dict()


def test_where_nothing_was_fitted_only_the_prior_contributes(prior_alone):
    np.testing.assert_allclose(prior_alone.contributions, 0, atol=1e-12)
    assert np.ptp(prior_alone.risk, axis=0) == pytest.approx([0, 0], abs=1e-12)


def test_a_base_rate_contributes_nothing(without_prior):
    np.testing.assert_allclose(without_prior.contributions[:, -1], 0, atol=1e-12)
    assert without_prior.sources[-1].label == "Base rate"
    assert np.ptp(without_prior.risk, axis=0).min() > 0.1


def test_a_sample_is_drawn_once_for_a_seed_and_explained_as_in_the_whole(
    artifact, cohort, explanations
):
    first, again = (explain(artifact, cohort, rows=40, seed=5) for _ in range(2))
    other = explain(artifact, cohort, rows=40, seed=6)
    assert len(set(first.patients)) == 40
    assert list(first.patients) == list(again.patients) != list(other.patients)
    risk_of = dict(zip(explanations.patients, explanations.risk[:, 1], strict=True))
    assert [risk_of[p] for p in first.patients] == pytest.approx(first.risk[:, 1], abs=1e-12)


def test_examples_stand_at_their_percentiles(explanations):
    rows = example_rows(explanations, "ge2")
    risk = explanations.risk[:, 1]
    for name, percentile in {"low": 5, "middle": 50, "high": 95}.items():
        assert np.mean(risk < risk[rows[name]]) == pytest.approx(percentile / 100, abs=0.01)
    table = example_table(explanations, "ge2", rows)
    assert table["risk"].is_monotonic_increasing
    assert set(table["patient_id"]) <= set(explanations.patients)


@dataclass(frozen=True)
class Straight:
    """A deviation that is a sum by hand: weights on columns less their means."""

    weights: tuple
    means: tuple

    def margins(self, Z, filled):
        return np.tile(((Z - np.array(self.means)) @ np.array(self.weights))[:, None], 3)

    def contributions(self, Z, filled, weights):
        return sum(weights) * (Z - np.array(self.means)) * np.array(self.weights)


class Certain:
    """A posterior without spread: intervals are not what is tested here."""

    def sd(self, filled):
        return np.zeros(len(filled))


def head(outcome, deviation, a, b):
    prior = Prior("base rate", base_rate=0.0, mean=0.0)
    return Head(outcome, prior, deviation, a, b, Certain(), patients=100, events=50)


def test_two_variables_by_hand(artifact, cohort):
    # Age, and bridging as two coded columns.
    #   f_any = 0.04 (age - 60) + 0.8 ([none] - 1/2) - 0.4 ([response] - 1/2)
    #   f_ge2 = 0.40 (age - 60) + 0.8 ([none] - 1/2) - 0.4 ([response] - 1/2)
    #   any = -0.9 + 0.5 f_any        ge2 = -3 + 0.5 f_ge2, capped by any
    plan = artifact.plan.model_copy(
        update={
            "columns": [
                Column(name="age", source="age"),
                Column(name="bridging=none", source="bridging", level="none"),
                Column(name="bridging=response", source="bridging", level="response"),
            ],
            "scores": [],
            "therapy": None,
            "facts": None,
        }
    )
    heads = (
        head("any", Straight((0.04, 0.8, -0.4), (60, 0.5, 0.5)), -0.9, (0.1, 0.2, 0.2)),
        head("ge2", Straight((0.40, 0.8, -0.4), (60, 0.5, 0.5)), -3.0, (0.2, 0.2, 0.1)),
    )
    model = replace(artifact.model, heads=heads, capped_by=(None, 0))
    patients = cohort.head(2).assign(age=[50.0, 76.0], bridging=["response", "none"])

    found = explain(replace(artifact, plan=plan, model=model), patients, rows=10, seed=1)

    assert [source.name for source in found.sources] == ["age", "bridging", "therapy_prior"]
    # any at 50 years after response: age 0.5 * 0.04 * -10 = -0.2; bridging
    # 0.5 (0.8 * -1/2 - 0.4 * 1/2) = -0.3; sum -0.9 - 0.5 = -1.4.
    assert found.contributions[0, :, 0] == pytest.approx([-0.2, -0.3, 0])
    assert found.log_odds[0, 0] == pytest.approx(-1.4)
    # ge2: age 0.5 * 0.4 * -10 = -2; bridging -0.3; sum -3 - 2.3 = -5.3.
    assert found.contributions[0, :, 1] == pytest.approx([-2, -0.3, 0])
    assert found.log_odds[0, 1] == pytest.approx(-5.3)
    # At 76 years without bridging: any -0.9 + 0.32 + 0.3 = -0.28; ge2's own head would say
    # -3 + 0.3 + 3.2 = 0.5 and is capped: any's base and reasons stand for both.
    assert found.log_odds[1] == pytest.approx([-0.28, -0.28])
    assert found.base[1] == pytest.approx([-0.9, -0.9])
    assert found.contributions[1, :, 1] == pytest.approx([0.32, 0.3, 0])
    assert found.risk_table()["explained_by"].tolist() == ["any", "ge2", "any", "any"]


def test_reasons_that_do_not_add_up_are_refused(artifact, cohort, monkeypatch):
    honest = RiskModel.contributions

    def off(self, *arguments):
        base, parts = honest(self, *arguments)
        return base + 1e-8, parts

    monkeypatch.setattr(RiskModel, "contributions", off)
    with pytest.raises(ArithmeticError, match=r"do not add up .* for 800 of 800 risks"):
        explain(artifact, cohort, rows=1000, seed=1)
