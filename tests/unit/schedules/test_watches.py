"""When to ask again for what was not on the portal, and for whom; F40 A1."""

from datetime import UTC, date, datetime, timedelta

import pytest
from bucket_api.schedules.calendar import INDIA, Calendar
from bucket_api.schedules.schedule import milliseconds, moment
from bucket_api.schedules.watches import (
    DAY_MS,
    LEAST_WAIT_MS,
    SPREAD_S,
    WINDOW,
    day_of,
    end_of,
    event_of,
    next_try,
    not_yet,
    still_missing,
    watch_until,
)
from hypothesis import given
from hypothesis import strategies as st
from sync_contracts.outcomes import Code
from sync_contracts.pages import Page
from sync_contracts.units import Unit

USUAL = Calendar()
OF_2B = {"module": "gstr2b", "period": "2026-11"}
PUBLISHED = datetime(2026, 12, 14, tzinfo=INDIA)
RESUMED = {"auto_resume": True}


def test_f40_a1_a_2b_is_asked_for_first_on_the_day_of_its_publication_then_daily_at_the_same_time() -> None:
    asked = milliseconds(datetime(2026, 12, 3, 9, tzinfo=UTC))

    first = next_try("b_1:0", USUAL, "gstr2b_published", "2026-11", asked)
    second = next_try("b_1:0", USUAL, "gstr2b_published", "2026-11", first)

    began = PUBLISHED + timedelta(hours=6)
    assert began <= moment(first) < began + timedelta(seconds=SPREAD_S)
    assert second == first + DAY_MS
    assert (day_of(first), day_of(second)) == ("2026-12-14", "2026-12-15")


@given(st.integers(0, 40 * DAY_MS), st.integers(0, 10_000))
def test_the_next_try_is_the_first_daily_one_after_a_time(after_ms: int, number: int) -> None:
    after = milliseconds(PUBLISHED) + after_ms

    found = next_try(f"b_{number}:0", USUAL, "gstr2b_published", "2026-11", after)

    assert after < found
    first = next_try(f"b_{number}:0", USUAL, "gstr2b_published", "2026-11", 0)
    assert (found - first) % DAY_MS == 0
    assert found == first or LEAST_WAIT_MS < found - after <= DAY_MS + LEAST_WAIT_MS


def test_a_moved_publication_moves_the_first_try_and_the_window() -> None:
    moved = Calendar({("gstr2b_published", "2026-11"): date(2026, 12, 17)})

    usual, later = (next_try("b_1:0", c, "gstr2b_published", "2026-11", 0) for c in (USUAL, moved))

    assert later == usual + 3 * DAY_MS
    assert end_of(moved, "gstr2b_published", "2026-11") == end_of(USUAL, "gstr2b_published", "2026-11") + 3 * DAY_MS


def test_only_months_of_a_module_that_is_published_on_a_day_are_watched() -> None:
    assert event_of(OF_2B) == "gstr2b_published"
    assert event_of({"module": "gstr1a", "period": "2026-11"}) == "gstr1_due"
    assert event_of({"module": "gstr1", "period": "2026-11"}) is None
    assert event_of({"module": "notices", "period": None}) is None
    assert event_of({"module": "return_register", "period": "2026-27"}) is None
    assert event_of({"module": "of_a_later_release", "period": "2026-11"}) is None


@pytest.mark.parametrize(
    ("columns", "options", "origin", "watched"),
    [
        ([OF_2B], RESUMED, "api", True),
        ([OF_2B], RESUMED, "schedule", True),
        ([OF_2B], RESUMED, "rearm", False),
        ([OF_2B], {"auto_resume": False}, "api", False),
        ([OF_2B], {}, "api", False),
        ([{"module": "notices", "period": None}], RESUMED, "api", False),
        ([{"module": "gstr2b", "period": "2026-06"}], RESUMED, "api", False),
    ],
)
def test_a_new_bucket_is_watched_for_a_2b_inside_its_window_if_it_may_go_on_by_itself(
    columns: list[dict[str, object]], options: dict[str, bool], origin: str, watched: bool
) -> None:
    now_ms = milliseconds(datetime(2026, 12, 1, tzinfo=UTC))

    until = watch_until(columns, options, origin, now_ms)

    assert until == (milliseconds(PUBLISHED + WINDOW) if watched else None)


def page_of(*units: Unit) -> Page:
    clients = tuple(f"c_{n}" for n in range(len(units)))
    return Page("b:0", "b", 0, "t_one", 0, 1, 0, clients, tuple((unit,) for unit in units))


def test_watched_for_is_who_was_not_there_yet() -> None:
    page = page_of(Unit("S", a=1, e=Code.NOT_YET), Unit("S", a=1), Unit("S", a=1, e=Code.PRECONDITION), Unit("C", a=1))

    assert not_yet([page], 0) == ["c_0"]


def test_after_a_try_is_asked_for_who_is_still_not_there_or_failed_by_itself() -> None:
    page = page_of(
        Unit("S", a=1, e=Code.NOT_YET),
        Unit("F", a=5, f=5, e=Code.PORTAL_ERROR),
        Unit("S", a=1),
        Unit("S", a=1, e=Code.EMPTY),
        Unit("F", a=1, e=Code.OTP_REQUIRED),
        Unit("F", e=Code.NO_ACCESS),
        Unit("C", a=1, e=Code.CANCELLED_BY_USER),
    )

    assert still_missing([page], 0) == ["c_0", "c_1"]
