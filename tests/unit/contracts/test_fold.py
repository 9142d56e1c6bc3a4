"""`fold` and `reopen`: absorption, monotony, replay; and the table of what each fact does."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sync_contracts.outcomes import COUNTED_RETRIES, HUMAN_GATED, Code
from sync_contracts.units import (
    ATTEMPTS_PER_ROUND,
    DEFAULT_LIMITS,
    DISPLAY_STATES,
    RANK_OF_STATE,
    TERMINAL,
    Fact,
    FactType,
    Unit,
    display_index,
    failed_by_limits,
    fold,
    is_ahead,
    reopen,
    round_of,
)

from tests.unit.contracts.unit_histories import LIMITS, History, fact, histories

LATER = 10_000


def place(unit: Unit) -> tuple[int, int, int]:
    """Order of a unit's versions within its life: round, then attempt and rank while open, then terminal."""
    if unit.terminal:
        return (round_of(unit.a), 10**9, 0)
    return (round_of(unit.a), unit.a, RANK_OF_STATE[unit.s])


@given(histories())
def test_a_folded_fact_is_absorbed_by_every_later_state(history: History) -> None:
    for happened, at in zip(history.facts, history.folded_at, strict=True):
        for later in history.states[at:]:
            assert fold(later, happened, LATER, LIMITS) is later


@given(histories(), st.data())
def test_replays_of_prefixes_duplicates_and_permutations_change_nothing(history: History, data: st.DataObject) -> None:
    if not history.facts:
        return
    prefix = history.facts[: data.draw(st.integers(1, len(history.facts)))]
    again = data.draw(st.permutations(prefix + history.facts[:3]))
    unit = history.end
    for happened in again:
        unit = fold(unit, happened, LATER, LIMITS)
    assert unit is history.end


@given(histories())
def test_a_unit_never_goes_back(history: History) -> None:
    for before, after in zip(history.states, history.states[1:], strict=False):
        assert place(before) <= place(after)
        assert before.a <= after.a or after.terminal


@given(histories())
def test_a_success_is_final_and_a_verdict_lasts_its_round(history: History) -> None:
    for before, after in zip(history.states, history.states[1:], strict=False):
        if before.s == "S":
            assert after is before
        if before.s in TERMINAL and after is not before:
            assert (after.s, after.a % ATTEMPTS_PER_ROUND, after.f) == ("W", 0, 0)
            assert round_of(after.a) > round_of(before.a)


@given(histories())
def test_failures_are_at_most_the_attempts_of_the_round_with_a_counted_retry(history: History) -> None:
    for index, unit in enumerate(history.states):
        seen = [f for f, at in zip(history.facts, history.folded_at, strict=True) if at <= index]
        counted = {f.attempt for f in seen if f.type is FactType.RETRY and f.counted}
        assert unit.f <= sum(round_of(attempt) == round_of(unit.a) for attempt in counted)
        assert unit.f <= LIMITS.max_failures


@given(histories())
def test_limits_end_a_unit(history: History) -> None:
    for unit in history.states:
        if unit.s == "W":
            assert unit.f < LIMITS.max_failures
            assert unit.a % ATTEMPTS_PER_ROUND < LIMITS.max_attempts


@given(histories(), st.integers(1, 4), st.integers(1, 9))
def test_nothing_issued_before_a_retry_touches_the_reopened_unit(history: History, ahead: int, attempt: int) -> None:
    unit = history.end
    following = round_of(unit.a) + ahead
    waiting = reopen(unit, following, selected=True, now_ms=LATER)
    if waiting is unit:
        return
    for kind in FactType:
        late = fact(kind, max(1, min(unit.a + 1, unit.a + attempt - 8)), "UNKNOWN")
        assert fold(waiting, late, LATER, LIMITS) is waiting
    assert waiting.a == ATTEMPTS_PER_ROUND * following
    assert fold(waiting, fact(FactType.SUCCEEDED, waiting.a + 1, "OK"), LATER, LIMITS).s == "S"


@given(histories())
def test_reopening_twice_is_reopening_once(history: History) -> None:
    unit = history.end
    following = round_of(unit.a) + 1
    once = reopen(unit, following, selected=True, now_ms=1)
    assert reopen(once, following, selected=True, now_ms=2) is once
    assert reopen(unit, following, selected=False, now_ms=1) is unit
    assert reopen(unit, round_of(unit.a), selected=True, now_ms=1) is unit


OPEN = [Unit("W", 2, 1, 5, e="PORTAL_ERROR"), Unit("D", 2, 1, 5), Unit("R", 2, 1, 5)]


