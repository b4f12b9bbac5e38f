"""The therapy prior: pooling by precision, shrinkage, and the ladder of evidence."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from pipeline.cohort.therapies import read_therapies
from pipeline.config import TherapyPrior
from pipeline.features.therapy import therapy_facts

SETTINGS = TherapyPrior(table="therapies.csv")
TABLE = Path(__file__).parents[2] / "data" / "therapies.csv"


def logit(percent: float) -> float:
    return float(np.log(percent / (100 - percent)))


def studies(*rows: dict) -> pd.DataFrame:
    usual = {
        "aliases": "", "modality": "car_t", "target": "CD19", "costimulation": "4-1BB",
        "step_up": 0, "disease": "LBCL", "patients": 100.0, "any_pct": 50.0, "ge3_pct": 10.0,
        "grading_system": "ASTCT", "use": "rate", "evidence": "published", "assumed_fields": "",
    }  # fmt: skip
    return pd.DataFrame([usual | row for row in rows])


def test_a_single_study_of_a_lone_product_is_its_own_rate():
    facts = therapy_facts(studies({"therapy": "a"}), SETTINGS)
    rate = facts.rate("a", None, 1)
    # 50 of 100, half an event on either side: still a half.
    assert rate.log_odds == pytest.approx(0.0, abs=1e-12)
    # Binomial variance 1/(n p q) plus the spread between studies.
    # (and hardly less for the little that is known of any rate).
    assert rate.sd == pytest.approx(np.sqrt(1 / (100 * 0.25) + 0.25**2), rel=0.01)
    assert rate.basis == "own"


def test_two_studies_that_do_not_differ_are_pooled_as_one():
    settings = TherapyPrior(table="t", study_sd=1e-6)
    facts = therapy_facts(
        studies(
            {"therapy": "a", "any_pct": 50.0, "patients": 100.0},
            {"therapy": "a", "any_pct": 80.0, "patients": 400.0},
        ),
        settings,
    )
    # 50 of 100 and 320 of 400 are 370 of 500.
    assert facts.rate("a", None, 1).log_odds == pytest.approx(logit(74), abs=0.005)


def test_a_study_without_events_says_that_the_rate_is_low():
    """Its limits come from the binomial distribution, not from the logit's variance."""
    pool = [{"therapy": t, "ge3_pct": 12.0, "patients": 500.0} for t in ("x", "y")]
    facts = therapy_facts(
        studies(*pool, {"therapy": "a", "ge3_pct": 0.0, "any_pct": 50.0, "patients": 97.0}),
        SETTINGS,
    )
    upper = beta.ppf(0.975, 1, 97)  # Clopper-Pearson for 0 of 97: 3.7 %
    assert 1 / (1 + np.exp(-facts.rate("a", None, 3).log_odds)) < upper


def test_grade_two_lies_half_way_between_on_the_logit_scale_and_says_so():
    facts = therapy_facts(studies({"therapy": "a", "any_pct": 80.0, "ge3_pct": 8.0}), SETTINGS)
    any_grade, two, three = (facts.rate("a", None, g) for g in (1, 2, 3))
    assert two.log_odds == pytest.approx((any_grade.log_odds + three.log_odds) / 2)
    assert two.evidence == "interpolated"
    assert any_grade.evidence == "published"


def test_a_recalled_rate_of_a_published_row_is_assumed():
    whole, recalled = (
        therapy_facts(studies({"therapy": "a", "assumed_fields": fields}), SETTINGS)
        for fields in ("steroid_pct", "ge3_pct;steroid_pct")
    )
    assert recalled.rate("a", None, 3).evidence == "assumed"
    assert recalled.rate("a", None, 3).sd > whole.rate("a", None, 3).sd
    assert recalled.rate("a", None, 1) == whole.rate("a", None, 1)


def test_an_assumed_rate_without_a_study_is_kept_and_its_spread_is_the_assumption_s():
    guess = {"evidence": "assumed", "patients": np.nan, "any_pct": 0.5, "ge3_pct": 0.1}
    facts = therapy_facts(studies({"therapy": "a"} | guess), SETTINGS)
    for grade, stated in ((1, 0.5), (3, 0.1)):
        rate = facts.rate("a", None, grade)
        assert 1 / (1 + np.exp(-rate.log_odds)) == pytest.approx(stated / 100, rel=0.35)
        assert rate.sd == pytest.approx(np.hypot(SETTINGS.study_sd, SETTINGS.assumed_sd), rel=0.1)


def test_a_product_without_its_own_rate_takes_its_relatives():
    facts = therapy_facts(
        studies(
            {"therapy": "a", "any_pct": 90.0},
            {"therapy": "b", "any_pct": 80.0},
            {"therapy": "new", "use": "attributes"},
        ),
        SETTINGS,
    )
    rate = facts.rate("new", None, 1)
    assert rate.basis == "pooled over CAR-T against CD19"
    assert rate.evidence == "pooled"
    assert logit(80) < rate.log_odds < logit(90)
    # One product differs from the pool: less is known of it than of either relative.
    assert rate.sd > SETTINGS.pool_sd


