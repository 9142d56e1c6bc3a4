"""Periods and days of the GST calendar, pure: `2026-10`, `2026-27` and ISO days; the portal's forms end here."""

import re
from datetime import date, datetime, timedelta, timezone
from typing import Final

INDIA: Final = timezone(timedelta(hours=5, minutes=30), "Asia/Kolkata")
NOT_GIVEN: Final = "NA"

_MONTH: Final = re.compile(r"(0[1-9]|1[0-2])(20\d\d)")
_DAY: Final = re.compile(r"(\d\d)[/-](\d\d)[/-](\d{4})")


def today_in_india(now: datetime) -> date:
    """The calendar day that decides what the portal has published."""
    return now.astimezone(INDIA).date()


def month_of(mmyyyy: object) -> str | None:
    """`2026-10` from the portal's `102026`; None for anything else."""
    match = _MONTH.fullmatch(mmyyyy) if isinstance(mmyyyy, str) else None
    return f"{match[2]}-{match[1]}" if match else None


def portal_month(month: str) -> str:
    """The portal's `102026` from `2026-10`."""
    return month[5:7] + month[:4]


def day_of(text: object) -> date | None:
    """A day from `31/10/2026` or `31-10-2026`; None for anything else, also for days that do not exist."""
    match = _DAY.fullmatch(text.strip()) if isinstance(text, str) else None
    try:
        return date(int(match[3]), int(match[2]), int(match[1])) if match else None
    except ValueError:
        return None


def months_before(month: str, count: int) -> str:
    """`2026-08` for two months before `2026-10`."""
    number = int(month[:4]) * 12 + int(month[5:7]) - 1 - count
    return f"{number // 12:04}-{number % 12 + 1:02}"


def financial_year_of(month: str) -> str:
    """`2026-27` for every month from `2026-04` to `2027-03`."""
    year = int(months_before(month, 3)[:4])
    return f"{year}-{(year + 1) % 100:02}"


def is_quarter_end(month: str) -> bool:
    """Whether a quarter of the financial year ends with this month."""
    return int(month[5:7]) % 3 == 0


def day_after_month(month: str, day: int) -> date:
    """A day of the month that follows."""
    following = months_before(month, -1)
    return date(int(following[:4]), int(following[5:7]), day)
