"""What goes first: by the days of the tax calendar, as the firm has them."""

from datetime import UTC, date, datetime

import pytest
from bucket_api.dispatch.store import bucket_from, calendars_from
from bucket_api.dispatch.urgency import is_history, is_near, urgent_columns
from bucket_api.schedules.calendar import NEEDED_FOR, Calendar
from sync_contracts.catalogue import MODULES

FAR_AWAY = {"deadline_at": 10**15}
BUCKET = {
    "_id": "b_1", "tenant_id": "t_1", "shard": 0, "control": "RUN", "n_pages": 1, "created_by": "us_1", "round": 0,
    "columns": [{"module": "gstr2b", "period": "2026-10"}, {"module": "gstr2b", "period": "2025-10"}],
    "summary": {"p": 0, "w": 0, "d": 0, "r": 0}, **FAR_AWAY,
}  # fmt: skip


def noon_ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, 6, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("period", "day"),
    [("2026-10", date(2026, 11, 20)), ("2026-12", date(2027, 1, 24)), ("2026-11", date(2026, 12, 20)), (None, None)],
)
def test_a_2b_is_needed_for_the_return_of_its_month(period: str | None, day: date | None) -> None:
    assert Calendar().needed_by("gstr2b", period) == day


def test_other_modules_have_no_day() -> None:
    assert Calendar().needed_by("return_register", "2026-27") is None
    assert Calendar().needed_by("no_module", "2026-10") is None
    assert Calendar().needed_by("gstr1", "2026-10") == date(2026, 11, 11)
    assert Calendar().needed_by("gstr1", "2026-09") == date(2026, 10, 13)
    assert set(NEEDED_FOR) <= {module.value for module in MODULES}


@pytest.mark.parametrize(("today", "near"), [(12, False), (13, True), (20, True), (21, False)])
def test_a_2b_is_near_in_the_week_up_to_its_day(today: int, near: bool) -> None:
    assert is_near("gstr2b", date(2026, 11, 20), date(2026, 11, today)) is near


def test_notices_are_always_near_and_what_has_no_day_is_not() -> None:
    assert is_near("notices", None, date(2026, 11, 14))
    assert not is_near("return_register", None, date(2026, 11, 14))


def test_a_month_is_history_a_month_after_its_day() -> None:
    assert not is_history(date(2026, 11, 20), date(2026, 12, 21))
    assert is_history(date(2026, 11, 20), date(2026, 12, 22))
    assert not is_history(None, date(2026, 12, 22))


def test_f42_a1_a_day_that_the_firm_has_moved_makes_its_month_urgent_then_and_not_before() -> None:
    moved = [{"tenant_id": "t_1", "event": "gstr3b_due", "period": "2026-10", "on": "2026-12-05"}]
    calendar = calendars_from(moved)["t_1"]
    usual, later = bucket_from(BUCKET, 1.0), bucket_from(BUCKET, 1.0, calendar)
    first, second = date(2026, 11, 18), date(2026, 12, 3)
    assert [urgent_columns(bucket, noon_ms(first)) for bucket in (usual, later)] == [{0}, set()]
    assert [urgent_columns(bucket, noon_ms(second)) for bucket in (usual, later)] == [set(), {0}]


def test_a_moved_day_counts_for_quarterly_filers_too() -> None:
    moved = Calendar({("gstr3b_due", "2026-09"): date(2026, 10, 22)})
    assert Calendar().needed_by("gstr2b", "2026-09") == date(2026, 10, 24)
    assert moved.needed_by("gstr2b", "2026-09") == date(2026, 10, 22)
