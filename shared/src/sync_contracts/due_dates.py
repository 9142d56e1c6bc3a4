"""When data of a module and period is needed: a table of days; whether a day is near, or long past. Pure.

Days are days in India. They decide the order of work only: a day that was moved changes no result.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from sync_contracts.catalogue import Module

NEAR: Final = timedelta(days=7)
PAST: Final = timedelta(days=31)
ALWAYS_NEAR: Final = frozenset({Module.NOTICES.value})
"""Live data with dates of its own that nobody knows before the data is here: a notice has a day to reply by."""
_FOR_3B: Final = tuple(module.value for module in (Module.GSTR2B, Module.GSTR3B, Module.GSTR1A, Module.GSTR2A))
DUE_DAY: Final[Mapping[str, int]] = {Module.GSTR1.value: 11, **dict.fromkeys(_FOR_3B, 20)}
"""Day of the month after the period: a return by its own day, what is needed for a 3B by that of the 3B."""
DUE_DAY_AFTER_QUARTER: Final[Mapping[str, int]] = {Module.GSTR1.value: 13, **dict.fromkeys(_FOR_3B, 24)}
"""The same for the last month of a quarter, which quarterly filers file too, up to the later of their two days."""


def day_after(period: str, day: int) -> date:
    """A day of the month after a month (`2026-10`)."""
    year, month = int(period[:4]), int(period[5:])
    return date(year + month // 12, month % 12 + 1, day)


def due_date(module: str, period: str | None) -> date | None:
    """The day by which a module's data of a month (`2026-10`) is needed; None where no day is known."""
    if period is None or module not in DUE_DAY:
        return None
    days = DUE_DAY if int(period[5:]) % 3 else DUE_DAY_AFTER_QUARTER
    return day_after(period, days[module])


def is_near(module: str, period: str | None, today: date) -> bool:
    """Whether the data is wanted now: live notices always, other data in the week up to its due date."""
    if module in ALWAYS_NEAR:
        return True
    due = due_date(module, period)
    return due is not None and due - NEAR <= today <= due


def is_history(module: str, period: str | None, today: date) -> bool:
    """Whether the day by which the data was needed is more than a month past."""
    due = due_date(module, period)
    return due is not None and due + PAST < today
