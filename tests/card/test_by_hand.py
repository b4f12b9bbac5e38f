from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.card.by_hand import formulas
from pipeline.model.linear import Basis, LinearLearner
from pipeline.model.update import Update

KNOTS = [1.0, 2.0, 4.0, 7.0]


def learner(rng: np.random.Generator, knots: list[list[float]]) -> LinearLearner:
    terms = sum(1 + max(len(k) - 2, 0) for k in knots)
    scale = rng.uniform(0.5, 2, terms)
    scale[0] = np.inf  # a term without variation
    basis = Basis(knots, rng.normal(size=terms), scale)
    return LinearLearner(basis, rng.normal(size=terms), 1.0)


@pytest.fixture
def artifact() -> SimpleNamespace:
    """Two outcomes with one deviation, on a constant, a curved and a straight column."""
    rng = np.random.default_rng(5)
    deviation = SimpleNamespace(
        trees=SimpleNamespace(base=0.7),
        ridge=learner(rng, [[], KNOTS, []]),
        elastic_net=learner(rng, [[], [], []]),
    )
    heads = [
        SimpleNamespace(
            outcome=outcome,
            a=0.25,
            b=b,
            deviation=deviation,
            therapy_effects=(0.0, 0.0, -0.4),
            modality_effects=(0.0, 0.0, 0.2),
            update=Update(),
        )
        for outcome, b in (("any", (0.3, 0.8, 0.1)), ("ge2", (0.2, 0.3, 0.6)))
    ]
    columns = [SimpleNamespace(name=name) for name in ("flat", "ldh", "therapy=x")]
    return SimpleNamespace(
        model=SimpleNamespace(heads=tuple(heads)), plan=SimpleNamespace(columns=columns)
    )


def curved(x: float, part: int, t: list[float]) -> float:
    """Harrell's basis of a restricted cubic spline, written out for one value."""

    def cube(u: float) -> float:
        return max(u, 0.0) ** 3

    first = t[part - 1]
    value = (
        cube(x - first)
        - cube(x - t[-2]) * (t[-1] - first) / (t[-1] - t[-2])
        + cube(x - t[-1]) * (t[-2] - first) / (t[-1] - t[-2])
    )
    return value / (t[-1] - t[0]) ** 2


def test_the_sum_by_hand_is_the_model_s(artifact):
    rng = np.random.default_rng(6)
    heads = artifact.model.heads
    for row in rng.uniform(0, 8, (20, 3)):
        values = dict(zip(("flat", "ldh", "therapy=x"), row, strict=True))
        for head, formula in zip(heads, formulas(artifact), strict=True):
            total = formula["centre"] + formula["trees"]["trees_any_ge2.txt"] * 0.9
            for term in formula["terms"]:
                x = values[term["column"]]
                plain = x if term["part"] == 0 else curved(x, term["part"], term["knots"])
                total += term["slope"] * plain
            total *= 1 + (formula["follows"]["therapy=x"] - 1) * row[2]
            total += formula["constant"]
            parts = [
                0.9 - 0.7,
                head.deviation.ridge.margin(row[None])[0],
                head.deviation.elastic_net.margin(row[None])[0],
            ]
            expected = head.a + (1 + 0.2 * row[2]) * np.dot(head.b, parts)
            assert total == pytest.approx(expected, abs=1e-10)


def test_trees_and_therapy_effects_are_named_with_their_weights(artifact):
    first, second = formulas(artifact)
    assert first["trees"] == {"trees_any_ge2.txt": 0.3}
    assert second["trees"] == {"trees_any_ge2.txt": 0.2}
    assert second["therapy_effects"] == {"therapy=x": -0.4}
    assert second["follows"] == {"therapy=x": 1.2}
    assert all(term["column"] != "flat" for term in second["terms"])


def test_an_update_scales_what_the_sum_is_made_of(artifact):
    plain = formulas(artifact)[1]
    artifact.model.heads[1].update = Update("reweighted", -0.5, 0.75, 0.5)
    updated = formulas(artifact)[1]
    assert updated["constant"] == pytest.approx(-0.5 + 0.75 * 0.25)
    assert updated["centre"] == pytest.approx(0.5 * plain["centre"])
    assert updated["rate_weight"] == 0.75
    assert updated["therapy_effects"] == {"therapy=x": -0.4 * 0.75}
    for after, before in zip(updated["terms"], plain["terms"], strict=True):
        assert after["slope"] == pytest.approx(0.5 * before["slope"])
    assert updated["trees"]["trees_any_ge2.txt"] == pytest.approx(0.1)


def test_a_prior_alone_is_its_constant(artifact):
    for head in artifact.model.heads:
        head.deviation, head.b = None, (0.0, 0.0, 0.0)
        head.therapy_effects = head.modality_effects = ()
    assert formulas(artifact)[0] == {
        "outcome": "any", "constant": 0.25, "centre": 0.0, "terms": [], "trees": {},
        "follows": {}, "therapy_effects": {}, "rate_weight": 1.0,
    }  # fmt: skip
