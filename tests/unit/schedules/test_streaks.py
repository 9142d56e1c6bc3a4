"""Failures in a row: counted once a run, warned of, suspended; F34 A3."""

from collections.abc import Sequence

import pytest
from bucket_api.schedules.streaks import Streak, after_run, counted, outcomes
from hypothesis import given
from hypothesis import strategies as st
from sync_contracts.outcomes import Code
from sync_contracts.pages import Page
from sync_contracts.units import Unit

DAY_MS = 86_400_000


def after_days(days: Sequence[float], reason: str | None = "otp_required") -> Streak:
    """The row after a failure on each of the days."""
    streak: Streak | None = None
    for run, day in enumerate(days, 1):
        streak = counted(streak, reason, run, round(day * DAY_MS))
    assert streak is not None
    return streak


def test_f34_a3_five_failures_over_three_days_warn_and_ten_over_seven_suspend() -> None:
    daily = [after_days(range(n)).state for n in range(1, 12)]
    twice_a_day = [after_days([n / 2 for n in range(count)]).state for count in range(1, 17)]

    assert daily == ["counting"] * 4 + ["warned"] * 5 + ["suspended"] * 2
    assert twice_a_day == ["counting"] * 6 + ["warned"] * 8 + ["suspended"] * 2


def test_many_failures_in_an_hour_suspend_nothing() -> None:
    assert after_days([n / 1000 for n in range(40)]).state == "counting"


def test_a_success_ends_the_row() -> None:
    row = after_days(range(9))

    ended = counted(row, None, 10, 9 * DAY_MS)
    begun = counted(ended, "otp_required", 11, 10 * DAY_MS)

    assert ended is not None
    assert begun is not None
    assert (ended.state, ended.n) == ("clear", 0)
    assert (begun.state, begun.n, begun.first_at) == ("counting", 1, 10 * DAY_MS)
    assert counted(None, None, 1, 0) is None, "who never failed needs no row"


@given(st.lists(st.tuples(st.integers(1, 30), st.sampled_from([None, "otp_required"])), max_size=40))
def test_a_run_that_is_told_again_or_late_counts_nothing(told: list[tuple[int, str | None]]) -> None:
    """As the newest of each run came first."""
    streak: Streak | None = None
    fresh: Streak | None = None
    newest = 0
    for run, reason in told:
        streak = counted(streak, reason, run, run * DAY_MS)
        if run > newest and (fresh or reason):
            fresh = counted(fresh, reason, run, run * DAY_MS)
            newest = run
        elif run > newest and fresh is None:
            continue
    assert streak == fresh


PAGE = Page(
    id="b:0",
    bucket="b",
    number=0,
    tenant="t_one",
    shard=0,
    v=1,
    r=0,
    clients=("c_1", "c_2", "c_3", "c_4"),
    rows=(
        (Unit("S", a=1), Unit("F", a=1, e=Code.OTP_REQUIRED)),
        (Unit("S", a=1, e=Code.NOT_YET), Unit("F", a=5, f=5, e=Code.PORTAL_ERROR)),
        (Unit("S", e=Code.NOT_APPLICABLE), Unit("F", e=Code.NO_ACCESS)),
        (Unit("F", a=1, e=Code.SERVICE_CONFIG), Unit("C", e=Code.CANCELLED_BY_USER)),
    ),
)


def test_a_run_tells_of_answers_and_of_failures_that_are_the_clients() -> None:
    assert outcomes([PAGE], ["gstr2b", "notices"]) == {
        ("c_1", "gstr2b"): None,
        ("c_1", "notices"): "otp_required",
        ("c_2", "gstr2b"): None,
        ("c_2", "notices"): "retries_exhausted",
    }


def test_a_module_with_two_columns_fails_when_one_of_them_does() -> None:
    assert outcomes([PAGE], ["gstr2b", "gstr2b"])["c_1", "gstr2b"] == "otp_required"


@pytest.mark.parametrize("code", [Code.SUSPENDED, Code.LOGIN_GUARD, Code.CLIENT_INACTIVE])
def test_what_took_no_part_is_no_failure(code: Code) -> None:
    page = Page("b:0", "b", 0, "t_one", 0, 1, 0, ("c_1",), ((Unit("F", e=code),),))

    assert outcomes([page], ["gstr2b"]) == {}


def test_only_rows_that_a_run_changes_are_written() -> None:
    known = {("c_1", "notices"): after_days(range(4))}
    told = {("c_1", "notices"): "otp_required", ("c_2", "notices"): None, ("c_3", "notices"): "otp_required"}

    after = after_run(known, told, 5, 4 * DAY_MS)

    assert {place: streak.n for place, streak in after.items()} == {("c_1", "notices"): 5, ("c_3", "notices"): 1}
    assert after_run({**known, **after}, told, 5, 4 * DAY_MS) == {}
