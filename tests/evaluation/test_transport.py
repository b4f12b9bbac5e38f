"""Sites, therapies and years left out: truly out, soberly summarised, and safe to share."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pipeline.config import Evaluation, Model, Transport
from pipeline.evaluation.left_out import find_periods, find_units
from pipeline.evaluation.transport import judge_transport, without_prior
from pipeline.model.fitting import fit_risk_model
from tests.evaluation.toy_procedure import Knows, Memory, Toy, patients_of

EVALUATION = Evaluation(processes=1)
NAMES = np.array(["A", "B", "C", "D", "E", "F", "G", "H"], dtype=object)


def cohort(n=1600, site_sd=0.0, seed=0):
    """Eight sites whose log-odds differ by what no predictor shows."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    site = np.arange(n) % 8
    effect = np.linspace(-1.5, 1.5, 8) * site_sd
    margin = X @ [1.0, 0.5, 0.0] + effect[site]
    observed = (rng.random(n) < 1 / (1 + np.exp(-margin))).astype(float)
    return observed, X, NAMES[site]


def judge(
    procedure,
    sites=None,
    therapies=None,
    years=None,
    evaluation=EVALUATION,
    clusters=None,
    **settings,
):
    told = []
    found = judge_transport(
        procedure, sites, therapies, years, "event", Transport(**settings), evaluation, 1,
        lambda what, done, total: told.append((done, total)), clusters=clusters,
    )  # fmt: skip
    json.dumps(found, allow_nan=False)
    return found, told


def test_what_the_cohort_does_not_say_is_passed_over_with_reasons():
    observed, X, sites = cohort(80)
    found, told = judge(Toy(patients_of(observed, X)))
    assert "which site" in found["sites"]["reason"]
    assert "which therapy" in found["therapies"]["reason"]
    assert "in which year" in found["temporal"]["reason"]
    assert told == []
    one = np.full(80, "X", dtype=object)
    found, _ = judge(Toy(patients_of(observed, X)), one, one, np.full(80, 2020.0))
    assert found["sites"]["reason"] == "all patients whose site is known are of one site"
    assert "therapy" in found["therapies"]["reason"]
    assert "one year" in found["temporal"]["reason"]
    found, _ = judge(Toy(patients_of(observed, X)), sites)
    assert found["sites"]["reason"].startswith("no site has 10 patients with and 10 without")


def test_no_patient_of_a_unit_is_ever_trained_on():
    observed, X, sites = cohort(800)
    sites[:30] = None  # of no known site: they train all
    procedure = Toy(patients_of(observed, X))
    _, told = judge(procedure, sites)
    assert len(procedure.calls) == 8
    for train, test, _, decide_by_cohort in procedure.calls:
        (unit,) = set(sites[test])
        assert unit not in set(sites[train])
        assert len(train) + len(test) == 800
        assert not decide_by_cohort
    assert told[-1] == (8, 8)


def test_a_procedure_that_knows_its_training_patients_by_heart_knows_nothing_of_a_unit():
    observed, X, sites = cohort(800)
    years = np.repeat([2019.0, 2020, 2021, 2022], 200)
    found, _ = judge(Memory(patients_of(observed, X)), sites, sites, years)
    for part in ("sites", "therapies"):
        for unit in found[part]["outcomes"]["event"]["units"]:
            assert unit["figures"]["log_loss"]["estimate"] == pytest.approx(np.log(2))
    later = found["temporal"]["outcomes"]["event"]["figures"]
    assert later["log_loss"]["estimate"] == pytest.approx(np.log(2))


def test_rows_elsewhere_of_a_unit_s_patients_train_nothing():
    """Known by heart, a patient's outcome would be known in each of the patient's rows."""
    observed, X, sites = cohort(800)
    who = np.arange(800)
    who[1::8] = who[::8]  # each patient of site B has a row at A,
    who[200:400] = who[:200]  # and each of the first year has one in the second,
    who[600:700] = who[400:500]  # as some of the third have in the last
    observed = observed[who]
    years = np.repeat([2019.0, 2020, 2021, 2022], 200)
    knows = Knows(replace(patients_of(observed, X), persons=who))
    found, _ = judge(knows, sites, None, years)
    for unit in found["sites"]["outcomes"]["event"]["units"]:
        assert unit["figures"]["log_loss"]["estimate"] == pytest.approx(np.log(2))
    later = found["temporal"]
    assert later["outcomes"]["event"]["figures"]["log_loss"]["estimate"] == pytest.approx(np.log(2))
    assert (later["train_n"], later["n"]) == (500, 200)  # 100 rows of later patients are not in


