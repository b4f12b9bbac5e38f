"""When the scorer gives no risk, and what it warns of."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipeline.model.artifact import read_artifact
from pipeline.serving.scorer import Scorer


def notes(scored, row=0):
    return " | ".join(json.loads(scored["notes"].iloc[row]))


@pytest.mark.parametrize("therapy", ["snake oil", "axicabtagene", 5, "Yescarta2"])
def test_an_unknown_therapy_abstains_and_says_why(scorer, cohort, therapy):
    scored = scorer.predict(cohort.head(3).assign(therapy=therapy))
    assert (scored["status"] == "abstain").all()
    assert "no risk: 'therapy' is a therapy the model does not know" in notes(scored)
    assert str(therapy) not in notes(scored)
    assert (scored["reasons"] == "{}").all()


@pytest.mark.parametrize("therapy", [None, np.nan, pd.NA, "", "  "])
def test_a_missing_therapy_abstains(scorer, cohort, therapy):
    scored = scorer.predict(cohort.head(2).assign(therapy=therapy))
    assert (scored["status"] == "abstain").all()
    assert "no risk: 'therapy' is missing" in notes(scored)


def test_a_therapy_unseen_in_training_starts_from_its_published_rate(scorer, cohort):
    rows = cohort.head(4).assign(therapy="ciltacabtagene autoleucel", disease="MM")
    scored = scorer.predict(rows)
    assert (scored["status"] == "ok").all()
    assert "training saw no patient with this therapy" in notes(scored)
    rate = scorer.artifact.plan.facts.rate("ciltacabtagene autoleucel", "MM", 1).log_odds
    np.testing.assert_allclose(scored["prior_any"], 1 / (1 + np.exp(-rate)))


def test_a_therapy_with_its_relatives_rate_only_says_so(scorer, cohort):
    scored = scorer.predict(cohort.head(2).assign(therapy="CD22 CAR-T (NCI 15-C-0029)"))
    assert (scored["status"] == "ok").all()
    assert "any: the table of therapies has no rate of this one; pooled over CAR-T" in notes(scored)
    assert "ge2: the table of therapies has no rate of this one; pooled over CAR-T" in notes(scored)


def test_a_therapy_without_any_rate_abstains(scorer, cohort):
    scored = scorer.predict(cohort.head(2).assign(therapy="muromonab-CD3"))
    assert (scored["status"] == "abstain").all()
    assert "no risk: no rate in the table of therapies bears on this therapy" in notes(scored)
    assert scored[["prior_any", "prior_ge2"]].isna().all(axis=None)


@pytest.mark.parametrize("frame", [pd.DataFrame(index=range(3)), pd.DataFrame({"x": [1, 2, 3]})])
def test_an_empty_record_abstains(scorer, frame):
    scored = scorer.predict(frame)
    assert (scored["status"] == "abstain").all()
    assert "nothing is known of the patient" in notes(scored)


def test_too_few_leading_predictors_abstain(scorer, cohort):
    leading = scorer.artifact.facts["scoring"]["leading"]
    scored = scorer.predict(cohort[["therapy", "disease"]].head(2))
    assert len(leading) == 5
    assert (scored["status"] == "abstain").all()
    assert "fewer than 2 of the leading predictors are known" in notes(scored)


def test_leading_predictors_are_variables_of_the_patient(scorer):
    # A score is computed from variables: it would count the same laboratory value again.
    artifact = scorer.artifact
    leading = artifact.facts["scoring"]["leading"]
    scores = {score.name for score in artifact.plan.scores}
    assert scores
    assert len(set(leading)) == len(leading)
    assert set(leading) <= set(artifact.dictionary.names()) - scores - {"therapy"}


def test_a_score_of_known_values_counts_no_further(scorer, cohort):
    # One variable is one, however many scores it enters; two are enough.
    leading = scorer.artifact.facts["scoring"]["leading"]
    always = ["therapy", "disease"]
    known = cohort.dropna(subset=leading).head(1)
    extra = [name for name in leading if name not in always]
    already = [name for name in leading if name in always]
    assert len(already) < 2 <= len(extra)
    enough = 2 - len(already)
    few = scorer.predict(known[always + extra[: enough - 1]])
    many = scorer.predict(known[always + extra[:enough]])
    assert "fewer than 2 of the leading predictors" in notes(few)
    assert "fewer than 2 of the leading predictors" not in notes(many)


def test_an_impossible_value_abstains_naming_the_column_and_not_the_value(scorer, cohort):
    scored = scorer.predict(cohort.head(3).assign(age=[777.125, 50.0, -3.5]))
    assert list(scored["status"]) == ["abstain", "ok", "abstain"]
    assert "no risk: 'age' is outside 0 to 110 a; is its unit right?" in notes(scored)
    everything = scored.to_csv()
    assert "777.125" not in everything
    assert "-3.5" not in everything


def test_a_binary_value_other_than_0_and_1_abstains(scorer, cohort):
    scored = scorer.predict(cohort.head(2).assign(bulky_disease=[2, 1]))
    assert list(scored["status"]) == ["abstain", "ok"]
    assert "no risk: 'bulky_disease' must be 0 or 1" in notes(scored)


@pytest.mark.parametrize("value", [np.inf, -np.inf, "inf"])
def test_infinity_abstains_without_a_warning(scorer, cohort, value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scored = scorer.predict(cohort.head(2).assign(crp=value))
    assert (scored["status"] == "abstain").all()
    assert "no risk: 'crp' is infinite" in notes(scored)


def test_a_level_that_training_did_not_see_is_noted(scorer, cohort):
    scored = scorer.predict(cohort.head(2).assign(sex="zzz"))
    assert (scored["status"] == "ok").all()
    assert "'sex' holds a level that training did not see: it is taken as missing" in notes(scored)
    assert "zzz" not in notes(scored)


@pytest.mark.parametrize("rows", [1, 2, 40])
def test_a_level_that_training_did_not_see_tells_as_much_as_none(scorer, cohort, rows):
    # It must neither move a risk nor narrow its interval: nothing was learned of it.
    texts = [
        v.name
        for v in scorer.artifact.dictionary
        if v.kind == "categorical" and v.name not in ("therapy", "disease")
    ]
    assert texts
    some = cohort.head(rows).drop(columns=texts)
    risks = [f"risk_{o}{limit}" for o in ("any", "ge2") for limit in ("", "_low", "_high")]
    strange, absent = (
        scorer.predict(some.assign(**dict.fromkeys(texts, level))) for level in ("banana", None)
    )
    pd.testing.assert_frame_equal(strange[[*risks, "reasons"]], absent[[*risks, "reasons"]])


def test_a_level_that_training_did_not_see_is_no_known_predictor(small_run, cohort):
    artifact = read_artifact(small_run.folder / "train" / "model")
    name = next(
        v.name
        for v in artifact.dictionary
        if v.kind == "categorical" and v.name not in ("therapy", "disease")
    )
    scoring = artifact.facts["scoring"] | {"leading": ["ldh", name], "minimum_present": 2}
    scorer = Scorer(replace(artifact, facts=artifact.facts | {"scoring": scoring}))
    known = {"therapy": cohort["therapy"].iloc[0], "ldh": 300.0}
    level = next(v.levels for v in artifact.dictionary if v.name == name)[0]
    values = [known, known | {name: "banana"}, known | {name: level}]
    assert [a["status"] for a in scorer.score(values)] == ["abstain", "abstain", "ok"]


def test_there_is_a_risk_exactly_where_the_status_is_ok(scorer, cohort):
    mixed = cohort.head(40).copy()
    mixed.loc[mixed.index[:5], "therapy"] = "snake oil"
    mixed.loc[mixed.index[5:9], "ldh"] = 1e9
    mixed.loc[mixed.index[9:12], mixed.columns] = None
    mixed.loc[mixed.index[12:14], "therapy"] = "rituximab"
    scored = scorer.predict(mixed)
    abstains = scored["status"] == "abstain"
    assert list(np.flatnonzero(abstains)) == list(range(14))
    risks = [name for name in scored if name.startswith("risk_")]
    assert len(risks) == 6  # two outcomes, each with its interval
    for name in risks:
        assert scored[name].isna().equals(abstains)
    assert ((scored["reasons"] == "{}") == abstains).all()
    assert scored["prior_any"].iloc[5:9].notna().all()
