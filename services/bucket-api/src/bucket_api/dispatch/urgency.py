"""What goes before other work of the person who asked for it. Pure.

A bucket with a column whose data is wanted now (live notices, a month's 2B in the week up to its due date) is urgent,
all but its history; and every bucket is, whole, once half of its time is used up. Urgent work takes `URGENT` turns for
one of the rest of the same person: history waits but never stops, and as its deadline comes nearer it is urgent itself.
Columns of a client that are equally urgent go out cheap first.
"""

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from sync_contracts.due_dates import is_history, is_near
from sync_contracts.units import DEFAULT_LIMITS

from bucket_api.dispatch.backlog import ActiveBucket, Column

INDIA: Final = ZoneInfo("Asia/Kolkata")
AGED_MS: Final = DEFAULT_LIMITS.bucket_ms // 2
"""Time to the deadline from which a bucket is urgent whatever it asks for."""


def urgent_columns(bucket: ActiveBucket, now_ms: int) -> frozenset[int]:
    """Indexes of the urgent columns."""
    if now_ms >= bucket.deadline_at - AGED_MS:
        return frozenset(range(len(bucket.columns)))
    return _wanted_now(bucket.columns, datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(INDIA).date())


@lru_cache(maxsize=1_024)
def _wanted_now(columns: tuple[Column, ...], today: date) -> frozenset[int]:
    if not any(is_near(column.module, column.period, today) for column in columns):
        return frozenset()
    return frozenset(mi for mi, column in enumerate(columns) if not is_history(column.module, column.period, today))