def test_where_all_patients_are_everywhere_nothing_is_left_out():
    observed, X, sites = cohort(800)
    who = np.repeat(np.arange(100), 8)  # a row at each site
    years = np.tile([2019.0, 2020, 2021, 2022], 200)
    procedure = Toy(replace(patients_of(observed[who], X), persons=who))
    found, _ = judge(procedure, sites, None, years)
    assert "too few patients are left to train" in found["sites"]["reason"]
    assert "too few patients of earlier years are left" in found["temporal"]["reason"]
    assert procedure.calls == []


def test_a_site_where_all_patients_have_rows_trains_and_says_why():
    who = np.tile(np.arange(200), 2)  # once at the hub, once at one of two others
    sites = np.concatenate([np.repeat("hub", 200), np.repeat(["north", "south"], 100)])
    event = (who % 3 == 0).astype(float)
    units = find_units(sites, event[:, None], 0, Transport(), EVALUATION, "site", who)
    assert units.names == ["north", "south"]
    assert "elsewhere too few train" in units.others["hub"]
    split = units.splits("site", 1)["site_0"]
    assert set(who[split.train]) == set(range(100, 200))
    assert len(split.train) == 200  # southern patients, at both their sites


def test_persons_of_one_row_each_change_no_split():
    observed, _, sites = cohort(800)
    plain, known = (
        find_units(sites, observed[:, None], 0, Transport(), EVALUATION, "site", persons)
        for persons in (None, np.arange(800)[::-1])
    )
    for name, split in plain.splits("site", 1).items():
        np.testing.assert_array_equal(split.train, known.splits("site", 1)[name].train)


def test_sites_that_differ_widen_the_prediction_interval():
    observed, X, sites = cohort(2400)
    alike, _ = judge(Toy(patients_of(observed, X)), sites)
    observed, X, sites = cohort(2400, site_sd=0.8)
    apart, _ = judge(Toy(patients_of(observed, X)), sites)

    def summary(found):
        return found["sites"]["outcomes"]["event"]["summary"]

    def width(figure):
        return figure["prediction_high"] - figure["prediction_low"]

    of_alike, of_apart = (summary(f)["calibration_intercept"] for f in (alike, apart))
    # The sites' effects, spread evenly over 2.4 log-odds, have a standard deviation of 0.84;
    # a site lies from the mean of the seven others by 8/7 of what it lies from that of all.
    assert of_apart["tau"] == pytest.approx(0.84 * 8 / 7, abs=0.12)
    assert of_alike["tau"] < 0.15
    assert width(of_apart) > 3 * width(of_alike)
    assert of_apart["units"] == 8
    oe = summary(apart)["observed_expected"]
    assert oe["prediction_low"] < oe["low"] < oe["estimate"] < oe["high"] < oe["prediction_high"]


def test_the_prior_is_worth_what_therapies_differ_by():
    observed, X, therapies = cohort(1600, site_sd=1.0)
    published = (np.linspace(-1.5, 1.5, 8))[np.arange(1600) % 8]
    procedure = Toy(patients_of(observed, X, published, therapies))
    found, told = judge(procedure, therapies=therapies)
    part = found["therapies"]["outcomes"]["event"]
    assert told[-1] == (16, 16)
    with_prior, without = part["summary"], part["summary_without_prior"]
    assert with_prior["calibration_intercept"]["tau"] < 0.2
    assert without["calibration_intercept"]["tau"] > 0.7
    assert part["summary_differences"]["without_prior"]["log_loss"]["high"] < 0
    started_from = [np.isnan(call[2]).all() for call in procedure.calls]
    assert started_from == [False] * 8 + [True] * 8


def test_without_a_prior_nothing_is_compared():
    observed, X, therapies = cohort(800)
    found, _ = judge(Toy(patients_of(observed, X)), therapies=therapies)
    part = found["therapies"]["outcomes"]["event"]
    assert "summary_without_prior" not in part
    assert "without_prior" not in part["units"][0]["differences"]


