import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss

from pipeline.config import Evaluation
from pipeline.evaluation.evaluate import evaluate
from tests.evaluation.marked import SETTINGS, cohort
from tests.evaluation.reference import auroc_of_folds


@pytest.fixture(scope="module")
def judged():
    frame, therapy, truth = cohort()
    return frame, evaluate(frame, therapy, None, SETTINGS, seed=3, truth=truth)


def numbers(content):
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        return [x for part in content for x in numbers(part)]
    return [content] if isinstance(content, int | float) and not isinstance(content, bool) else []


def test_every_figure_is_the_mean_over_repeats_of_scikit_learns(judged):
    frame, found = judged
    functions = {
        "auprc": average_precision_score,
        "brier": brier_score_loss,
        "log_loss": log_loss,
    }
    for outcome, figures in found["outcomes"].items():
        for model in ("model", "therapy_only"):
            for name, function in functions.items():
                rows = frame[frame["outcome"] == outcome]
                expected = np.mean(
                    [function(r["observed"], r[model]) for _, r in rows.groupby("repeat")]
                )
                figure = figures["models"][model][name]
                assert figure["estimate"] == pytest.approx(expected, abs=1e-12)
                assert figure["low"] < figure["estimate"] < figure["high"]
            expected = np.mean([auroc_of_folds(r, model) for _, r in rows.groupby("repeat")])
            ranking = figures["models"][model]["auroc"]
            assert ranking["estimate"] == pytest.approx(expected, abs=1e-12)


def test_risks_of_a_patient_are_not_averaged_over_repeats(judged):
    frame, found = judged
    rows = frame[frame["outcome"] == "ge2"]
    ensemble = rows.groupby("patient_id")[["observed", "model"]].mean()
    flattered = log_loss(ensemble["observed"], ensemble["model"])
    assert found["outcomes"]["ge2"]["models"]["model"]["log_loss"]["estimate"] > flattered


def test_paired_differences_are_narrower_than_the_figures_themselves(judged):
    _, found = judged
    figures = found["outcomes"]["ge2"]
    difference = figures["differences"]["therapy_only"]["log_loss"]
    model, other = (figures["models"][m]["log_loss"] for m in ("model", "therapy_only"))
    assert difference["estimate"] == pytest.approx(model["estimate"] - other["estimate"])
    assert difference["high"] < 0
    assert difference["high"] - difference["low"] < model["high"] - model["low"]


def test_it_is_json_without_nan_and_counts_are_right(judged):
    frame, found = judged
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text) == found
    rows = frame[(frame["outcome"] == "any") & (frame["repeat"] == 0)]
    assert found["outcomes"]["any"]["n"] == 600
    assert found["outcomes"]["any"]["events"] == rows["observed"].sum()
    assert found["outcomes"]["any"]["prevalence"] == pytest.approx(rows["observed"].mean())
    assert found["definition"]["repeats"] == 2
    assert "5-fold" in found["definition"]["resampling"]


def test_within_therapy_the_marker_counts_and_the_therapy_does_not(judged):
    _, found = judged
    models = found["outcomes"]["ge2"]["models"]
    assert models["model"]["auroc_within_therapy"]["low"] > 0.6
    assert models["therapy_only"]["auroc"]["low"] > 0.55
    assert models["therapy_only"]["auroc_within_therapy"]["estimate"] == pytest.approx(
        0.5, abs=0.05
    )


def test_the_same_seed_gives_the_same_figures_on_one_and_two_processes(judged):
    frame, found = judged
    _, therapy, truth = cohort()
    two = SETTINGS.model_copy(update={"processes": 2})
    assert evaluate(frame, therapy, None, two, seed=3, truth=truth) == found
    other = evaluate(frame, therapy, None, SETTINGS, seed=4, truth=truth)
    assert (
        other["outcomes"]["any"]["models"]["model"]["auroc"]
        != (found["outcomes"]["any"]["models"]["model"]["auroc"])
    )


def test_rows_in_another_order_give_the_same_figures(judged):
    frame, found = judged
    _, therapy, truth = cohort()
    shuffled = frame.sample(frac=1, random_state=5).sort_values("outcome", kind="stable")
    again = evaluate(shuffled, therapy.sample(frac=1), None, SETTINGS, seed=3, truth=truth)
    assert again["outcomes"] == found["outcomes"]


