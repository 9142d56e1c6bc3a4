"""The tax calendar as data: when returns are due and when a 2B is published, with days that were moved. Pure.

Days are days in India. A period is a month as `2026-10`; its days lie in the month after it, unless moved. Schedules
start by them, and dispatch puts first what is needed by a day that is near.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo

from msgspec import Struct
from sync_contracts.catalogue import Module

from bucket_api.buckets.periods import PUBLISHED_ON_DAY, QUARTER_ENDS, month_at

Event = Literal["gstr1_due", "gstr2b_published", "gstr3b_due", "iff_due"]
EVENTS: Final[tuple[Event, ...]] = get_args(Event)
INDIA: Final = ZoneInfo("Asia/Kolkata")
MOST_MOVED: Final = timedelta(days=120)
"""A day is never moved further from where the table puts it."""
MONTHS: Final = frozenset(range(1, 13))


class Rule(Struct, frozen=True):
    """On which day of the month after a period something happens. `source`: where the day comes from.

    `after_quarter`: the latest day after the last month of a quarter, where quarterly filers have days of their own.
    """

    day: int
    source: str
    months: frozenset[int] = MONTHS
    after_quarter: int | None = None


RULES: Final[Mapping[Event, Rule]] = {
    "gstr1_due": Rule(11, "Monthly filers. Quarterly filers have the 13th after the quarter", after_quarter=13),
    "gstr2b_published": Rule(
        PUBLISHED_ON_DAY, "Processing starts after the 13th; the draft becomes visible during the 14th"
    ),
    "gstr3b_due": Rule(
        20, "Assumption: monthly filers. Quarterly filers have the 22nd or 24th by state", after_quarter=24
    ),
    "iff_due": Rule(13, "Invoice furnishing facility, the first two months of a quarter", MONTHS - QUARTER_ENDS),
}


NEEDED_FOR: Final[Mapping[str, Event]] = {
    Module.GSTR2B.value: "gstr3b_due",
    Module.GSTR3B.value: "gstr3b_due",
    Module.GSTR1.value: "gstr1_due",
    Module.GSTR1A.value: "gstr3b_due",
    Module.GSTR2A.value: "gstr3b_due",
}
"""Module -> the return that its data of a month is needed for."""


class Day(Struct, frozen=True):
    """One event of one period. `on`: the day that counts, `usual`: where the table puts it."""

    event: Event
    period: str
    on: date
    usual: date

    @property
    def moved(self) -> bool:
        """Whether another day was set."""
        return self.on != self.usual


class Calendar(Struct, frozen=True):
    """The table with the moved days of a tenant laid over it: `(event, period)` -> day."""

    moved: Mapping[tuple[Event, str], date] = {}

    def day(self, event: Event, period: str) -> Day:
        """The event of a period."""
        usual = usual_day(event, period)
        return Day(event, period, self.moved.get((event, period), usual), usual)

    def last_day(self, event: Event, period: str) -> date:
        """The day by which everybody has it, quarterly filers too; a moved day counts for all."""
        day, rule = self.day(event, period), RULES[event]
        if day.moved or rule.after_quarter is None or int(period[5:]) not in QUARTER_ENDS:
            return day.on
        return day_after(period, rule.after_quarter)

    def needed_by(self, module: str, period: str | None) -> date | None:
        """The day by which a module's data of a month is needed; None where no day is known."""
        event = NEEDED_FOR.get(module)
        return None if event is None or period is None else self.last_day(event, period)

    def between(self, event: Event, first: date, last: date) -> list[Day]:
        """Events on the days from `first` to `last`, in the order of their days."""
        reach = MOST_MOVED + timedelta(days=31)
        found = [self.day(event, period) for period in periods_of(event, first - reach, last + reach)]
        return sorted((day for day in found if first <= day.on <= last), key=lambda day: (day.on, day.period))


def day_after(period: str, day: int) -> date:
    """A day of the month after a month (`2026-10`)."""
    year, month = int(period[:4]), int(period[5:])
    return date(year + month // 12, month % 12 + 1, day)


def usual_day(event: Event, period: str) -> date:
    """Where the table puts an event."""
    return day_after(period, RULES[event].day)


def periods_of(event: Event, first: date, last: date) -> Iterator[str]:
    """Months that begin in a range of days and have this event."""
    for index in range(first.year * 12 + first.month - 1, last.year * 12 + last.month):
        if index % 12 + 1 in RULES[event].months:
            yield month_at(index)


def has_event(event: Event, period: str) -> bool:
    """Whether there is such an event in a month."""
    return int(period[5:]) in RULES[event].months