def test_one_relative_is_no_pool():
    facts = therapy_facts(
        studies({"therapy": "a"}, {"therapy": "lonely", "use": "attributes"}), SETTINGS
    )
    assert facts.rate("lonely", None, 1) is None


def test_little_evidence_leans_on_the_pool_and_much_does_not():
    pool = [{"therapy": "x", "any_pct": 80.0}, {"therapy": "y", "any_pct": 80.0}]
    small, large = (
        therapy_facts(studies(*pool, {"therapy": "a", "any_pct": 20.0, "patients": n}), SETTINGS)
        for n in (10.0, 10000.0)
    )
    assert small.rate("a", None, 1).log_odds > large.rate("a", None, 1).log_odds
    # 0.25 between studies against 0.8 between products: a large study keeps 91 % of its say.
    assert large.rate("a", None, 1).log_odds == pytest.approx(
        logit(20) + (logit(80) - logit(20)) * 0.25**2 / (0.25**2 + 0.8**2), abs=0.02
    )


def test_a_disease_of_its_own_and_any_other_disease():
    facts = therapy_facts(
        studies(
            {"therapy": "a", "disease": "LBCL", "any_pct": 45.0},
            {"therapy": "a", "disease": "CLL", "any_pct": 85.0},
        ),
        SETTINGS,
    )
    assert facts.rate("a", "LBCL", 1).log_odds < facts.rate("a", None, 1).log_odds
    assert facts.rate("a", "CLL", 1).log_odds > facts.rate("a", None, 1).log_odds
    assert facts.rate("a", "MCL", 1) == facts.rate("a", None, 1)


def test_prior_is_vectorised_and_missing_for_unknown_therapies():
    facts = therapy_facts(studies({"therapy": "a", "aliases": "Alpha;A-cel"}), SETTINGS)
    names = facts.names(np.array(["ALPHA", "a-cel ", "a", "zzz", None], dtype=object))
    assert list(names[:3]) == ["a", "a", "a"]
    assert names[3] is None
    assert names[4] is None
    log_odds, sd = facts.prior(names, None, [1, 3])
    assert log_odds.shape == sd.shape == (5, 2)
    assert np.isnan(log_odds[3:]).all()
    assert (log_odds[:3, 0] == log_odds[0, 0]).all()


@pytest.fixture(scope="module")
def shipped():
    return read_therapies(TABLE)


def test_penn_graded_and_infusion_reaction_rates_are_never_used(shipped):
    used = shipped[shipped["use"] == "rate"]
    assert not used["grading_system"].str.contains("Penn|IRR|infusion", case=False).any()
    facts = therapy_facts(shipped, SETTINGS)
    # ELIANA's 48 % of grade 3 or higher is graded by Penn; graded by ASTCT it is 18.7 %.
    severe = facts.rate("tisagenlecleucel", "B-ALL", 3)
    assert logit(15) < severe.log_odds < logit(20)


@pytest.mark.parametrize("product", ["theralizumab", "rituximab"])
def test_products_known_for_infusion_reactions_alone_have_no_crs_rate(shipped, product):
    assert therapy_facts(shipped, SETTINGS).rate(product, None, 1) is None


@pytest.mark.parametrize(
    ("product", "disease", "grade", "percent", "within"),
    [
        # Published rates, with the leeway of pooling several studies.
        ("axicabtagene ciloleucel", "LBCL", 1, 88, 4),
        ("axicabtagene ciloleucel", "LBCL", 3, 8.5, 2),
        ("teclistamab", "MM", 1, 72, 4),
        ("tarlatamab", "SCLC", 1, 55, 3),
        ("lisocabtagene maraleucel", "CLL", 1, 85, 6),
    ],
)
def test_shipped_priors_are_near_the_published_rates(
    shipped, product, disease, grade, percent, within
):
    rate = therapy_facts(shipped, SETTINGS).rate(product, disease, grade)
    assert 100 / (1 + np.exp(-rate.log_odds)) == pytest.approx(percent, abs=within)


def test_shipped_priors_lie_within_exact_limits_of_the_only_study(shipped):
    """Where a product has one sizeable study in a disease, its prior must not contradict it."""
    used = shipped[(shipped["use"] == "rate") & (shipped["disease"] != "")]
    lone = used.groupby(["therapy", "disease"]).filter(lambda g: len(g) == 1)
    lone = lone[(lone["patients"] >= 80) & lone["grading_system"].str.startswith(("ASTCT", "Lee"))]
    facts = therapy_facts(shipped, SETTINGS)
    assert len(lone) >= 10
    for study in lone.itertuples():
        for grade, percent in ((1, study.any_pct), (3, study.ge3_pct)):
            events, n = round(percent / 100 * study.patients), study.patients
            rate = 1 / (1 + np.exp(-facts.rate(study.therapy, study.disease, grade).log_odds))
            low = beta.ppf(0.005, events, n - events + 1) if events else 0.0
            high = beta.ppf(0.995, events + 1, n - events) if events < n else 1.0
            assert low <= rate <= high, (study.therapy, study.disease, grade, rate)