@pytest.mark.parametrize("unit", OPEN, ids=lambda unit: unit.s)
@pytest.mark.parametrize(
    ("kind", "same", "newer"),
    [
        (FactType.DISPATCHED, lambda u: u.s, "D"),
        (FactType.STARTED, lambda u: "R" if u.s in {"D", "R"} else "W", "R"),
        (FactType.RETRY, lambda _: "W", "W"),
        (FactType.SUCCEEDED, lambda _: "S", "S"),
        (FactType.FAILED, lambda _: "F", "F"),
        (FactType.CANCELLED, lambda _: "C", "C"),
    ],
)
def test_what_each_fact_does_to_an_open_unit(
    unit: Unit, kind: FactType, same: Callable[[Unit], str], newer: str
) -> None:
    code = "INTERRUPTED" if kind is FactType.RETRY else "OK"
    assert fold(unit, fact(kind, 2, code), 100).s == same(unit)
    assert fold(unit, fact(kind, 3, code), 100).s == newer
    older = fold(unit, fact(kind, 1, code), 100)
    assert older.s == "S" if kind is FactType.SUCCEEDED else older is unit


def test_times_come_from_the_clock_of_the_page_writer() -> None:
    unit = Unit()
    dispatched = fold(unit, fact(FactType.DISPATCHED, 1, None), 1_000)
    assert dispatched.t == 1_000 + DEFAULT_LIMITS.dispatched_ms
    running = fold(dispatched, fact(FactType.STARTED, 1, None), 2_000)
    assert running.t == 2_000 + DEFAULT_LIMITS.running_ms
    waiting = fold(running, Fact(FactType.RETRY, 1, "PORTAL_PREPARING", delay_ms=500, cont="token"), 3_000)
    assert (waiting.t, waiting.k, waiting.f) == (3_500, "token", 0)
    done = fold(waiting, Fact(FactType.SUCCEEDED, 1, "OK", rows=7, flags=3), 4_000)
    assert (done.t, done.n, done.g, done.e, done.k) == (4_000, 7, 3, None, None)


def test_the_fifth_counted_failure_ends_the_unit_and_keeps_its_reason() -> None:
    unit = Unit()
    for attempt in range(1, 6):
        assert not unit.terminal
        unit = fold(unit, fact(FactType.RETRY, attempt, "PORTAL_ERROR"), attempt)
    assert (unit.s, unit.f, unit.e) == ("F", 5, "PORTAL_ERROR")
    assert failed_by_limits(unit)


def test_the_last_attempt_ends_the_unit_without_any_failure() -> None:
    unit = fold(Unit("D", 900), fact(FactType.RETRY, 900, "RATE_LIMITED"), 1)
    assert (unit.s, unit.f) == ("F", 0)
    assert failed_by_limits(unit)
    assert not failed_by_limits(Unit("F", 1, e="OTP_REQUIRED"))


def test_only_what_is_more_than_one_attempt_ahead_is_ahead() -> None:
    assert not is_ahead(Unit("W", 4), 5)
    assert is_ahead(Unit("W", 4), 6)
    assert is_ahead(Unit("F", 4), 1_001)
    assert not is_ahead(Unit("S", 4), 1_001)


@pytest.mark.parametrize(
    ("unit", "shown"),
    [
        (Unit("W", 0), "queued"),
        (Unit("D", 1), "queued"),
        (Unit("W", 1, e="RATE_LIMITED"), "waiting"),
        (Unit("W", 1, e="PORTAL_ERROR"), "retrying"),
        (Unit("D", 2, e="PORTAL_ERROR"), "retrying"),
        (Unit("R", 1), "running"),
        (Unit("S", 1), "changed"),
        (Unit("S", 1, e="UNCHANGED"), "unchanged"),
        (Unit("S", 1, e="EMPTY"), "empty"),
        (Unit("S", 1, e="NOT_YET"), "not_available"),
        (Unit("S", 1, e="PRECONDITION"), "not_available"),
        (Unit("S", 0, e="NOT_APPLICABLE"), "skipped"),
        (Unit("F", 1, e="OTP_REQUIRED"), "needs_action"),
        (Unit("F", 1, e="UNKNOWN"), "failed"),
        (Unit("F", 0, e="NO_ACCESS"), "skipped_gap"),
        (Unit("C", 0, e="CANCELLED_BY_USER"), "cancelled"),
    ],
)
def test_what_a_user_is_told(unit: Unit, shown: str) -> None:
    assert DISPLAY_STATES[display_index(unit)] == shown


@settings(max_examples=50)
@given(histories())
def test_every_reachable_state_can_be_shown(history: History) -> None:
    for unit in history.states:
        shown = DISPLAY_STATES[display_index(unit)]
        assert (shown == "needs_action") == (unit.s == "F" and unit.e in HUMAN_GATED)
        assert (shown == "retrying") == (unit.s in "WD" and unit.e in COUNTED_RETRIES)


def test_codes_are_stored_as_plain_text() -> None:
    stored: Any = fold(Unit("D", 1), Fact(FactType.FAILED, 1, Code.UNKNOWN.value), 1).e
    assert type(stored) is str
