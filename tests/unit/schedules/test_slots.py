"""Slots: growing, each once, inside their window, in every zone, over changes of the clock; F34 A1 and A4."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from bucket_api.schedules.calendar import INDIA, Calendar
from bucket_api.schedules.slots import final_at, is_cron, is_too_often, next_slot, slots, spread_s
from bucket_api.schedules.when import WEEKDAYS, CalendarEvent, Cron, Daily, Monthly, Weekly, When
from hypothesis import given
from hypothesis import strategies as st

USUAL = Calendar()
ZONES = [
    ZoneInfo(name)
    for name in ("Asia/Kolkata", "UTC", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Cairo")
]
CLOCKS = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.integers(0, 59))
WHENS: st.SearchStrategy[When] = st.one_of(
    st.builds(Daily, CLOCKS),
    st.builds(Weekly, st.lists(st.sampled_from(WEEKDAYS), min_size=1, unique=True).map(tuple), CLOCKS),
    st.builds(Monthly, st.integers(1, 31), CLOCKS),
    st.sampled_from(["*/15 * * * *", "30 1,2 * * *", "0 0 29 2 *", "10,35 2 * * *", "5 4 * * 1-5"]).map(Cron),
    st.builds(
        CalendarEvent,
        st.sampled_from(["gstr1_due", "gstr2b_published", "gstr3b_due", "iff_due"]),
        st.integers(-3 * 1440, 3 * 1440),
        st.booleans(),
        st.sampled_from([360, 1440, 2880]),
    ),
)
MOMENTS = st.datetimes(datetime(2017, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(WHENS, st.sampled_from(ZONES), MOMENTS)
def test_slots_grow_and_come_after_the_moment(when: When, zone: ZoneInfo, after: datetime) -> None:
    found = list(islice(slots(when, zone, USUAL, after), 60))

    assert found
    assert all(a < b for a, b in pairwise([after, *found]))


@given(WHENS, st.sampled_from(ZONES), MOMENTS, st.integers(1, 20))
def test_wherever_one_begins_to_look_the_same_slots_follow(
    when: When, zone: ZoneInfo, after: datetime, skipped: int
) -> None:
    found = list(islice(slots(when, zone, USUAL, after), skipped + 10))
    passed = min(skipped, len(found))
    begin = found[passed - 1]

    assert list(islice(slots(when, zone, USUAL, begin), len(found) - passed)) == found[passed:]
    assert next_slot(when, zone, USUAL, begin - timedelta(microseconds=1)) == begin


@given(CLOCKS, st.sampled_from(ZONES), MOMENTS)
def test_a_daily_rule_has_one_slot_for_each_local_day(at: str, zone: ZoneInfo, after: datetime) -> None:
    """Also on days with 23 or 25 hours; a time that is skipped is at most some hours later, on the same day."""
    found = [slot.astimezone(zone) for slot in islice(slots(Daily(at), zone, USUAL, after), 400)]

    assert all(b.date() - a.date() == timedelta(days=1) for a, b in pairwise(found))
    told = Counter(f"{slot:%H:%M}" for slot in found)
    assert told[at] >= 397, "at most one skipped time a year"


def test_an_hour_that_the_clock_skips_is_the_hour_after_it_and_one_that_comes_twice_counts_once() -> None:
    new_york = ZoneInfo("America/New_York")
    every_half_hour = Cron("0,30 * * * *")

    spring = list(slots_of_day(every_half_hour, new_york, date(2026, 3, 8)))
    autumn = list(slots_of_day(every_half_hour, new_york, date(2026, 11, 1)))

    assert len(spring) == 46
    assert len(autumn) == 48, "of fifty half hours, the second one o'clock is left out"
    assert next_slot(Daily("02:30"), new_york, USUAL, datetime(2026, 3, 8, 1, tzinfo=UTC)) == datetime(
        2026, 3, 8, 7, 30, tzinfo=UTC
    )
    assert next_slot(Daily("01:30"), new_york, USUAL, datetime(2026, 11, 1, 3, tzinfo=UTC)) == datetime(
        2026, 11, 1, 5, 30, tzinfo=UTC
    )


def slots_of_day(when: When, zone: ZoneInfo, day: date) -> list[datetime]:
    begin = datetime.combine(day, datetime.min.time(), zone)
    end = datetime.combine(day + timedelta(days=1), datetime.min.time(), zone)
    return [s for s in islice(slots(when, zone, USUAL, begin - timedelta(seconds=1)), 100) if s < end]


@given(st.integers(0, 86_400), st.uuids(version=4))
def test_the_spread_lies_in_the_window_and_never_changes(window_s: int, number: object) -> None:
    schedule = f"sc_{number}"

    assert 0 <= spread_s(schedule, window_s) < max(window_s, 1)
    assert spread_s(schedule, window_s) == spread_s(schedule, window_s)


def test_f34_a1_a_thousand_schedules_of_one_event_start_spread_over_the_window_as_told_before() -> None:
    window_s, at = 7_200, CalendarEvent("gstr2b_published", 360)
    schedules = [f"sc_{n:032x}" for n in range(1_000)]
    now = datetime(2026, 11, 24, tzinfo=UTC)

    def starts(moment: datetime) -> list[datetime]:
        slot = next_slot(at, INDIA, USUAL, moment)
        assert slot is not None
        return [slot + timedelta(seconds=spread_s(one, window_s)) for one in schedules]

    told, later = starts(now), starts(now + timedelta(days=19))

    six = datetime(2026, 12, 14, 6, tzinfo=INDIA)
    assert told == later, "the times that were shown are the times at which they start"
    assert min(told) >= six
    assert max(told) < six + timedelta(seconds=window_s)
    by_tenth = Counter((start - six) // timedelta(seconds=window_s / 10) for start in told)
    assert set(by_tenth) == set(range(10))
    assert max(by_tenth.values()) < 150, "no part of the window takes half as many again as its share"


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (CalendarEvent("gstr2b_published", 360), ["2026-12-14 06:00", "2027-01-14 06:00"]),
        (CalendarEvent("gstr3b_due", -17 * 60), ["2026-12-19 07:00", "2027-01-19 07:00"]),
        (CalendarEvent("gstr1_due"), ["2026-12-11 00:00", "2027-01-11 00:00"]),
        (CalendarEvent("iff_due"), ["2026-12-13 00:00", "2027-02-13 00:00"]),
        (Monthly(31, "09:00"), ["2026-11-30 09:00", "2026-12-31 09:00"]),
        (Weekly(("mon", "sat"), "07:30"), ["2026-11-28 07:30", "2026-11-30 07:30"]),
        (Cron("0 7 1 4 *"), ["2027-04-01 07:00", "2028-04-01 07:00"]),
    ],
)
def test_rules_in_the_words_of_tax(when: When, expected: list[str]) -> None:
    found = slots(when, INDIA, USUAL, datetime(2026, 11, 24, 5, tzinfo=UTC))

    assert [f"{slot.astimezone(INDIA):%Y-%m-%d %H:%M}" for slot in islice(found, 2)] == expected


def test_a_2b_is_asked_for_daily_until_it_is_final() -> None:
    until_final = CalendarEvent("gstr2b_published", 360, True)

    found = slots(until_final, INDIA, USUAL, datetime(2026, 12, 1, tzinfo=UTC))

    days = [slot.astimezone(INDIA).date() for slot in islice(found, 8)]
    assert days == [*(date(2026, 12, day) for day in range(14, 21)), date(2027, 1, 14)]
    assert final_at(USUAL, "2026-11") == datetime(2026, 12, 21, tzinfo=INDIA)


def test_f34_a4_a_moved_day_moves_the_slots() -> None:
    moved = Calendar(
        {("gstr2b_published", "2026-11"): date(2026, 12, 17), ("gstr3b_due", "2026-11"): date(2026, 12, 30)}
    )
    after = datetime(2026, 12, 1, tzinfo=UTC)
    until_final = CalendarEvent("gstr2b_published", 0, True)

    days = [slot.astimezone(INDIA).date() for slot in islice(slots(until_final, INDIA, moved, after), 15)]

    assert days == [*(date(2026, 12, day) for day in range(17, 31)), date(2027, 1, 14)]


@given(st.sampled_from(["gstr1_due", "gstr2b_published", "gstr3b_due"]), st.integers(-120, 120), MOMENTS)
def test_a_day_is_found_wherever_it_was_moved(event: str, by: int, near: datetime) -> None:
    period = f"{near:%Y-%m}"
    usual = USUAL.day(event, period).on  # type: ignore[arg-type]
    moved = Calendar({(event, period): usual + timedelta(days=by)})  # type: ignore[dict-item]

    found = moved.between(event, usual + timedelta(days=by), usual + timedelta(days=by))  # type: ignore[arg-type]

    assert period in [day.period for day in found]


@pytest.mark.parametrize(
    ("expression", "readable"),
    [("0 7 * * *", True), ("*/15 * * * 1-5", True), ("0 0 7 * * *", False), ("61 * * * *", False), ("daily", False),
     ("0 7 * *", False), ("@daily", False), ("0 7 31 2 *", False)],
)  # fmt: skip
def test_only_five_fields_that_can_come_true_are_a_cron_rule(expression: str, readable: bool) -> None:
    assert is_cron(expression) is readable


def test_a_rule_for_every_few_minutes_is_too_often() -> None:
    after = datetime(2026, 12, 1, tzinfo=UTC)

    assert is_too_often(Cron("*/10 * * * *"), INDIA, USUAL, after)
    assert is_too_often(Cron("0,5 7 * * *"), INDIA, USUAL, after)
    assert not is_too_often(Cron("*/15 * * * *"), INDIA, USUAL, after)