def test_distance_to_the_truth(judged):
    _, found = judged
    truth = found["outcomes"]["ge2"]["truth"]
    assert truth["models"]["model"]["regret"]["estimate"] > 0
    assert (
        truth["models"]["model"]["regret"]["high"]
        < truth["models"]["therapy_only"]["regret"]["low"]
    )
    assert truth["calibration"]["calibration_slope"]["estimate"] == pytest.approx(1.0, abs=0.1)
    assert truth["interval"] is None
    frame, therapy, known = cohort()
    wide = frame.assign(low=0.0, high=1.0)
    again = evaluate(wide, therapy, None, SETTINGS, seed=3, truth=known)
    assert again["outcomes"]["ge2"]["truth"]["interval"]["coverage"]["estimate"] == 1
    assert evaluate(frame, therapy, None, SETTINGS, seed=3)["outcomes"]["ge2"]["truth"] is None


def test_a_threshold_with_a_small_cell_shows_nothing(judged):
    _, found = judged
    shown, hidden = found["outcomes"]["ge2"]["thresholds"]
    assert shown["sensitivity"]["low"] < shown["sensitivity"]["estimate"]
    assert numbers(hidden) == [0.99]
    assert hidden["ppv"]["reason"] == "fewer than 10 patients in a cell"
    assert found["outcomes"]["any"]["thresholds"] == []


@pytest.mark.parametrize("rare", [0, 1])
@pytest.mark.parametrize("count", [0, 3, 9])
def test_an_outcome_with_a_small_class_has_no_figure(rare, count):
    frame, therapy, truth = cohort(n=80)
    few = frame["patient_id"].isin(np.unique(frame["patient_id"])[:count])
    ge2 = frame["outcome"] == "ge2"
    frame.loc[ge2, "observed"] = np.where(few[ge2], rare, 1 - rare)
    found = evaluate(frame, therapy, None, SETTINGS, seed=1, truth=truth)["outcomes"]
    assert found["ge2"].pop("n") == 80
    assert (
        numbers({k: v for k, v in found["ge2"].items() if k not in ("abstained", "clipped")}) == []
    )
    reason = "fewer than 10 events or non-events"
    assert found["ge2"]["reason"] == reason
    assert found["ge2"]["models"].keys() == found["any"]["models"].keys()
    for group in ("models", "differences"):
        for name, figures in found["ge2"][group].items():
            assert figures.keys() == found["any"][group][name].keys()
            assert {figure["reason"] for figure in figures.values()} == {reason}
    json.dumps(found, allow_nan=False)


def test_ten_events_are_enough_to_be_shown():
    frame, therapy, _ = cohort(n=80)
    frame["observed"] = frame["patient_id"].isin(np.unique(frame["patient_id"])[:10]).astype(int)
    found = evaluate(frame, therapy, None, SETTINGS, seed=1)["outcomes"]["ge2"]
    assert found["events"] == 10
    assert found["models"]["model"]["observed_expected"]["estimate"] > 0


def test_twelve_events_in_sixty_patients():
    frame, therapy, _ = cohort(n=60)
    chosen = np.unique(frame["patient_id"])[:12]
    frame["observed"] = frame["patient_id"].isin(chosen).astype(int)
    found = evaluate(frame, therapy, None, SETTINGS, seed=1)["outcomes"]["ge2"]
    assert found["events"] == 12
    slope = found["models"]["model"]["calibration_slope"]
    assert slope["low"] < slope["estimate"] < slope["high"]
    assert found["models"]["model"]["ici"]["estimate"] > 0
    json.dumps(found, allow_nan=False)


def test_sites_are_resampled_whole_and_the_words_say_so(judged):
    frame, _ = judged
    patients = np.unique(frame["patient_id"])
    site = pd.Series(np.where(np.arange(600) < 300, "north", "south"), index=patients)
    by_site = evaluate(frame, None, site, SETTINGS, seed=3)
    assert "2 clusters, whole" in by_site["definition"]["intervals"]
    # Two sites give three samples: (N, N), (N, S) and (S, S); the interval reaches from the
    # lowest to the highest.
    auroc = by_site["outcomes"]["any"]["models"]["model"]["auroc"]
    rows = frame[frame["outcome"] == "any"].assign(site=lambda f: f["patient_id"].map(site))
    samples = [rows, *(part for _, part in rows.groupby("site"))]
    means = [
        np.mean([auroc_of_folds(r, "model") for _, r in part.groupby("repeat")]) for part in samples
    ]
    assert [auroc["low"], auroc["high"]] == pytest.approx([min(means), max(means)], abs=1e-9)


def test_abstained_patients_are_counted_and_judged_for_no_model():
    frame, therapy, _ = cohort(n=100)
    gone = np.unique(frame["patient_id"])[:15]
    frame.loc[frame["patient_id"].isin(gone), "model"] = np.nan
    found = evaluate(frame, therapy, None, SETTINGS, seed=1)["outcomes"]["any"]
    assert (found["n"], found["abstained"]) == (85, 15)
    everyone = frame.assign(model=np.nan)
    empty = evaluate(everyone, therapy, None, SETTINGS, seed=1)["outcomes"]["any"]
    assert empty == {"n": 0, "reason": "the model gives no patient a risk"}


