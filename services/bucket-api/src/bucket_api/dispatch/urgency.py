"""What goes before other work of the person who asked for it. Pure.

A bucket with a column whose data is wanted now (live notices, a month's 2B in the week up to its due date) is urgent,
all but its history; and every bucket is, whole, once half of its time is used up. Urgent work takes `URGENT` turns for
one of the rest of the same person: history waits but never stops, and as its deadline comes nearer it is urgent itself.
Columns of a client that are equally urgent go out cheap first.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sync_contracts.catalogue import Module
from sync_contracts.units import DEFAULT_LIMITS

from bucket_api.dispatch.backlog import ActiveBucket

INDIA: Final = ZoneInfo("Asia/Kolkata")
AGED_MS: Final = DEFAULT_LIMITS.bucket_ms // 2
"""Time to the deadline from which a bucket is urgent whatever it asks for."""
NEAR: Final = timedelta(days=7)
PAST: Final = timedelta(days=31)
ALWAYS_NEAR: Final = frozenset({Module.NOTICES.value})
"""Live data with dates of its own that nobody knows before the data is here: a notice has a day to reply by."""


def urgent_columns(bucket: ActiveBucket, now_ms: int) -> frozenset[int]:
    """Indexes of the urgent columns."""
    if now_ms >= bucket.deadline_at - AGED_MS:
        return frozenset(range(len(bucket.columns)))
    today = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(INDIA).date()
    days: Sequence[date | None] = bucket.needed_by or [None] * len(bucket.columns)
    wanted = [is_near(column.module, day, today) for column, day in zip(bucket.columns, days, strict=True)]
    if not any(wanted):
        return frozenset()
    return frozenset(mi for mi, day in enumerate(days) if not is_history(day, today))


def is_near(module: str, day: date | None, today: date) -> bool:
    """Whether the data is wanted now: live notices always, other data in the week up to its day."""
    return module in ALWAYS_NEAR or (day is not None and day - NEAR <= today <= day)


def is_history(day: date | None, today: date) -> bool:
    """Whether the day by which the data was needed is more than a month past."""
    return day is not None and day + PAST < today
