"""The fast path against the plain one: the matrix to the bit, risks and reasons to 1e-12."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.features.encoder import Encoder
from pipeline.features.matrix import build_matrix, prior_log_odds, values_of
from pipeline.model.predict import predict_with_reasons
from pipeline.model.update import Update
from pipeline.serving.compiled import Compiled
from pipeline.serving.frames import inputs_of_frame


@pytest.fixture(scope="module")
def gaps(cohort):
    """The cohort with further gaps, brands for names and levels that nobody saw."""
    rng = np.random.default_rng(7)
    holed = cohort.astype(object).where(rng.random(cohort.shape) > 0.3, None)
    holed["therapy"] = cohort["therapy"]
    holed.loc[holed.index[:20], "therapy"] = "Yescarta"
    holed.loc[holed.index[20:30], "sex"] = "unheard of"
    holed.loc[holed.index[30:40], "disease"] = "another"
    holed.loc[holed.index[40:50], "therapy"] = "cilta-cel"
    return holed.infer_objects()


@pytest.fixture(scope="module", params=["cohort", "gaps"])
def both(request, scorer, cohort):
    frame, artifact = request.getfixturevalue(request.param), scorer.artifact
    encoder = Encoder(artifact.plan)
    inputs = inputs_of_frame(frame, artifact.dictionary, encoder)
    arms = encoder.arms(inputs)
    return artifact, values_of(frame, artifact.plan), (encoder.matrix(inputs, arms), arms)


def test_the_matrix_is_the_same_to_the_bit(both):
    artifact, values, encoded = both
    np.testing.assert_array_equal(encoded[0], build_matrix(values, artifact.plan))


def test_the_prior_is_the_same(both):
    artifact, values, (_, arms) = both
    published, sd = prior_log_odds(values, artifact.plan)
    np.testing.assert_array_equal(np.array([a.published for a in arms.each])[arms.of], published)
    np.testing.assert_array_equal(np.array([a.sd for a in arms.each])[arms.of], sd)


# By a site's patients: one head re-weighted, the others as trained.
REWEIGHTED = Update(
    "reweighted", -0.3, 0.8, 0.5, ((0.05, 0.01, 0), (0.01, 0.02, 0), (0, 0, 0.03)), 150
)
updates = pytest.mark.parametrize(
    "update", [Update(), REWEIGHTED], ids=["as trained", "recalibrated"]
)


def updated(artifact, update):
    first, *others = artifact.model.heads
    heads = (replace(first, update=update), *others)
    return replace(artifact, model=replace(artifact.model, heads=heads))


@updates
def test_risks_and_reasons_are_the_same(both, update):
    artifact, values, encoded = both
    artifact = updated(artifact, update)
    expected = predict_with_reasons(artifact, values)
    risks, base, parts = Compiled(artifact).predict(*encoded, reasons=True)
    for name in ("risk", "low", "high", "prior"):
        np.testing.assert_allclose(
            getattr(risks, name), getattr(expected.risks, name), rtol=0, atol=1e-12
        )
    np.testing.assert_array_equal(risks.bound_by, expected.risks.bound_by)
    np.testing.assert_allclose(base, expected.base, rtol=0, atol=1e-12)
    np.testing.assert_allclose(parts, expected.contributions, rtol=0, atol=1e-12)


@updates
def test_reasons_add_up_to_the_risks_log_odds(both, update):
    artifact, _, encoded = both
    risks, base, parts = Compiled(updated(artifact, update)).predict(*encoded, reasons=True)
    log_odds = np.log(risks.risk / (1 - risks.risk))
    np.testing.assert_allclose(base + parts.sum(axis=1), log_odds, rtol=0, atol=1e-9)
