"""The learning curve falls where there is more to learn, and says where it flattens."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pipeline.cohort import sample_size
from pipeline.cohort.dictionary import Dictionary
from pipeline.config import Audit, Evaluation, Learning, Model
from pipeline.evaluation import learning_curve
from pipeline.evaluation.bootstrap import expanded_level, summary
from pipeline.evaluation.clusters import bootstrap_clusters
from pipeline.evaluation.learning_curve import judge_learning, sentence, training_sizes
from pipeline.evaluation.learning_subsets import nested_subsets, training_rows
from pipeline.evaluation.oof import oof_frame
from pipeline.evaluation.resampling import assign_folds
from pipeline.stages import modelling
from tests.evaluation.toy_procedure import OUTCOMES, Toy, patients_of

EVALUATION = Evaluation(processes=1, bootstrap=200)


def judge(n, columns=20, seed=0, evaluation=EVALUATION, groups=None, **settings):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, columns))
    margin = X @ rng.normal(0, 1.2 / np.sqrt(columns), columns)
    observed = (rng.random(n) < 1 / (1 + np.exp(-margin))).astype(float)
    procedure = Toy(patients_of(observed, X), sd=3.0)
    folds = assign_folds(observed, 5, 2, seed)
    full = np.full((2, n, 1), np.nan)
    for r, row in enumerate(folds):
        for fold in range(5):
            test = np.flatnonzero(row == fold)
            full[r, test] = procedure(np.flatnonzero(row != fold), test, 0)["model"]
    procedure.calls.clear()
    found = judge_learning(
        procedure, folds, full, groups, columns, Learning(**settings), evaluation, Audit(), seed,
        lambda *told: None,
    )  # fmt: skip
    json.dumps(found, allow_nan=False)
    return found, procedure.calls, folds


@pytest.fixture(scope="module")
def curve():
    return judge(2000, repeats=2)


def test_sizes_halve_down_to_what_a_fit_needs():
    folds = assign_folds(np.zeros(1000), 5, 1, 0)
    assert training_sizes(folds, fewest=100, most=5) == [100, 200, 400, 800]
    assert training_sizes(folds, fewest=100, most=2) == [400, 800]
    assert training_sizes(folds, fewest=500, most=5) == [800]


def test_more_patients_lower_the_log_loss_and_raise_the_auroc(curve):
    points = curve[0]["outcomes"]["event"]["points"]
    losses = [p["log_loss"]["estimate"] for p in points]
    assert [p["n"] for p in points] == [100, 200, 400, 800, 1600]
    assert losses == sorted(losses, reverse=True)
    assert points[-1]["auroc"]["estimate"] > points[0]["auroc"]["estimate"] + 0.03
    assert all(p["log_loss"]["low"] < p["log_loss"]["estimate"] < p["log_loss"]["high"]
               for p in points)  # fmt: skip


def test_the_gain_of_a_doubling_is_what_theory_expects(curve):
    """The expected excess log-loss of a logistic regression is about p / 2n."""
    last = curve[0]["outcomes"]["event"]["last_doubling"]
    expected = 21 / 2 * (1 / 800 - 1 / 1600)
    assert last["log_loss"]["low"] < expected < last["log_loss"]["high"]
    assert last["log_loss"]["estimate"] == pytest.approx(expected, abs=0.004)
    following = curve[0]["outcomes"]["event"]["law"]["next_doubling"]
    assert following["estimate"] == pytest.approx(expected / 2, abs=0.003)


def test_subsets_nest_and_hold_no_patient_who_is_judged(curve):
    _, calls, _ = curve
    assert len(calls) == 2 * 5 * 4
    largest = {tuple(test): set(train) for train, test, *_ in calls if len(train) == 800}
    for train, test, _, decide_by_cohort in calls:
        assert not set(train) & set(test)
        assert set(train) <= largest[tuple(test)]
        assert not decide_by_cohort


def test_persons_are_drawn_with_all_their_rows():
    rng = np.random.default_rng(0)
    who = rng.permutation(np.repeat(np.arange(250), 4))
    folds = assign_folds(np.zeros(1000), 5, 1, 0, who)
    drawn = nested_subsets(folds, [102, 400], 1, 3, who)
    assert len(drawn) == 10
    for name, split in drawn.items():
        assert len(split.train) == (100 if name.startswith("102") else 400)
        assert (np.unique(who[split.train], return_counts=True)[1] == 4).all()
        larger = drawn[name.replace("102", "400", 1)]
        assert set(split.train) <= set(larger.train)
    rows = training_rows(drawn, folds, [102, 400, 800])
    assert [len(parts) for parts in rows] == [5, 5, 5]


def test_persons_of_one_row_each_change_no_draw():
    folds = assign_folds(np.zeros(300), 5, 1, 0)
    plain = nested_subsets(folds, [60, 120], 2, 3)
    known = nested_subsets(folds, [60, 120], 2, 3, np.arange(300)[::-1])
    assert list(plain) == list(known)
    for name, split in plain.items():
        np.testing.assert_array_equal(split.train, known[name].train)
        assert split.seed == known[name].seed


def test_few_sites_are_resampled_at_the_level_that_covers(monkeypatch):
    """Percentiles of 6 sites fall short of 95 %: the evaluation's expanded level is due."""
    levels = set()

    def remembered(values, level, *rest):
        levels.add(level)
        return summary(values, level, *rest)

    monkeypatch.setattr(learning_curve, "summary", remembered)
    judge(600, columns=3, groups=np.arange(600) % 6)
    assert levels == {expanded_level(0.95, 6)}


