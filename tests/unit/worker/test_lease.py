"""Permits of one process, between a lease and the calls that use it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from sync_worker.limits.breaker import Rules
from sync_worker.limits.budget import LineRate
from sync_worker.limits.lease import FamilyLimit

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
RATE = LineRate(rate_per_s=100, burst=50)


class Leases:
    """Grants ten permits each time: those of the first lease start in a minute, later ones at once."""

    def __init__(self) -> None:
        self.asked = 0
        self.first = asyncio.Event()

    async def lease(self, *_: object, **__: object) -> dict[str, Any]:
        self.asked += 1
        self.first.set()
        start = NOW + timedelta(minutes=1 if self.asked == 1 else 0)
        return {"got": {"n": 10, "at": NOW, "start": start.timestamp() * 1000, "slot": 250.0}}

    async def lower(self, *_: object, **__: object) -> bool:
        return False

    async def close(self, *_: object, **__: object) -> None: ...
    async def probed(self, *_: object, **__: object) -> None: ...


async def test_permits_that_start_later_are_dropped_with_the_unit_that_waited_for_their_start() -> None:
    leases = Leases()
    limit = FamilyLimit("up_1", "returns", leases, rate=RATE, rules=Rules(), clock_s=lambda: 0.0, told=lambda *_: None)
    waiting = asyncio.create_task(limit.permit())
    await leases.first.wait()
    await asyncio.sleep(0)
    waiting.cancel()

    assert await limit.permit() == ()

    assert leases.asked == 2, "the next one does not call before its time"