def test_a_patient_without_a_therapy_row_is_refused():
    frame, therapy, _ = cohort(n=60)
    with pytest.raises(ValueError, match="one value per patient"):
        evaluate(frame, therapy.iloc[1:].rename("therapy"), None, SETTINGS, seed=1)


def test_the_gain_in_net_benefit_is_paired():
    """The interval of the difference is far narrower than two independent ones would give."""
    rng = np.random.default_rng(5)
    truth = rng.uniform(0.05, 0.6, 400)
    observed = (rng.uniform(size=400) < truth).astype(int)
    oof = pd.DataFrame(
        {
            "patient_id": np.arange(400).astype(str),
            "repeat": 0,
            "fold": np.arange(400) % 5,
            "outcome": "any",
            "observed": observed,
            "model": truth,
            "therapy_only": np.clip(truth + rng.normal(0, 0.01, 400), 0.01, 0.99),
        }
    )
    settings = Evaluation(bootstrap=200, processes=1, net_benefit=(0.2, 0.3))
    found = evaluate(oof, None, None, settings, 1)["outcomes"]["any"]["net_benefit"]
    gain, curves = found["differences"]["therapy_only"], found["curves"]
    assert gain["estimate"] == pytest.approx(
        np.subtract(curves["model"]["estimate"], curves["therapy_only"]["estimate"])
    )
    width = np.subtract(gain["high"], gain["low"])
    alone = np.subtract(curves["model"]["high"], curves["model"]["low"])
    assert (width < alone).all()


def test_coverage_at_each_level_and_the_therapy_that_is_missed():
    frame, therapy, truth = cohort()
    true = frame["patient_id"].map(truth.set_index("patient_id")["risk_ge2"])
    missed = frame["patient_id"].map(therapy) == "t2"
    for level, width in ((80, 0.02), (90, 0.05), (95, 1.0)):
        frame[f"low_{level}"] = np.clip(true - np.where(missed, -0.001, width), 0, 1)
        frame[f"high_{level}"] = np.clip(true + width, 0, 1)
    found = evaluate(frame, therapy, None, SETTINGS, seed=3, truth=truth)["outcomes"]["ge2"]
    assert set(found["models"]) == {"model", "therapy_only"}  # ends of intervals are no models
    by_level = found["truth"]["coverage"]
    assert [entry["level"] for entry in by_level] == [0.8, 0.9, 0.95]
    others = (therapy != "t2").mean()
    for entry in by_level:
        assert entry["coverage"]["estimate"] == pytest.approx(others)
        assert entry["lowest"]["therapy"] == "t2"
        assert entry["lowest"]["n"] == (therapy == "t2").sum()
        assert entry["lowest"]["coverage"]["estimate"] == 0
    assert by_level[0]["mean_width"]["estimate"] < by_level[2]["mean_width"]["estimate"]
    assert found["truth"]["interval"] is None


def test_alerts_along_the_decision_curve(judged):
    """At the grid's 0.30 as at the threshold of 0.30; nothing where a cell is small."""
    frame, found = judged
    figures = found["outcomes"]["ge2"]
    grid, along = figures["net_benefit"]["thresholds"], figures["net_benefit"]["classification"]
    at = grid.index(0.3)
    for name in ("sensitivity", "specificity", "ppv", "npv", "alerts_per_100"):
        for end in ("estimate", "low", "high"):
            assert len(along[name][end]) == len(grid)
            # In whole per cent: all digits would tell the few between two thresholds.
            step = 1 if name == "alerts_per_100" else 0.01
            exact = figures["thresholds"][0][name][end]
            assert along[name][end][at] == pytest.approx(exact, abs=step / 2 + 1e-9)
            known = [value for value in along[name][end] if value is not None]
            np.testing.assert_allclose(np.array(known) / step, np.round(np.array(known) / step))
    rows = frame[frame["outcome"] == "ge2"]
    for k, threshold in enumerate(grid):
        cells = [
            pd.crosstab(r["model"] >= threshold, r["observed"]).reindex(
                index=[False, True], columns=[0, 1], fill_value=0
            ).to_numpy().min()
            for _, r in rows.groupby("repeat")
        ]  # fmt: skip
        assert (along["ppv"]["estimate"][k] is None) == (min(cells) < 10)


def test_the_slope_within_therapy_is_reported(judged):
    _, found = judged
    slope = found["outcomes"]["ge2"]["models"]["model"]["calibration_slope_within_therapy"]
    assert slope["low"] < 1.1 < slope["high"]  # 0.8 of truth against 0.7 stated, less noise
