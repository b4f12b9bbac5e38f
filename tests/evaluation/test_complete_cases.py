import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import log_loss

from pipeline.config import Evaluation
from pipeline.evaluation.comparators import PublishedScore
from pipeline.evaluation.complete_cases import complete_cases
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.oof import oof_frame

SETTINGS = Evaluation(bootstrap=200, processes=1)
N = 800


def made(share, seed=1):
    """A score as good as the model, and the base rate for those who lack it."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"p{k:04d}" for k in range(N)])
    values = rng.normal(size=N)
    observed = (rng.random(N) < expit(values)).astype(int)
    lacks = np.arange(N) < share * N
    model = expit(values)
    easix = np.where(lacks, observed.mean(), model)
    folds = rng.permutation(N)[None, :] % 5
    risks = {"model": model[None, :, None], "easix": easix[None, :, None]}
    frame = oof_frame(ids, folds, {"ge2": observed}, risks)
    score = PublishedScore("easix", "EASIX", ("ldh",), np.where(lacks, np.nan, values))
    return frame, ids, score, lacks


def test_a_score_that_many_lack_is_judged_where_it_is_known():
    frame, ids, score, lacks = made(0.3)
    found = complete_cases(frame, [score], ids, None, None, SETTINGS, 3)["easix"]["ge2"]
    assert found["n"] == (~lacks).sum() == 560
    # The same risks: no difference where it is known, though there is one among all patients.
    for end in ("estimate", "low", "high"):
        assert found["differences"]["log_loss"][end] == 0
    overall = evaluate(frame, None, None, SETTINGS, 3)["outcomes"]["ge2"]["differences"]["easix"]
    assert overall["log_loss"]["high"] < 0
    assert found["differences"]["auroc_within_therapy"]["reason"] == "no therapy is recorded"


def test_the_difference_is_scikit_learns_on_these_patients():
    frame, ids, score, lacks = made(0.3)
    frame["easix"] = 0.4
    found = complete_cases(frame, [score], ids, None, None, SETTINGS, 3)["easix"]["ge2"]
    known = frame[frame["patient_id"].isin(ids[~lacks])]
    expected = log_loss(known["observed"], known["model"]) - log_loss(
        known["observed"], known["easix"]
    )
    figure = found["differences"]["log_loss"]
    assert figure["estimate"] == pytest.approx(expected, abs=1e-12)
    assert figure["low"] < expected < figure["high"]
    # A constant ranks nobody.
    assert found["differences"]["auroc"]["reason"] == "risks are constant within folds"


def test_few_patients_without_a_score_are_not_to_be_worked_out():
    frame, ids, score, _ = made(0.01)
    found = complete_cases(frame, [score], ids, None, None, SETTINGS, 3)["easix"]["ge2"]
    assert found == {"reason": "fewer than 10 patients in a cell"}


def test_a_score_that_all_have_has_no_second_comparison():
    frame, ids, score, _ = made(0)
    assert complete_cases(frame, [score], ids, None, None, SETTINGS, 3) == {}


def test_sites_are_drawn_whole_as_among_all_patients():
    frame, ids, score, _ = made(0.3)
    frame["easix"] = 0.4
    site = np.arange(N) % 6
    alone = complete_cases(frame, [score], ids, None, None, SETTINGS, 3)
    whole = complete_cases(frame, [score], ids, None, site, SETTINGS, 3)
    ends = [found["easix"]["ge2"]["differences"]["log_loss"] for found in (alone, whole)]
    assert ends[0]["estimate"] == pytest.approx(ends[1]["estimate"], abs=1e-12)
    assert ends[0]["low"] != ends[1]["low"]