def test_sites_that_are_missing_are_one_and_the_evaluation_s_clusters_are_drawn(
    tmp_path, monkeypatch
):
    n = 120
    cohort = pd.DataFrame(
        {"row": [f"r{k}" for k in range(n)], "event": np.arange(n) % 2,
         "centre": [None if k % 7 == 6 else f"c{k % 7}" for k in range(n)]}
    )  # fmt: skip
    dictionary = Dictionary.from_json(
        [
            {"name": "row", "label": "Row", "role": "id", "timing": "baseline", "kind": "text"},
            {"name": "centre", "label": "Centre", "role": "site", "timing": "baseline",
             "kind": "categorical"},
        ]
    )  # fmt: skip
    config = SimpleNamespace(
        evaluation=Evaluation(group="centre", processes=1, bootstrap=100), outcomes=OUTCOMES,
        primary_outcome="event", learning=Learning(), audit=Audit(), seed=1, predictors=None,
    )  # fmt: skip
    procedure = Toy(
        patients_of(cohort["event"].to_numpy(float), np.random.default_rng(0).normal(size=(n, 2))),
        Model(minimum_patients=40),
    )
    folds = assign_folds(cohort["event"], 3, 1, 0)
    (tmp_path / "evaluate").mkdir()
    oof_frame(
        cohort["row"].to_numpy(), folds, {"event": procedure.patients.Y[:, 0]},
        {"model": np.full((1, n, 1), 0.5)},
    ).to_parquet(tmp_path / "evaluate" / "oof.parquet")  # fmt: skip
    for name, value in (("cohort_of", cohort), ("dictionary_of", dictionary)):
        monkeypatch.setattr(modelling, name, lambda job, value=value: value)
    monkeypatch.setattr(modelling, "plan_of", lambda job: SimpleNamespace(therapy=None))
    monkeypatch.setattr(modelling, "_procedure", lambda *data: procedure)
    monkeypatch.setattr(sample_size, "candidate_variables", lambda *of: [])
    monkeypatch.setattr(sample_size, "candidate_parameters", lambda *of: 2)
    job = SimpleNamespace(
        config=config, run=tmp_path, out=tmp_path, scratch=None, progress=lambda *told: None
    )
    assert "from 40 to 80 patients" in modelling.learning(job)
    found = json.loads((tmp_path / "learning_curve.json").read_text())
    _, words = bootstrap_clusters(cohort, dictionary, config.evaluation)
    assert found["definition"]["clusters"] == words
    assert "whole sites are resampled (7" in words


def test_fewer_repeats_are_fewer_fits():
    assert len(judge(600, columns=3, repeats=1)[1]) == 5 * 2


def test_a_cohort_too_small_to_halve_has_a_reason_and_rileys_minimum():
    found, calls, _ = judge(60, columns=3)
    part = found["outcomes"]["event"]
    assert "fewer than the 100 that a fit needs" in part["reason"]
    assert not part["riley"]["met"]
    assert calls == []


def test_too_few_sizes_give_no_law(curve):
    found, *_ = judge(600, columns=3)
    part = found["outcomes"]["event"]
    assert [p["n"] for p in part["points"]] == [120, 240, 480]
    assert "are needed, found 3" in part["law"]["reason"]
    assert "not estimated" in part["sentence"]


def test_an_outcome_of_few_events_shows_nothing():
    rng = np.random.default_rng(0)
    observed = np.zeros(300)
    observed[:7] = 1
    procedure = Toy(patients_of(observed, rng.normal(size=(300, 2))))
    folds = assign_folds(observed, 5, 1, 0)
    found = judge_learning(
        procedure, folds, np.full((1, 300, 1), 0.02), None, 2, Learning(), EVALUATION, Audit(), 0,
        lambda *told: None,
    )  # fmt: skip
    part = found["outcomes"]["event"]
    assert part["events"] is None
    assert part["riley"] is None
    assert "7" not in json.dumps(part)


def figure(estimate, low, high):
    return {"estimate": estimate, "low": low, "high": high}


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (300, 900, "less than 0.005 from about 500 patients on (at most 900)"),
        (1700, 9000, "has not flattened within the data"),
        (300, 5000, "Whether the curve has flattened is uncertain"),
    ],
)
def test_the_sentence_follows_the_interval(low, high, said):
    curve = {
        "last_doubling": {"from": 800, "to": 1600, "log_loss": figure(0.004, 0.002, 0.006)},
        "law": {"flat_from": figure(500, low, high), "next_doubling": figure(0.002, 0, 0.004),
                "smallest": 100},
    }  # fmt: skip
    assert said in sentence(curve, 0.005)
