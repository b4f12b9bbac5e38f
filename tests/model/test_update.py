"""An updated head: the formula by hand, exact reasons, wider intervals, and text."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.features.matrix import build_matrix, prior_log_odds, values_of
from pipeline.model.artifact import read_artifact, write_artifact
from pipeline.model.predict import predict_with_reasons
from pipeline.model.update import Update, coefficients

# Grade 3 keeps its head as trained, so that the cap binds for some and not for others.
UPDATES = (
    Update("intercept", 0.4, 1.0, 1.0, ((0.04, 0, 0), (0, 0, 0), (0, 0, 0)), 150),
    Update(
        "reweighted", -0.3, 0.8, 0.5, ((0.05, 0.01, 0), (0.01, 0.02, 0), (0, 0, 0.03)), 150
    ),
    Update(),
)  # fmt: skip


def logit(risk):
    return np.log(risk / (1 - risk))


@pytest.fixture(scope="module")
def updated(artifact):
    heads = [replace(h, update=u) for h, u in zip(artifact.model.heads, UPDATES, strict=True)]
    return replace(artifact, model=replace(artifact.model, heads=tuple(heads)))


def test_log_odds_are_the_formula(artifact, updated, cohort):
    values = values_of(cohort, artifact.plan)
    Z, published = build_matrix(values, artifact.plan), prior_log_odds(values, artifact.plan)[0]
    rate, deviation = artifact.model.terms(Z, published)
    expected = 1 / (1 + np.exp(-(-0.3 + 0.8 * rate[:, 1] + 0.5 * deviation[:, 1])))
    found = predict_with_reasons(updated, values).risks
    free = found.bound_by[:, 1] == 1
    assert free.any()
    np.testing.assert_allclose(found.risk[free, 1], expected[free], rtol=1e-12)


def test_reasons_add_up_exactly(updated, cohort):
    found = predict_with_reasons(updated, values_of(cohort, updated.plan))
    total = found.base + found.contributions.sum(axis=1)
    np.testing.assert_allclose(total, logit(found.risks.risk), atol=1e-9)


def test_grades_stay_nested(updated, cohort):
    risk = predict_with_reasons(updated, values_of(cohort, updated.plan)).risks.risk
    assert (np.diff(risk, axis=1) <= 0).all()


def test_the_interval_holds_the_update_s_own_variance(artifact, updated, cohort):
    values = values_of(cohort, artifact.plan)
    before, after = (predict_with_reasons(m, values).risks for m in (artifact, updated))
    reach = 1.6448536269514722  # of a 90 % interval

    def sd(risks):
        return (logit(risks.high[:, 0]) - logit(risks.low[:, 0])) / (2 * reach)

    # An intercept alone, with variance 0.04, beside what was there.
    np.testing.assert_allclose(sd(after) ** 2, sd(before) ** 2 + 0.04, rtol=1e-9)


def test_it_reads_back_to_the_same_bits(updated, cohort, tmp_path):
    write_artifact(updated, tmp_path)
    again = read_artifact(tmp_path)
    assert [head.update for head in again.model.heads] == list(UPDATES)
    values = values_of(cohort, updated.plan)
    first, second = (predict_with_reasons(m, values) for m in (updated, again))
    np.testing.assert_array_equal(first.risks.high, second.risks.high)
    np.testing.assert_array_equal(first.contributions, second.contributions)


def test_coefficients_stand_with_the_normal_interval():
    found = coefficients(UPDATES[0], 0.95)
    # 1.96 standard deviations of 0.2; what was not adapted has no interval.
    assert found["alpha"] == pytest.approx({"estimate": 0.4, "low": 0.008, "high": 0.792}, abs=1e-3)
    assert found["rate_weight"] == {"estimate": 1.0, "low": None, "high": None}
