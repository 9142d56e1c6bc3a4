"""Return periods (MMYYYY), financial years (2026-27) and the calendar of the portal."""

import re
from calendar import monthrange
from datetime import date
from typing import NamedTuple

TWOB_DAY = 14
FIRST_FINANCIAL_YEAR = 2017


class Period(NamedTuple):
    """A month; ordered by time."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.month:02}{self.year}"

    def plus(self, months: int) -> "Period":
        index = self.year * 12 + self.month - 1 + months
        return Period(index // 12, index % 12 + 1)

    @property
    def is_quarter_end(self) -> bool:
        return self.month % 3 == 0

    @property
    def financial_year(self) -> int:
        """The calendar year in which its financial year begins."""
        return self.year if self.month >= 4 else self.year - 1

    @property
    def last_day(self) -> date:
        return date(self.year, self.month, monthrange(self.year, self.month)[1])

    def on_day_after(self, day: int) -> date:
        """The given day of the month that follows."""
        following = self.plus(1)
        return date(following.year, following.month, day)


def parse_period(text: str) -> Period | None:
    """MMYYYY, or None when the text is no return period."""
    if re.fullmatch(r"(0[1-9]|1[0-2])20[0-9]{2}", text) is None:
        return None
    return Period(int(text[2:]), int(text[:2]))


def parse_financial_year(text: str) -> int | None:
    """YYYY-YY with two adjoining years, not before 2017-18; its first calendar year."""
    if re.fullmatch(r"20[0-9]{2}-[0-9]{2}", text) is None:
        return None
    start = int(text[:4])
    return start if (start + 1) % 100 == int(text[5:]) and start >= FIRST_FINANCIAL_YEAR else None


def newest_twob(today: date) -> Period:
    """The newest period whose 2B is published: last month from the 14th on, else the month before."""
    return Period(today.year, today.month).plus(-1 if today.day >= TWOB_DAY else -2)


def months_of(financial_year: int) -> tuple[Period, ...]:
    return tuple(Period(financial_year, 4).plus(index) for index in range(12))


def period_of(day: date) -> Period:
    return Period(day.year, day.month)


def dashed(day: date) -> str:
    """dd-mm-yyyy, as in returns."""
    return day.strftime("%d-%m-%Y")


def slashed(day: date) -> str:
    """dd/mm/yyyy, as in notices and ledgers."""
    return day.strftime("%d/%m/%Y")
