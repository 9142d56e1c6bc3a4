"""Result events on their way to Kafka: whatever gathers while one batch is under way leaves with the next.

An offset is released only when its event is acknowledged. A failed or timed-out send is unknown and sent again.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from sync_contracts import events
from sync_contracts.events import ResultEvent
from sync_contracts.topics import EVENTS

from sync_worker.delivery import Delivery
from sync_worker.publishing import Outgoing, Publisher, publish_until_known

MAX_BATCH: Final = 1_000
MAX_WAITING: Final = 4_000
ENOUGH_RECORDS: Final = 200
LINGER_S: Final = 0.03
"""Wait of a small batch for more: no unit waits for it, and a request to Kafka costs as much as a hundred records."""
_HEADERS: Final = (("content-type", b"application/json"), ("schema", events.SCHEMA.encode()))


class Emitter:
    """Gathers events and publishes them in order, one batch at a time."""

    def __init__(self, publisher: Publisher, finished: Callable[[Delivery], None]) -> None:
        self._publisher = publisher
        self._finished = finished
        self._waiting: deque[tuple[Outgoing, Delivery | None]] = deque()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def emit(self, delivery: Delivery, event: ResultEvent, *, ends: bool = True) -> None:
        """Queue an event of a delivery's unit; `ends` releases the delivery once the event is acknowledged."""
        command, trace = delivery.command, delivery.traceparent
        headers = _HEADERS if trace is None else (*_HEADERS, ("traceparent", trace))
        record = Outgoing(command.bucket.encode(), events.encode(event), command.shard, headers)
        self._waiting.append((record, delivery if ends else None))
        if len(self._waiting) >= MAX_WAITING:
            self._room.clear()
        self._wake.set()

    async def room(self) -> None:
        """Wait until events leave faster than they come."""
        if not self._room.is_set():
            await self._room.wait()

    async def run(self) -> None:
        """Publish what is queued, for ever. Owned by the composition root."""
        while True:
            await self._wake.wait()
            if len(self._waiting) < ENOUGH_RECORDS:
                await asyncio.sleep(LINGER_S)
            await self._publish_next()

    async def _publish_next(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
        if not self._waiting:
            self._wake.clear()
        await publish_until_known(self._publisher, EVENTS.name, [record for record, _ in batch])
        if len(self._waiting) < MAX_WAITING:
            self._room.set()
        for _, delivery in batch:
            if delivery is not None:
                self._finished(delivery)
