"""The trackers of a process's partitions: kept over rebalances, committed at most once a second."""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from sync_worker.delivery import Delivery
from sync_worker.intake.tracker import SPAN_LIMIT, Tracker

COMMIT_EVERY_S: Final = 1.0
COMMIT_DEADLINE_S: Final = 10.0
log = logging.getLogger(__name__)


class Offsets:
    """What of one topic is finished and committed by this process. `consumer` is an `AIOKafkaConsumer`."""

    def __init__(self, consumer: Any, topic: str, clock_s: Callable[[], float], span: int = SPAN_LIMIT) -> None:
        self._consumer = consumer
        self._topic = topic
        self._clock_s = clock_s
        self._span = span
        self._trackers: dict[int, Tracker] = {}
        self._running: dict[Delivery, Tracker] = {}
        self._committed: dict[int, int] = {}
        self._next_commit = 0.0
        self._moved = asyncio.Event()
        self.assigned: set[int] = set()

    def receive(self, partition: int, offset: int) -> bool:
        """A record has come; whether it has still to be worked on."""
        tracker = self._trackers[partition]
        if tracker.went_back(offset):
            tracker = self._trackers[partition] = Tracker(offset, self._span)
            self._committed.pop(partition, None)
        tracker.reach(offset)
        return tracker.want(offset)

    def start(self, delivery: Delivery) -> None:
        """Work on a delivery begins."""
        tracker = self._trackers[delivery.partition]
        tracker.start(delivery.offset)
        self._running[delivery] = tracker

    def finish(self, delivery: Delivery) -> None:
        """The delivery has had its durable effect. A tracker that was replaced meanwhile is told in vain."""
        self._running.pop(delivery).finish(delivery.offset)
        self._moved.set()

    def full(self) -> set[int]:
        """Partitions that must not be read further now."""
        return {partition for partition in self.assigned if self._trackers[partition].full}

    async def adopt(self, partitions: Collection[int]) -> None:
        """Partitions were assigned: keep what is known of them, unless the log is not the one that it was."""
        places = [TopicPartition(self._topic, partition) for partition in partitions]
        ends = await self._consumer.end_offsets(places)
        begins = await self._consumer.beginning_offsets(places)
        committed = await asyncio.gather(*(self._consumer.committed(place) for place in places))
        for place, offset in zip(places, committed, strict=True):
            is_known = offset is not None and begins[place] <= offset <= ends[place]
            self._adopt(place.partition, offset if is_known else begins[place], ends[place])
            self._committed[place.partition] = offset if is_known else -1
        self.assigned |= set(partitions)

    def _adopt(self, partition: int, start: int, end: int) -> None:
        tracker = self._trackers.get(partition)
        if tracker is None or tracker.commit_value > end:
            self._trackers[partition] = Tracker(start, self._span)
        else:
            tracker.rewind(start)

    async def give_up(self, partitions: Collection[int], deadline_s: float) -> bool:
        """Partitions go: wait for what runs, commit; False when something still runs (its writes are fenced)."""
        self.assigned -= set(partitions)
        gone = set(partitions)
        try:
            async with asyncio.timeout(deadline_s):
                while any(delivery.partition in gone for delivery in self._running):
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            return False
        finally:
            await self.commit(partitions)
        return True

    async def commit_if_due(self) -> None:
        """Commit at most once a second."""
        now = self._clock_s()
        if now >= self._next_commit:
            self._next_commit = now + COMMIT_EVERY_S
            await self.commit(self.assigned)

    async def commit(self, partitions: Collection[int]) -> None:
        """Commit what is finished. A commit that fails is made up for by the next one."""
        values = {p: self._trackers[p].commit_value for p in partitions if p in self._trackers}
        news = {p: value for p, value in values.items() if value > self._committed.get(p, -1)}
        if not news:
            return
        try:
            async with asyncio.timeout(COMMIT_DEADLINE_S):
                await self._consumer.commit({TopicPartition(self._topic, p): value for p, value in news.items()})
        except (KafkaError, TimeoutError) as error:
            log.warning("commit failed", extra={"action": "commit", "cause": type(error).__name__})
        else:
            self._committed |= news
