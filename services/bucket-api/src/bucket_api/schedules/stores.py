"""What schedules and watches are kept in, over one database."""

from dataclasses import dataclass
from typing import Any, Self

from motor.motor_asyncio import AsyncIOMotorDatabase

from bucket_api.buckets.store import BucketStore
from bucket_api.schedules.calendar_store import CalendarStore
from bucket_api.schedules.store import ScheduleStore
from bucket_api.schedules.streak_store import StreakStore
from bucket_api.schedules.watch_store import WatchStore


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores that the parts of this folder share."""

    schedules: ScheduleStore
    calendars: CalendarStore
    streaks: StreakStore
    watches: WatchStore
    buckets: BucketStore

    @classmethod
    def over(cls, database: AsyncIOMotorDatabase[dict[str, Any]], buckets: BucketStore) -> Self:
        """The stores over a database."""
        return cls(
            ScheduleStore(database), CalendarStore(database), StreakStore(database), WatchStore(database), buckets
        )
