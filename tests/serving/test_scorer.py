"""The scorer against everything that services send: order, types, gaps, nonsense."""

import json

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import pipeline
from pipeline.errors import InputError

BRANDS = {
    "axicabtagene ciloleucel": " YESCARTA ",
    "tisagenlecleucel": "Kymriah",
    "teclistamab": "tecvayli",
}
RISKS = [
    "risk_any", "risk_any_low", "risk_any_high", "prior_any",
    "risk_ge2", "risk_ge2_low", "risk_ge2_high", "prior_ge2",
]  # fmt: skip


def whole(cohort, scorer):
    """Columns of the model that hold whole numbers only."""
    return [
        name
        for name in scorer.inputs
        if cohort[name].dtype == float and (cohort[name].dropna() % 1 == 0).all()
    ]


def binary(scorer):
    return [name for name, unit in scorer.inputs.items() if unit == "binary"]


# -- what comes back ----------------------------------------------------------------------


def test_the_columns_and_their_types_are_those_promised(risks):
    assert list(risks) == [*RISKS, "status", "notes", "reasons"]
    assert (risks[RISKS].dtypes == "float64").all()
    assert (risks[["status", "notes", "reasons"]].dtypes == "str").all()


def test_risks_lie_in_their_intervals_and_higher_grades_are_no_likelier(risks):
    for outcome in ("any", "ge2"):
        risk, low, high = (risks[f"risk_{outcome}{end}"] for end in ("", "_low", "_high"))
        assert ((low > 0) & (low <= risk) & (risk <= high) & (high < 1)).all()
        assert risks[f"prior_{outcome}"].between(0, 1, inclusive="neither").all()
    assert (risks["risk_ge2"] <= risks["risk_any"]).all()


def test_base_and_contributions_add_up_to_the_log_odds(risks):
    gaps = []
    for _, row in risks.iterrows():
        for outcome, reason in json.loads(row["reasons"]).items():
            risk = row[f"risk_{outcome}"]
            total = reason["base"] + sum(reason["contributions"].values())
            gaps.append(total - np.log(risk / (1 - risk)))
            assert reason["from"] in ("any", "ge2")
    assert len(gaps) == 2 * len(risks)
    assert np.abs(gaps).max() < 1e-9


def test_the_prior_is_among_the_reasons_and_is_the_published_rate(risks, scorer, cohort):
    facts = scorer.artifact.plan.facts
    for row in (0, 50, 200):
        record = cohort.iloc[row]
        rate = facts.rate(record["therapy"], record["disease"], 1).log_odds
        assert risks["prior_any"].iloc[row] == pytest.approx(1 / (1 + np.exp(-rate)), abs=1e-9)
        assert "therapy_prior" in json.loads(risks["reasons"].iloc[row])["any"]["contributions"]


def test_one_row_alone_gets_what_it_gets_among_others(scorer, cohort, risks):
    alone = pd.concat([scorer.predict(cohort.iloc[[row]]) for row in range(12)])
    assert_frame_equal(alone[RISKS], risks.iloc[:12][RISKS], rtol=0, atol=1e-12)
    assert_frame_equal(alone[["status", "notes"]], risks.iloc[:12][["status", "notes"]])


def test_scoring_leaves_the_frame_as_it_was(scorer, cohort):
    before = cohort.copy(deep=True)
    scorer.predict(cohort)
    assert_frame_equal(cohort, before)


def test_reasons_can_be_left_out(scorer, cohort, risks):
    assert_frame_equal(scorer.predict(cohort, reasons=False), risks.drop(columns="reasons"))


@pytest.mark.parametrize(
    "index",
    [
        pd.Index(["a", "b", "a"]),
        pd.Index([7, 7, -1]),
        pd.MultiIndex.from_tuples([("s", 1), ("s", 2), ("t", 1)], names=["site", "bed"]),
        pd.to_datetime(["2020-01-01"] * 3),
    ],
)
def test_the_index_is_kept(scorer, cohort, risks, index):
    scored = scorer.predict(cohort.iloc[:3].set_axis(index))
    assert scored.index.equals(index)
    np.testing.assert_allclose(scored[RISKS], risks.iloc[:3][RISKS], rtol=0, atol=1e-12)


@pytest.mark.parametrize("columns", [True, False])
def test_no_rows_give_no_rows_in_the_same_columns(scorer, cohort, risks, columns):
    scored = scorer.predict(cohort.iloc[:0] if columns else pd.DataFrame())
    assert len(scored) == 0
    assert list(scored) == list(risks)
    assert scored.dtypes.equals(risks.dtypes)


# -- the same record, spelt otherwise -----------------------------------------------------


