"""When data is needed."""

from datetime import date

import pytest
from sync_contracts.catalogue import MODULES
from sync_contracts.due_dates import ALWAYS_NEAR, DUE_DAY, DUE_DAY_AFTER_QUARTER, due_date, is_history, is_near


@pytest.mark.parametrize(
    ("period", "due"),
    [("2026-10", date(2026, 11, 20)), ("2026-12", date(2027, 1, 24)), ("2026-11", date(2026, 12, 20)), (None, None)],
)
def test_a_2b_is_needed_for_the_return_of_its_month(period: str | None, due: date | None) -> None:
    assert due_date("gstr2b", period) == due


def test_other_modules_have_no_day() -> None:
    assert due_date("return_register", "2026-27") is None
    assert due_date("no_module", "2026-10") is None


@pytest.mark.parametrize(
    ("today", "near"),
    [
        (date(2026, 11, 12), False),
        (date(2026, 11, 13), True),
        (date(2026, 11, 20), True),
        (date(2026, 11, 21), False),
    ],
)
def test_a_2b_is_near_in_the_week_up_to_its_day(today: date, near: bool) -> None:
    assert is_near("gstr2b", "2026-10", today) is near


def test_notices_are_always_near_and_history_is_not() -> None:
    today = date(2026, 11, 14)
    assert is_near("notices", None, today)
    assert not is_near("gstr2b", "2025-10", today)
    assert not is_near("return_register", "2026-27", today)


def test_a_month_is_history_a_month_after_its_day() -> None:
    assert not is_history("gstr2b", "2026-10", date(2026, 12, 21))
    assert is_history("gstr2b", "2026-10", date(2026, 12, 22))
    assert not is_history("notices", None, date(2026, 12, 22))


def test_the_tables_name_modules_of_the_catalogue() -> None:
    assert {*ALWAYS_NEAR, *DUE_DAY, *DUE_DAY_AFTER_QUARTER} <= {module.value for module in MODULES}
    assert DUE_DAY.keys() == DUE_DAY_AFTER_QUARTER.keys()
