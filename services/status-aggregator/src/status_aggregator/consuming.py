"""The driver: poll without ever waiting for the store, apply batch after batch, commit once a second, run timers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from status_aggregator.aggregator import Aggregator
from status_aggregator.offsets import Assignment, Lag

POLL_MS: Final = 100
POLL_RECORDS: Final = 1_000
BATCH_RECORDS: Final = 2_000
ENOUGH_RECORDS: Final = 1_000
LINGER_S: Final = 0.05
"""How long a smaller batch waits for more: a page is written once for all of its events in a batch."""
SWEEP_EVERY_S: Final = 1.0
HEAL_EVERY_S: Final = 5.0
COMMIT_EVERY_S: Final = 1.0
DRAIN_S: Final = 25.0
"""Below the rebalance time-out of the group: what is not applied by then is left to the next owner."""
POSITION_DEADLINE_S: Final = 0.5

log = logging.getLogger(__name__)


class Watch(Protocol):
    """Told how the consuming goes."""

    def beat(self, loop: str) -> None:
        """A loop (`poll`, `fold`) moves."""

    def assigned(self, partitions: int) -> None:
        """The group gave this process so many partitions."""

    def lag(self, records: int) -> None:
        """So many records of the owned partitions are still to be applied."""


class EventConsumer(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka publishes no types
    """Feeds one aggregator from the events topic. `run()` ends after `stop()`, or with the error that ended a part."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        topic: str,
        aggregator: Aggregator,
        *,
        now_ms: Callable[[], int],
        watch: Watch,
    ) -> None:
        self._consumer = consumer
        self._topic = topic
        self._aggregator = aggregator
        self._now_ms = now_ms
        self._watch = watch
        self._assignment = Assignment()
        self._adopted = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()

    def subscribe(self) -> None:
        """Name the topic; the group is joined when the consumer is started."""
        self._consumer.subscribe([self._topic], listener=self)

    async def run(self) -> None:
        """Consume until stopped, then apply what is in hand and commit it."""
        parts = [asyncio.create_task(part()) for part in (self._poll, self._work, self._commit_each_second)]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.stop()
            await _end(parts)
            await self._commit()
            self._ended.set()
        for part in parts:
            if not part.cancelled():
                part.result()

    def stop(self) -> None:
        """Fetch no more; the running batch ends."""
        self._stopping.set()
        self._arrived.set()
        self._taken.set()

    async def ended(self) -> None:
        """Wait until `run` has applied and committed what was in hand."""
        await self._ended.wait()

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:  # noqa: ARG002 - eager: all of them
        """Drop what has not begun, let the running batch end, commit."""
        self._assignment.end()
        if not await _within(self._idle.wait(), DRAIN_S):
            log.warning("a batch did not end before the rebalance", extra={"action": "drain-late"})
        await self._commit()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Begin anew; the working part adopts the shards before its next batch."""
        self._assignment.begin(tp.partition for tp in assigned)
        self._watch.assigned(len(assigned))
        self._arrived.set()

    async def _poll(self) -> None:
        while not self._stopping.is_set():
            self._watch.beat("poll")
            if self._assignment.room <= 0:
                self._taken.clear()
                await _within(self._taken.wait(), POLL_MS / 1000)
            self._pause_or_resume()
            room = min(POLL_RECORDS, max(self._assignment.room, 1))
            fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=room)
            for place, records in fetched.items():
                if not self._assignment.fetched(records):  # they can come before the listener was told
                    self._consumer.seek(place, records[0].offset)
            if fetched:
                self._arrived.set()

    def _pause_or_resume(self) -> None:
        """A store that does not answer never stops the polling: the group must see a living member."""
        paused = self._consumer.paused()
        if self._assignment.room <= 0:
            self._consumer.pause(*(self._consumer.assignment() - paused))
        elif paused:
            self._consumer.resume(*paused)

    async def _work(self) -> None:
        now_s = asyncio.get_running_loop().time
        sweep_at = heal_at = now_s()
        while not self._stopping.is_set():
            self._watch.beat("fold")
            self._adopt()
            if 0 < self._assignment.buffered < ENOUGH_RECORDS:
                await _within(self._stopping.wait(), LINGER_S)
            await self._apply_next()
            if now_s() >= sweep_at:
                sweep_at = now_s() + SWEEP_EVERY_S
                await self._timed("sweep", self._aggregator.sweep)
            if now_s() >= heal_at:
                heal_at = now_s() + HEAL_EVERY_S
                await self._timed("heal", self._heal)
            await self._until_records_arrive(min(sweep_at, heal_at) - now_s())

    def _adopt(self) -> None:
        if self._adopted != self._assignment.epoch:
            self._adopted = self._assignment.epoch
            self._aggregator.assign(self._assignment.partitions)

    async def _apply_next(self) -> None:
        batch = self._assignment.take(BATCH_RECORDS)
        self._taken.set()
        if not batch.records:
            return
        self._idle.clear()
        try:
            await self._aggregator.fold(batch.records)
            self._assignment.applied(batch)
        finally:
            self._idle.set()

    async def _until_records_arrive(self, timeout_s: float) -> None:
        self._arrived.clear()
        if timeout_s > 0 and not self._assignment.buffered and not self._stopping.is_set():
            await _within(self._arrived.wait(), timeout_s)

    async def _timed(self, name: str, step: Callable[[], Awaitable[object]]) -> None:
        """A timer that could not reach the store or the log is simply due again."""
        try:
            await step()
        except ConnectionError as error:
            log.warning("%s put off: %s", name, error, extra={"action": f"{name}-put-off"})

    async def _heal(self) -> None:
        lags = {partition: await self._lag(partition) for partition in self._assignment.partitions}
        self._watch.lag(sum(lag.records for lag in lags.values() if lag))
        await self._aggregator.heal([partition for partition, lag in lags.items() if lag and lag.caught_up])

    async def _lag(self, partition: int) -> Lag | None:
        """How far a partition is behind its log; None while nobody knows."""
        tp = TopicPartition(self._topic, partition)
        try:
            position = await asyncio.wait_for(self._consumer.position(tp), POSITION_DEADLINE_S)
            end = self._consumer.highwater(tp)
        except (TimeoutError, KafkaError, AssertionError):  # not assigned any more
            return None
        waiting, oldest_ms = self._assignment.backlog(partition)
        age_ms = 0 if oldest_ms is None else self._now_ms() - oldest_ms
        return None if end is None else Lag(end - position + waiting, age_ms)

    async def _commit_each_second(self) -> None:
        while not await _within(self._stopping.wait(), COMMIT_EVERY_S):
            await self._commit()

    async def _commit(self) -> None:
        """Commit what is applied. A refused commit is no loss: whoever reads the records again finds them absorbed."""
        epoch, offsets = self._assignment.epoch, self._assignment.to_commit()
        if not offsets:
            return
        try:
            await self._consumer.commit({TopicPartition(self._topic, p): offset for p, offset in offsets.items()})
        except KafkaError as error:
            log.warning("commit refused: %s", type(error).__name__, extra={"action": "commit-refused"})
        else:
            self._assignment.committed(epoch, offsets)


async def _within(waiting: Awaitable[object], timeout_s: float) -> bool:
    """Whether it came true in time."""
    try:
        await asyncio.wait_for(waiting, timeout_s)
    except TimeoutError:
        return False
    return True


async def _end(parts: Sequence["asyncio.Task[None]"]) -> None:
    """Let the parts end by themselves, at most for the drain limit."""
    _, late = await asyncio.wait(parts, timeout=DRAIN_S)
    for part in late:
        part.cancel()
    if late:
        await asyncio.wait(late, timeout=1.0)
