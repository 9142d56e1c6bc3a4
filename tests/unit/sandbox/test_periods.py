from datetime import date

import pytest
from portal_sandbox.periods import Period, months_of, newest_twob, parse_financial_year, parse_period


def test_period_reads_and_writes_mmyyyy() -> None:
    assert parse_period("102026") == Period(2026, 10)
    assert str(Period(2026, 4)) == "042026"


@pytest.mark.parametrize("text", ["", "132026", "002026", "2026-10", "10202", "101926"])
def test_other_texts_are_no_period(text: str) -> None:
    assert parse_period(text) is None


@pytest.mark.parametrize(("text", "year"), [("2026-27", 2026), ("2017-18", 2017), ("2099-00", 2099)])
def test_financial_year(text: str, year: int) -> None:
    assert parse_financial_year(text) == year


@pytest.mark.parametrize("text", ["2016-17", "2026-28", "2026", "26-27", ""])
def test_other_texts_are_no_financial_year(text: str) -> None:
    assert parse_financial_year(text) is None


def test_months_of_a_financial_year_run_from_april_to_march() -> None:
    months = months_of(2026)
    assert (months[0], months[-1], len(months)) == (Period(2026, 4), Period(2027, 3), 12)
    assert {month.financial_year for month in months} == {2026}


@pytest.mark.parametrize(
    ("today", "newest"),
    [
        (date(2026, 11, 13), Period(2026, 9)),
        (date(2026, 11, 14), Period(2026, 10)),
        (date(2027, 1, 14), Period(2026, 12)),
        (date(2027, 1, 1), Period(2026, 11)),
    ],
)
def test_newest_twob_turns_on_the_fourteenth(today: date, newest: Period) -> None:
    assert newest_twob(today) == newest