def test_small_units_are_neither_shown_nor_to_be_worked_out():
    rng = np.random.default_rng(4)
    size, events = [200, 180, 150, 60, 40], [90, 70, 60, 14, 4]
    sites = np.repeat(NAMES[:5], size)
    pairs = zip(size, events, strict=True)
    observed = np.concatenate([np.repeat([1.0, 0.0], [e, n - e]) for n, e in pairs])
    X = rng.normal(size=(len(observed), 3))
    found, _ = judge(Toy(patients_of(observed, X)), sites)
    units = {u["unit"]: u for u in found["sites"]["outcomes"]["event"]["units"]}
    assert set(units) == set("ABCD")  # E has too few events for any figure
    (spared,) = found["sites"]["not_left_out"]
    assert (spared["unit"], spared["n"]) == ("E", 40)
    assert "having fewer than 10 patients with or without" in spared["reason"]
    assert [units[name]["events"] for name in "ABC"] == [90, 70, 60]
    # 238 events in all are known: D's would give away the 4 of E.
    assert units["D"]["events"] is None
    assert "figures" not in units["D"]
    assert found["sites"]["outcomes"]["event"]["summary"]["auroc"]["units"] == 4


def test_sites_of_few_patients_have_no_name():
    rng = np.random.default_rng(4)
    size = [200, 180, 150, 60, 3, 1]
    sites = np.repeat(NAMES[:6], size)
    observed = (rng.random(len(sites)) < 0.4).astype(float)
    found, _ = judge(Toy(patients_of(observed, rng.normal(size=(len(observed), 3)))), sites)
    (pooled,) = found["sites"]["not_left_out"]
    assert (pooled["unit"], pooled["n"]) == ("others (levels of fewer than 10 patients)", None)
    assert pooled["units"] == 2


def test_units_with_most_events_are_left_out_and_the_others_train():
    # Every site has 200 patients; A to H have 10, 20, ... 80 events.
    sites = np.repeat(NAMES, 200)
    observed = np.concatenate([np.repeat([1.0, 0.0], [k, 200 - k]) for k in range(10, 90, 10)])
    units = find_units(sites, observed[:, None], 0, Transport(units=3), EVALUATION, "site")
    assert units.names == ["H", "G", "F"]
    assert list(units.others) == ["E", "D", "C", "B", "A"]
    assert "transport.units" in units.others["A"]
    splits = units.splits("site", 1)
    assert set(splits) == {"site_0", "site_1", "site_2"}
    assert set(sites[splits["site_1"].train]) == set("ABCDEFH")


def test_a_small_unit_with_events_goes_before_a_large_one_without():
    sites = np.repeat(NAMES[:3], [300, 60, 200])
    events = [5, 25, 40]  # of the primary outcome, the second; the first is common to all
    primary = np.concatenate(
        [np.repeat([1.0, 0.0], [k, n - k]) for k, n in zip(events, (300, 60, 200), strict=True)]
    )
    common = np.concatenate([np.arange(n) % 2 for n in (300, 60, 200)]).astype(float)
    Y = np.column_stack([common, primary])
    units = find_units(sites, Y, 1, Transport(units=2), EVALUATION, "site")
    assert units.names == ["C", "B"]
    assert find_units(sites, Y, 0, Transport(units=2), EVALUATION, "site").names == ["A", "C"]


def test_the_last_years_are_set_apart_and_nobody_of_unknown_year_takes_part():
    years = np.repeat([2018.0, 2019, 2020, 2021, np.nan], [40, 30, 20, 10, 5])
    found = find_periods(years, Transport(latest_share=0.2))
    assert found.train_years == [2018, 2019]
    assert found.test_years == [2020, 2021]
    split = found.split(1)
    assert (len(split.train), len(split.test)) == (70, 30)
    assert years[split.train].max() < years[split.test].min()


def later(clusters=None, persons=None):
    """What is said of the last year, at eight sites that differ by what no predictor shows."""
    observed, X, sites = cohort(4000, site_sd=1.0)
    years = np.repeat([2019.0, 2020, 2021, 2022], 1000)
    procedure = Toy(replace(patients_of(observed, X), persons=persons))
    found, _ = judge(procedure, None, None, years, clusters=clusters)
    last = procedure.calls[0][1]
    risk = procedure(*procedure.calls[0][:2], 0)["model"][:, 0]
    return found["temporal"]["outcomes"]["event"], observed[last], risk, sites[last]


