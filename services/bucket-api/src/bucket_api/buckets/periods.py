"""Which period a module is asked for: months `2026-10`, years `2026-27` (April to March), None for live data. Pure.

`today` is the date in India, where return periods live.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

from sync_contracts.catalogue import MODULES, ClientKind, Module

PUBLISHED_ON_DAY: Final = 14
"""From this day of a month the 2B of the month before is published."""
FIRST_MONTH: Final = "2017-07"
FIRST_2B: Final = "2020-08"
QUARTER_ENDS: Final = frozenset({3, 6, 9, 12})


def month_at(index: int) -> str:
    """A month by its number: twelve a year, counted from the year 0."""
    return f"{index // 12:04d}-{index % 12 + 1:02d}"


def month_before(year: int, month: int, months: int = 1) -> str:
    """The month that many months earlier."""
    return month_at(year * 12 + month - 1 - months)


def is_quarter_end(month: str) -> bool:
    """Whether a month ends a quarter, the only months that quarterly filers have."""
    return int(month[5:]) in QUARTER_ENDS


def newest_published(today: date) -> str:
    """The newest month whose 2B is published."""
    return month_before(today.year, today.month, 1 if today.day >= PUBLISHED_ON_DAY else 2)


def newest_published_quarter(today: date) -> str:
    """The newest quarter end whose 2B is published."""
    newest = newest_published(today)
    year, month = int(newest[:4]), int(newest[5:])
    return month_before(year, month, month % 3)


def last_ended_month(today: date) -> str:
    """The month before this one."""
    return month_before(today.year, today.month)


def last_ended_quarter(today: date) -> str:
    """The last month of the last quarter that has ended."""
    return month_before(today.year, today.month, (today.month - 1) % 3 + 1)


def newest_month(module: Module, today: date) -> str:
    """The newest month of which a module may have data; only a 2B is published later than its month ends."""
    published = MODULES[module].default_period == "newest_published"
    return newest_published(today) if published else last_ended_month(today)


def first_month(module: Module) -> str:
    """The first month that may be asked for."""
    return FIRST_2B if module is Module.GSTR2B else FIRST_MONTH


def financial_year(today: date) -> str:
    """The year that the day belongs to."""
    first = today.year if today.month >= 4 else today.year - 1
    return f"{first}-{(first + 1) % 100:02d}"


def is_financial_year(text: str) -> bool:
    """Whether a text names a year as `2026-27`."""
    first, dash, second = text.partition("-")
    return (
        len(first) == 4
        and dash == "-"
        and first.isdecimal()
        and second.isdecimal()
        and len(second) == 2
        and int(second) == (int(first) + 1) % 100
    )


def months_of_year(year: str, newest: str) -> list[str]:
    """Months of a financial year up to `newest`."""
    first = int(year[:4])
    months = [f"{first}-{month:02d}" for month in range(4, 13)] + [f"{first + 1}-{month:02d}" for month in range(1, 4)]
    return [month for month in months if month <= newest]


def default_periods(module: Module, kinds: Sequence[ClientKind], today: date) -> list[str | None]:
    """Distinct default periods of a module over the registration kinds of a selection, oldest first."""
    match MODULES[module].default_period:
        case "live":
            return [None]
        case "current_year":
            return [financial_year(today)]
        case "newest_published":
            return _by_frequency(kinds, newest_published(today), newest_published_quarter(today))
        case "last_ended":
            return _by_frequency(kinds, last_ended_month(today), last_ended_quarter(today))
        case "month_before":
            return [last_ended_month(today)]


def _by_frequency(kinds: Sequence[ClientKind], monthly: str, quarterly: str) -> list[str | None]:
    asked = {quarterly if kind is ClientKind.QRMP else monthly for kind in kinds}
    return [*sorted(asked)] or [monthly]


def default_period(module: Module, kind: ClientKind, today: date) -> str | None:
    """The period that a client of this kind is asked for by default."""
    return default_periods(module, (kind,), today)[0]
