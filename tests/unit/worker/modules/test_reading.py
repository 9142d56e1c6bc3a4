"""Calendar, amounts and canonical text: the pure parts under the modules."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sync_contracts.catalogue import MODULES
from sync_worker.modules.calendar import (
    day_after_month,
    day_of,
    financial_year_of,
    month_of,
    months_before,
    today_in_india,
)
from sync_worker.modules.canonical import Malformed, amount, canonical
from sync_worker.modules.registry import gst_modules


def test_the_day_in_india_begins_before_the_day_in_utc() -> None:
    assert today_in_india(datetime(2026, 11, 13, 18, 29, tzinfo=UTC)) == date(2026, 11, 13)
    assert today_in_india(datetime(2026, 11, 13, 18, 30, tzinfo=UTC)) == date(2026, 11, 14)


@pytest.mark.parametrize(
    ("month", "year"), [("2026-04", "2026-27"), ("2027-03", "2026-27"), ("2026-03", "2025-26"), ("2099-12", "2099-00")]
)
def test_financial_years_begin_in_april(month: str, year: str) -> None:
    assert financial_year_of(month) == year


def test_months_are_counted_over_the_turn_of_the_year() -> None:
    assert months_before("2026-01", 1) == "2025-12"
    assert day_after_month("2026-12", 14) == date(2027, 1, 14)


@pytest.mark.parametrize("text", ["132026", "00202", "2026-10", "1020260", "102126x", None, 102026])
def test_what_is_no_period_is_none(text: object) -> None:
    assert month_of(text) is None


@pytest.mark.parametrize(
    ("text", "day"),
    [("31/10/2026", date(2026, 10, 31)), ("31-10-2026", date(2026, 10, 31)), ("31/02/2026", None), ("NA", None)],
)
def test_days_are_read_in_both_spellings(text: str, day: date | None) -> None:
    assert day_of(text) == day


def test_amounts_are_exact_and_absent_ones_are_zero() -> None:
    assert amount(Decimal("0.10")) + amount("0.20") + amount(1) + amount(None) + amount("") == Decimal("1.30")


@pytest.mark.parametrize(
    "value", [True, 1.5, "ten", Decimal("NaN"), Decimal("Infinity"), Decimal("1E+30"), [], "1e999"]
)
def test_what_is_no_amount_is_refused(value: object) -> None:
    with pytest.raises(Malformed):
        amount(value)


@given(st.dictionaries(st.text(max_size=5), st.decimals(allow_nan=False, allow_infinity=False, places=2), max_size=5))
def test_canonical_text_does_not_depend_on_the_order(values: dict[str, Decimal]) -> None:
    backwards = dict(reversed(values.items()))
    assert canonical(values) == canonical(backwards)


def test_the_registry_has_every_module_of_the_catalogue() -> None:
    assert set(gst_modules()) == set(MODULES)
    assert all(module.stores for module in gst_modules().values())
