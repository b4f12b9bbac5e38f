"""Times as FHIR R4 states them (datatypes and Observation.effective[x]), around an infusion."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.serving.http.fhir.times import day_of, infused, read_time


def ago(**span):
    return (datetime.now(UTC) - timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024", "2024-01-01", "2024-12-31"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2024-02-07", "2024-02-07", "2024-02-07"),
    ],
)
def test_a_date_may_leave_out_its_day_and_month(text, first, last):
    found = read_time(text)
    assert (found.first.date().isoformat(), found.last.date().isoformat()) == (first, last)


@pytest.mark.parametrize("text", ["20240207", "2024-W06-3", "2024-13", "2024-02-30", "24:00", 3])
def test_other_forms_are_no_fhir_time(text):
    assert read_time(text) is None


@pytest.mark.parametrize(
    ("effective", "late"),
    [
        ({"effectiveInstant": "2026-05-10T08:00:00Z"}, False),
        ({"effectiveInstant": "2026-05-10T10:00:00Z"}, True),
        ({"effectivePeriod": {"start": "2026-05-08", "end": "2026-05-09"}}, False),
        ({"effectivePeriod": {"start": "2026-05-09", "end": "2026-05-20"}}, True),
        ({"effectivePeriod": {"end": "2026-05-09"}}, False),
        ({"effectiveTiming": {"event": ["2026-05-08T08:00:00Z", "2026-05-09T08:00:00Z"]}}, False),
        ({"effectiveTiming": {"event": ["2026-05-12T08:00:00Z", "2026-05-09T08:00:00Z"]}}, True),
    ],
)
def test_an_observation_counts_by_its_last_moment(
    read, scorer, therapy, patient, crp, effective, late
):
    found = read(patient, therapy, crp(20, **effective))
    (answer,) = scorer.score([found.record])
    assert ("'crp' was measured after the infusion" in answer["because"]) == late
    assert (found.record["crp"]["day"] >= 1) == late


@pytest.mark.parametrize(
    ("effective", "why"),
    [
        ({"effectiveDateTime": "2026-05"}, "a date without a day, which may lie after"),
        ({"effectiveDateTime": "2026"}, "a date without a day, which may lie after"),
        ({"effectivePeriod": {"start": "2026-05-09"}}, "a period without an end"),
        ({"effectiveTiming": {"repeat": {"frequency": 1}}}, "a timing without events"),
    ],
)
def test_what_may_be_from_after_the_infusion_is_not_used(read, therapy, crp, effective, why):
    found = read(therapy, crp(20, **effective))
    assert "crp" not in found.record
    assert found.basis == []
    assert any(f"C-reactive protein has {why}" in remark for remark in found.remarks)


def test_a_time_that_is_none_is_not_taken_for_no_time(read, therapy, crp):
    found = read(therapy, crp(20, effectiveDateTime="last Tuesday"), valid=False)
    assert "crp" not in found.record
    assert "C-reactive protein has a time that cannot be read: not used" in found.remarks


def test_a_month_wholly_before_counts_by_its_oldest_day(read, therapy, crp):
    found = read(therapy, crp(20, effectiveDateTime="2026-04"))
    assert found.record["crp"]["day"] == -39  # from 1 April to 10 May


@pytest.mark.parametrize(("issued", "used"), [("08:00:00Z", True), ("12:00:00Z", False)])
def test_a_release_before_the_infusion_is_enough_and_one_after_it_tells_nothing(
    read, therapy, crp, issued, used
):
    """Observation.issued is when the result was made available: it was taken then or earlier."""
    found = read(therapy, crp(20, issued=f"2026-05-10T{issued}"))
    assert ("crp" in found.record) == used
    assert any("was released after the infusion" in r for r in found.remarks) != used
    assert not any("for want of a time" in remark for remark in found.remarks)


def test_what_nothing_orders_within_the_day_of_infusion_is_told(read, therapy, crp):
    therapy["effectiveDateTime"] = "2026-05-10"
    sentence = "taken as from before the infusion of the same day: C-reactive protein"
    # 23:00 in California is the 11th in UTC, and still the 10th there.
    late = "T23:00:00"
    for time, told in ((f"10{late}Z", True), (f"10{late}-08:00", True), (f"09{late}Z", False)):
        found = read(therapy, crp(20, effectiveDateTime=f"2026-05-{time}"))
        assert found.record["crp"]["day"] == (0 if told else -1)
        assert (sentence in found.remarks) == told


@pytest.mark.parametrize("turn", [1, -1])
def test_of_the_day_of_infusion_the_earliest_is_the_likeliest_to_be_before(
    read, therapy, crp, turn
):
    therapy["effectiveDateTime"] = "2026-05-10"
    hours = [(20, "10T07"), (300, "10T22"), (10, "09T23")]
    values = [crp(v, effectiveDateTime=f"2026-05-{at}:00:00Z") for v, at in hours]
    assert read(therapy, *values[::turn]).record["crp"]["value"] == 20


def test_an_infusion_of_which_only_the_month_is_known_may_be_on_its_first_day():
    infusion = infused({"performedDateTime": "2026-05"})
    assert day_of(read_time("2026-04-30"), infusion) == -1
    assert day_of(read_time("2026-05-02"), infusion) == 1


def test_an_infusion_is_at_the_first_of_its_times():
    events = {"event": ["2026-05-17T09:00:00Z", "2026-05-10T09:00:00Z"]}
    ordered = {"dosageInstruction": [{"timing": events}]}
    assert infused(ordered) == read_time("2026-05-10T09:00:00Z")
    assert infused({"effectivePeriod": {"start": "2026-05-10"}}) == read_time("2026-05-10")


@pytest.mark.parametrize("turn", [1, -1])
def test_without_an_infusion_time_the_latest_value_wins(read, order, crp, turn):
    values = [crp(300, effectiveDateTime=ago(hours=30)), crp(20, effectiveDateTime=ago(hours=28))]
    found = read(order, *values[::turn])
    assert found.record["crp"]["value"] == 20
    assert "the time of infusion is not stated: days are counted from now" in found.remarks


@pytest.mark.parametrize("effective", ["2016-03-01", "2016-03-01T08:00:00Z", "2016-03", "2016"])
def test_a_value_of_years_ago_is_too_old_for_an_order_of_today(read, scorer, order, crp, effective):
    found = read(order, crp(300, effectiveDateTime=effective))
    (answer,) = scorer.score([found.record])
    assert any(
        "'crp' was measured more than 30 days before the infusion and is not used" in warning
        for warning in answer["warnings"]
    )


def test_the_future_is_not_used(read, order, crp):
    found = read(order, crp(20, effectiveDateTime=ago(days=-3)))
    assert "crp" not in found.record
    assert "C-reactive protein is dated in the future: not used" in found.remarks


def test_a_therapy_given_at_an_unknown_time_has_no_value_from_before(read, therapy, crp):
    del therapy["effectiveDateTime"]
    found = read(therapy, crp(20, effectiveDateTime=ago(days=1)), valid=False)
    assert "crp" not in found.record
    assert any("given at a time that is not stated" in remark for remark in found.remarks)
