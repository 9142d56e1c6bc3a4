"""What a schedule does when its time comes; F34 A2 and A5."""

from datetime import timedelta
from itertools import pairwise

import pytest
from bucket_api.schedules.calendar import Calendar
from bucket_api.schedules.decisions import GIVE_UP_AFTER_MS, MISSED_AFTER_MS, decide, due_slots, refused, started
from bucket_api.schedules.schedule import KEPT_OCCURRENCES, Pending, Running, Schedule
from bucket_api.schedules.when import Cron
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.unit.schedules.schedules import DAY_MS, HOUR_MS, NOW_MS, schedule

USUAL = Calendar()


def slot_of(one: Schedule) -> int:
    assert one.slot is not None
    return one.slot


def test_nothing_happens_before_the_start_of_the_slot() -> None:
    one = schedule(window_s=7_200)

    decision = decide(one, USUAL, one.start_of(slot_of(one)) - 1, runs=False)

    assert (decision.pending, decision.noted) == (None, ())
    assert (decision.slot, decision.next_at) == (one.slot, one.next_at)


def test_a_slot_becomes_pending_at_its_start_and_the_next_one_is_known() -> None:
    one = schedule(window_s=7_200)
    now_ms = one.start_of(slot_of(one))

    decision = decide(one, USUAL, now_ms, runs=False)

    assert decision.pending == Pending(slot_of(one), now_ms)
    assert (decision.passed, decision.slot) == (one.slot, slot_of(one) + DAY_MS)
    assert decision.noted == ()


def test_f34_a2_a_missed_week_is_one_run_and_the_others_are_listed() -> None:
    one = schedule()
    now_ms = slot_of(one) + 6 * DAY_MS + HOUR_MS

    decision = decide(one, USUAL, now_ms, runs=False)

    assert decision.pending == Pending(slot_of(one) + 6 * DAY_MS, now_ms)
    assert [(o.slot, o.state, o.reason, o.into) for o in decision.noted] == [
        (slot_of(one) + n * DAY_MS, "coalesced", "missed", slot_of(one) + 6 * DAY_MS) for n in range(6)
    ]


def test_a_slot_that_was_missed_months_ago_is_caught_up_with_and_years_of_frequent_ones_end_in_one_run() -> None:
    yearly = schedule(when=Cron("0 7 1 12 *"))
    frequent = schedule(when=Cron("*/15 * * * *"))
    years = NOW_MS + 800 * DAY_MS

    late = decide(yearly, USUAL, slot_of(yearly) + 90 * DAY_MS, runs=False)
    many = decide(frequent, USUAL, years, runs=False)

    assert late.pending is not None
    assert late.pending.slot == slot_of(yearly)
    assert many.pending is not None
    assert years - many.pending.slot < 15 * 60_000
    assert len(many.noted) == KEPT_OCCURRENCES


def test_missed_slots_are_left_out_by_the_other_policy() -> None:
    one = schedule(missed="skip")
    late = slot_of(one) + 6 * DAY_MS + MISSED_AFTER_MS + 1

    decision = decide(one, USUAL, late, runs=False)

    assert decision.pending is None
    assert [(o.state, o.reason) for o in decision.noted] == [("skipped", "missed")] * 7
    in_time = decide(one, USUAL, late - 1, runs=False)
    assert in_time.pending == Pending(slot_of(one) + 6 * DAY_MS, late - 1)
    assert len(in_time.noted) == 6


@pytest.mark.parametrize(("overlap", "told"), [("skip", ("skipped", "overlap")), ("attach", ("started", "attached"))])
def test_f34_a5_while_its_bucket_runs_no_second_one_is_started(overlap: str, told: tuple[str, str]) -> None:
    one = schedule(overlap=overlap, running=Running("b_1", NOW_MS))

    decision = decide(one, USUAL, slot_of(one), runs=True)

    assert decision.pending is None
    assert [(o.slot, o.state, o.reason, o.bucket_id) for o in decision.noted] == [(one.slot, *told, "b_1")]
    assert decision.slot == slot_of(one) + DAY_MS


@settings(max_examples=30)
@given(
    st.sampled_from(["0 7 * * *", "*/15 * * * *", "30 6,18 * * *"]),
    st.lists(st.integers(1, 2 * DAY_MS), min_size=1, max_size=8),
    st.sampled_from(["coalesce", "skip"]),
    st.integers(0, 7_200),
)
def test_whenever_one_looks_every_slot_is_accounted_for_once(
    expression: str, waits_ms: list[int], missed: str, window_s: int
) -> None:
    """Started, coalesced or skipped: each slot of the rule, in order, none twice."""
    one = schedule(when=Cron(expression), missed=missed, window_s=window_s)
    began, now_ms = one, NOW_MS
    handled: list[int] = []
    listed_all = True
    for wait_ms in waits_ms:
        now_ms += wait_ms
        listed_all = listed_all and len(due_slots(one, USUAL, now_ms)) <= KEPT_OCCURRENCES + 1
        decision = decide(one, USUAL, now_ms, runs=False)
        handled += [*(o.slot for o in decision.noted), *([decision.pending.slot] if decision.pending else [])]
        one = replace(one, passed=decision.passed, slot=decision.slot, next_at=decision.next_at)

    expected = due_slots(began, USUAL, now_ms)
    assert all(a < b for a, b in pairwise(handled))
    assert handled == expected if listed_all else set(handled) < set(expected)


def test_what_limits_refuse_is_tried_again_and_given_up_after_hours() -> None:
    one = schedule()
    pending = Pending(slot_of(one), NOW_MS)

    soon = refused(one, pending, "too_many_active_buckets", NOW_MS + 1, again=True)
    late = refused(one, pending, "too_many_active_buckets", NOW_MS + GIVE_UP_AFTER_MS, again=True)
    wrong = refused(one, pending, "selection_empty", NOW_MS + 1, again=False)

    assert soon.pending == pending
    assert soon.next_at == NOW_MS + 1 + 60_000
    assert (soon.noted, late.pending, wrong.pending) == ((), None, None)
    assert [(o.state, o.reason) for o in (*late.noted, *wrong.noted)] == [
        ("skipped", "too_many_active_buckets"),
        ("skipped", "selection_empty"),
    ]


def test_a_start_is_noted_with_its_bucket() -> None:
    one = schedule()
    done = started(one, Pending(slot_of(one), NOW_MS), "b_9", NOW_MS + 5, attached=True)

    (noted,) = done.noted
    assert (noted.state, noted.reason, noted.bucket_id, noted.at) == ("started", "attached", "b_9", NOW_MS + 5)
    assert (done.pending, done.next_at) == (None, one.next_at)


def test_a_slot_that_the_calendar_no_longer_has_is_forgotten() -> None:
    one = replace(schedule(), slot=NOW_MS + 1, next_at=NOW_MS + 1)

    decision = decide(one, USUAL, NOW_MS + 2, runs=False)

    assert (decision.pending, decision.noted) == (None, ())
    assert decision.slot == schedule().slot
    assert timedelta(milliseconds=slot_of(schedule()) - NOW_MS) < timedelta(days=1)
