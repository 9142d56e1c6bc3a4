"""The portal's clock: real time plus an offset that only grows."""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

INDIA = timezone(timedelta(hours=5, minutes=30), "Asia/Kolkata")


class VirtualClock:
    """Aware UTC times; `advance` moves forward only."""

    def __init__(self, *, start_at: datetime | None = None, real: Callable[[], float] = time.time) -> None:
        self._real = real
        self.offset_s = 0.0 if start_at is None else start_at.timestamp() - real()

    def seconds(self) -> float:
        """Virtual seconds since the epoch."""
        return self._real() + self.offset_s

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds(), UTC)

    def today(self) -> date:
        """The calendar day in India, which decides what the portal has published."""
        return datetime.fromtimestamp(self.seconds(), INDIA).date()

    def advance(self, seconds: float) -> None:
        """Move forward; a negative step is a ValueError."""
        if seconds < 0:
            raise ValueError("the clock moves forward only")
        self.offset_s += seconds
