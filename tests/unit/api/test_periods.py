"""Default periods and the calendar behind them."""

from datetime import date

import pytest
from bucket_api.buckets import periods
from hypothesis import given
from hypothesis import strategies as st
from sync_contracts.catalogue import ClientKind, Module


@pytest.mark.parametrize(
    ("today", "newest", "quarter", "year"),
    [
        (date(2026, 11, 23), "2026-10", "2026-09", "2026-27"),
        (date(2026, 11, 14), "2026-10", "2026-09", "2026-27"),
        (date(2026, 11, 13), "2026-09", "2026-09", "2026-27"),
        (date(2026, 10, 13), "2026-08", "2026-06", "2026-27"),
        (date(2026, 10, 14), "2026-09", "2026-09", "2026-27"),
        (date(2027, 1, 14), "2026-12", "2026-12", "2026-27"),
        (date(2027, 1, 13), "2026-11", "2026-09", "2026-27"),
        (date(2027, 2, 1), "2026-12", "2026-12", "2026-27"),
        (date(2027, 4, 1), "2027-02", "2026-12", "2027-28"),
        (date(2027, 3, 31), "2027-02", "2026-12", "2026-27"),
    ],
)
def test_the_newest_published_month_quarter_and_year(today: date, newest: str, quarter: str, year: str) -> None:
    assert periods.newest_published(today) == newest
    assert periods.newest_published_quarter(today) == quarter
    assert periods.financial_year(today) == year


@given(st.dates(date(2020, 1, 1), date(2099, 12, 31)))
def test_a_published_month_has_ended_and_its_quarter_is_not_newer(today: date) -> None:
    newest, quarter = periods.newest_published(today), periods.newest_published_quarter(today)
    assert newest < f"{today:%Y-%m}"
    assert quarter <= newest
    assert periods.is_quarter_end(quarter)
    assert periods.is_financial_year(periods.financial_year(today))


@pytest.mark.parametrize("text", ["2026", "2026-2027", "2026-28", "26-27", "2026/27", "abcd-ef", "", "2026-2"])
def test_other_texts_are_no_year(text: str) -> None:
    assert not periods.is_financial_year(text)


def test_the_turn_of_a_century_is_a_year() -> None:
    assert periods.is_financial_year("2099-00")


def test_a_year_has_twelve_months_as_far_as_they_are_published() -> None:
    assert periods.months_of_year("2025-26", "2026-10")[0::11] == ["2025-04", "2026-03"]
    assert periods.months_of_year("2026-27", "2026-06") == ["2026-04", "2026-05", "2026-06"]


@pytest.mark.parametrize(
    ("today", "month", "quarter"),
    [
        (date(2026, 11, 24), "2026-10", "2026-09"),
        (date(2026, 10, 1), "2026-09", "2026-09"),
        (date(2026, 9, 30), "2026-08", "2026-06"),
        (date(2027, 1, 31), "2026-12", "2026-12"),
        (date(2027, 3, 31), "2027-02", "2026-12"),
    ],
)
def test_f06_a2_the_last_month_and_the_last_quarter_that_have_ended(today: date, month: str, quarter: str) -> None:
    both = (ClientKind.REGULAR, ClientKind.QRMP)
    for module in (Module.GSTR1, Module.GSTR1A, Module.GSTR3B):
        assert periods.default_period(module, ClientKind.REGULAR, today) == month
        assert periods.default_period(module, ClientKind.QRMP, today) == quarter
        assert periods.default_periods(module, both, today) == sorted({month, quarter})
    assert periods.default_periods(Module.GSTR2A, both, today) == [month]
    assert periods.default_periods(Module.LEDGERS, both, today) == [periods.financial_year(today)]


def test_one_default_period_for_each_kind_of_filer() -> None:
    today = date(2026, 11, 23)
    both = (ClientKind.REGULAR, ClientKind.QRMP)
    assert periods.default_periods(Module.GSTR2B, both, today) == ["2026-09", "2026-10"]
    assert periods.default_periods(Module.GSTR2B, both, date(2026, 10, 20)) == ["2026-09"]
    assert periods.default_periods(Module.GSTR2B, (), today) == ["2026-10"]
    assert periods.default_periods(Module.NOTICES, both, today) == [None]
    assert periods.default_periods(Module.RETURN_REGISTER, both, today) == ["2026-27"]