def width(figure, scale=lambda value: value):
    return scale(figure["high"]) - scale(figure["low"])


def test_later_patients_of_a_site_are_not_independent():
    """Observed/expected, by the sites' own residuals: the ratio estimator of a cluster sample."""
    alone, observed, risk, sites = later()
    whole, *_ = later(clusters=np.arange(4000) % 8)
    ratio = observed.sum() / risk.sum()
    residual = [(observed - ratio * risk)[sites == s].sum() for s in NAMES]
    error = np.sqrt(8 / 7 * np.square(residual).sum()) / observed.sum()  # of the logarithm
    analytic, resampled = (found["figures"]["observed_expected"] for found in (alone, whole))
    assert analytic["estimate"] == pytest.approx(ratio)
    assert resampled["estimate"] == pytest.approx(ratio)
    # The t distribution of 7 degrees of freedom: 2.36 errors to either side.
    assert width(resampled, np.log) == pytest.approx(2 * 2.36 * error, rel=0.15)
    assert width(resampled, np.log) > 3 * width(analytic, np.log)
    assert width(whole["figures"]["calibration_intercept"]) > 3 * width(
        alone["figures"]["calibration_intercept"]
    )
    for found in (alone, whole):
        gap = found["differences"]["therapy_only"]["log_loss"]
        assert gap["low"] < gap["estimate"] < gap["high"]
    # AUROC within therapy is undefined without therapies, whatever is resampled.
    name = "auroc_within_therapy"
    assert whole["figures"][name] == alone["figures"][name]


def test_few_sites_leave_later_patients_as_they_are_or_persons_with_all_their_rows():
    alone, *_ = later()
    assert later(clusters=np.arange(4000) % 4)[0] == alone  # of 4 sites, no samples differ enough
    # Ten rows a person: their sum varies more than that of ten strangers where sites differ.
    persons = 8 * (np.arange(4000) // 80) + np.arange(4000) % 8
    repeated, *_ = later(clusters=np.arange(4000) % 4, persons=persons)
    name = "observed_expected"
    assert width(repeated["figures"][name]) > 1.2 * width(alone["figures"][name])


def test_the_first_year_always_trains():
    found = find_periods(np.repeat([2018.0, 2019], [10, 90]), Transport(latest_share=0.95))
    assert (found.train_years, found.test_years) == ([2018, 2018], [2019, 2019])


def test_nothing_learned_of_a_therapy_reaches_one_never_seen():
    """The real fit: a column of which training saw only zeros moves no risk."""
    rng = np.random.default_rng(7)
    n = 400
    therapy = np.arange(n) % 4
    X = np.column_stack([rng.normal(size=(n, 3)), np.eye(4)[therapy]])
    observed = (rng.random(n) < 1 / (1 + np.exp(-X[:, 0] + 0.5 * therapy))).astype(float)
    patients = replace(
        patients_of(observed, X, published=-0.5 * therapy, therapies=NAMES[therapy]),
        therapy_columns=np.array([False] * 3 + [True] * 4),
    )
    settings = Model.model_validate(
        {"inner_folds": 3, "factors": 2, "trees": {"leaves": [4], "trees": [30]},
         "ridge": {"penalties": [100], "l1_ratio": 0.0, "knots": 4},
         "elastic_net": {"penalties": [20], "l1_ratio": 0.5, "knots": 0}}
    )  # fmt: skip
    seen, unseen = np.flatnonzero(therapy != 3), patients.part(np.flatnonzero(therapy == 3))
    for use in (patients, without_prior(Toy(patients)).patients):
        model = fit_risk_model(use.part(seen), settings, 1)
        erased = unseen.Z.copy()
        erased[:, 6] = 0
        start = use.part(np.flatnonzero(therapy == 3)).published
        risks = [
            model.predict(Z, start, unseen.published_sd, None, 0.9).risk for Z in (unseen.Z, erased)
        ]
        np.testing.assert_array_equal(*risks)
        assert np.ptp(risks[0]) > 0.1