def spellings():
    def as_dtype(dtype, which=whole):
        return lambda c, s: c.assign(**{name: c[name].astype(dtype) for name in which(c, s)})

    def blanks(filler):
        return lambda c, s: c.astype(object).where(c.notna(), filler)

    def truths(c, s):
        spelt = {n: c[n].map({1.0: True, 0.0: False}).astype(object) for n in binary(s)}
        return c.assign(**{n: v.where(c[n].notna(), None) for n, v in spelt.items()})

    def categories(c, s):
        names = [n for n, unit in s.inputs.items() if unit == "categorical"]
        return c.assign(**{name: c[name].astype("category") for name in names})

    def numbers_as_text(c, s):
        return c.assign(age=c["age"].map(str, na_action="ignore").astype(object))

    def shuffled(c, s):
        return c[sorted(c, key=lambda name: name[::-1])]

    return {
        "columns in another order": shuffled,
        "further columns": lambda c, s: c.assign(zz=[{}] * len(c), note="x", when=pd.NaT),
        "only the model's columns": lambda c, s: c[list(s.inputs)],
        "Int64 with NA": as_dtype("Int64"),
        "Float64 with NA": as_dtype("Float64"),
        "pyarrow types": lambda c, s: c.convert_dtypes(dtype_backend="pyarrow"),
        "objects with None": blanks(None),
        "objects with pd.NA": blanks(pd.NA),
        "truth values": truths,
        "boolean with NA": as_dtype("boolean", lambda c, s: binary(s)),
        "categories": categories,
        "numbers as categories": lambda c, s: c.assign(ecog=c["ecog"].astype("category")),
        "numbers as text": numbers_as_text,
        "brands": lambda c, s: c.assign(therapy=c["therapy"].map(BRANDS)),
        "blanks around text": lambda c, s: c.assign(sex=" " + c["sex"] + "  "),
    }


@pytest.mark.parametrize("spelling", spellings())
def test_the_same_records_get_the_same_risks(scorer, cohort, risks, spelling):
    assert_frame_equal(scorer.predict(spellings()[spelling](cohort, scorer)), risks)


def test_plain_integers_are_numbers(scorer, cohort):
    rows = cohort[cohort["age"].notna()].head(20)
    spelt = scorer.predict(rows.assign(age=rows["age"].astype("int8")))
    assert_frame_equal(spelt, scorer.predict(rows))


def test_an_absent_column_is_a_missing_value(scorer, cohort):
    names = ["ldh", "sex", "bulky_disease", "albumin"]
    absent = scorer.predict(cohort.drop(columns=names))
    missing = scorer.predict(cohort.assign(**dict.fromkeys(names, None)))
    assert_frame_equal(absent, missing)
    assert (absent["status"] == "ok").any()


# -- therapies ----------------------------------------------------------------------------


# -- too little, or impossible ------------------------------------------------------------


# -- refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        ["SENTINEL-9", 5, None],
        ["<0.25", "3", "4"],
        ["", "3", "4"],
        [[1], 2, 3],
        [{"a": 1}, 2, 3],
        [1 + 2j, 2, 3],
        [pd.Timestamp("2020-01-01"), 2, 3],
        [10**400, None, None],
    ],
)
def test_what_is_no_number_is_counted_and_not_quoted(scorer, cohort, values):
    frame = cohort.head(3).assign(crp=pd.Series(values, dtype=object, index=cohort.index[:3]))
    with pytest.raises(InputError, match=r"column 'crp': \d values? (is|are) no number") as error:
        scorer.predict(frame)
    assert "SENTINEL" not in str(error.value)
    assert "2020" not in str(error.value)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(pd.to_datetime(["2020-01-01", None, "2021-01-01"])),
        pd.Series(pd.to_timedelta([1, 2, 3], unit="D")),
        pd.Series([1 + 2j, 1, 2]),
        pd.Series(pd.period_range("2020", periods=3, freq="D")),
    ],
)
def test_dates_and_durations_are_no_numbers(scorer, cohort, column):
    frame = cohort.head(3).reset_index(drop=True).assign(heart_rate=column)
    with pytest.raises(InputError, match=r"column 'heart_rate': [23] values are no numbers"):
        scorer.predict(frame)


def test_text_is_counted(scorer, cohort):
    frame = cohort.head(5).assign(ldh=["high", 250, "high", None, "low"])
    with pytest.raises(InputError, match=r"column 'ldh': 3 values are no numbers.*U/L"):
        scorer.predict(frame)


def test_a_column_that_stands_twice_is_refused(scorer, cohort):
    twice = pd.concat([cohort, cohort[["age"]]], axis=1)
    with pytest.raises(InputError, match="column 'age': stands 2 times"):
        scorer.predict(twice)
    foreign = pd.concat([cohort, cohort[["patient_id"]]], axis=1)
    assert (scorer.predict(foreign)["status"] == "ok").all()


@pytest.mark.parametrize("cell", [[1], {"name": "x"}])
def test_a_category_of_lists_is_refused(scorer, cohort, cell):
    with pytest.raises(InputError, match="column 'therapy': holds lists or mappings"):
        scorer.predict(cohort.head(2).assign(therapy=[cell, cell]))


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(InputError, match=r"holds no model\.json.*make run"):
        pipeline.load(str(tmp_path))
