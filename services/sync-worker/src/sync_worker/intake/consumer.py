"""The commands topic, read for ever: records become deliveries in lanes, slots run them, offsets follow behind."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final

from aiokafka import ConsumerRebalanceListener, TopicPartition
from msgspec import Struct
from sync_contracts.commands import Command
from sync_contracts.dead_letters import DeadLetterReason

from sync_worker.delivery import Delivery, LogRecord
from sync_worker.intake.dead_letters import DeadLetters, decoded_command, traceparent_of
from sync_worker.intake.lanes import Lanes
from sync_worker.intake.offsets import Offsets

log = logging.getLogger(__name__)


class IntakeLimits(Struct, frozen=True):
    """Bounds of the intake. `max_inflight`: clients with a unit running; `buffered`: records queued at most."""

    max_inflight: int = 64
    buffered: int = 2_000
    poll_records: int = 500
    poll_ms: int = 200
    paused_poll_ms: int = 20
    drain_s: float = 25.0


DEFAULT_LIMITS: Final = IntakeLimits()


class CommandIntake(ConsumerRebalanceListener):  # type: ignore[misc]
    """Driver of one worker's intake; also the rebalance listener. `consumer` is a subscribed `AIOKafkaConsumer`.

    `run_unit` must end each delivery by `finish`, now or later; what it raises ends the process. `on_known`: a record
    came again whose offset this process has finished, or is working on.
    """

    def __init__(
        self,
        consumer: Any,
        topic: str,
        *,
        offsets: Offsets,
        dead_letters: DeadLetters,
        run_unit: Callable[[Delivery], Awaitable[None]],
        limits: IntakeLimits = DEFAULT_LIMITS,
        beat: Callable[[], None] = lambda: None,
        on_assigned: Callable[[], None] = lambda: None,
        on_known: Callable[[], None] = lambda: None,
    ) -> None:
        self._consumer = consumer
        self._topic = topic
        self._offsets = offsets
        self._dead_letters = dead_letters
        self._run_unit = run_unit
        self._limits = limits
        self._beat = beat
        self._on_assigned = on_assigned
        self._on_known = on_known
        self._lanes = Lanes()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._slots: list[asyncio.Task[None]] = []
        self._paused: set[int] = set()
        self._crowded = False
        self._stopping = False
        self._generation = 0
        self._failure: Exception | None = None
        self._adopted = asyncio.Event()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Read and run until `stop`; raises what a unit's run raised."""
        self._slots = [asyncio.create_task(self._slot(), name="slot") for _ in range(self._limits.max_inflight)]
        try:
            while not self._stopping:
                self._raise_death()
                await self._poll()
                await self._offsets.commit_if_due()
                self._beat()
            self._lanes.drop(self._offsets.assigned)
            await self._offsets.give_up(set(self._offsets.assigned), self._limits.drain_s)
            self._raise_death()
        finally:
            for slot in self._slots:
                slot.cancel()
            await asyncio.gather(*self._slots, return_exceptions=True)
            self._ended.set()

    async def ended(self) -> None:
        """Wait until `run` has returned."""
        await self._ended.wait()

    def stop(self) -> None:
        """Take no new work; `run` returns when what runs has ended, at most 25 s later."""
        self._stopping = True

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Drop what has not begun, let end what runs, commit."""
        self._generation += 1
        self._adopted.clear()
        partitions = {place.partition for place in revoked}
        self._lanes.drop(partitions)
        if not await self._offsets.give_up(partitions, self._limits.drain_s):
            log.warning("units still run at a revoke", extra={"action": "revoke"})

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Go on from what is known and committed."""
        self._paused.clear()
        try:
            await self._offsets.adopt({place.partition for place in assigned})
        except Exception as error:  # noqa: BLE001 - the client would swallow it and read nothing for ever; `run` raises it
            self._failure = error
        self._adopted.set()
        self._on_assigned()

    async def _slot(self) -> None:
        """Run one delivery after another."""
        while True:
            delivery = self._lanes.take()
            if delivery is None:
                waiting = asyncio.get_running_loop().create_future()
                self._idle.append(waiting)
                await waiting
                continue
            self._offsets.start(delivery)
            await self._run_unit(delivery)
            self._lanes.release(delivery)

    async def _poll(self) -> None:
        self._regulate()
        is_paused = self._crowded or self._paused >= self._offsets.assigned
        timeout_ms = self._limits.paused_poll_ms if is_paused else self._limits.poll_ms
        batches = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=self._limits.poll_records)
        if not batches or not await self._is_adopted():
            return
        refused: list[tuple[LogRecord, DeadLetterReason]] = []
        for records in batches.values():
            refused += self._receive(records)
        self._wake()
        for record, reason in refused:
            await self._refuse(record, reason)

    async def _is_adopted(self) -> bool:
        """Whether what was just fetched belongs to partitions that are still ours.

        The client begins to fetch before the listener has heard of the assignment; records that were fetched so early
        wait for it. If the partitions go meanwhile, the records come again, to whoever has them then.
        """
        generation = self._generation
        await self._adopted.wait()
        return generation == self._generation and self._failure is None

    def _receive(self, records: list[LogRecord]) -> list[tuple[LogRecord, DeadLetterReason]]:
        """Queue the commands among the records; returns those that cannot be read."""
        refused: list[tuple[LogRecord, DeadLetterReason]] = []
        for record in records:
            if not self._offsets.receive(record.partition, record.offset):
                self._on_known()
                continue
            found = decoded_command(record.value)
            if isinstance(found, Command):
                self._lanes.offer(Delivery(record, found, traceparent_of(record.headers)))
            else:
                refused.append((record, found))
        return refused

    async def _refuse(self, record: LogRecord, reason: DeadLetterReason) -> None:
        """A record that cannot be read is kept elsewhere before its offset is released."""
        delivery = Delivery(record, NO_COMMAND)
        self._offsets.start(delivery)
        await self._dead_letters.refuse_record(record, reason)
        self._offsets.finish(delivery)

    def _wake(self) -> None:
        """Let as many idle slots look for work as there is work."""
        for _ in range(min(len(self._idle), self._lanes.waiting)):
            self._idle.popleft().set_result(None)

    def _regulate(self) -> None:
        """Pause partitions above the limits, resume them below; polling goes on in any case."""
        if self._lanes.waiting >= self._limits.buffered:
            self._crowded = True
        elif self._lanes.waiting <= self._limits.buffered // 2:
            self._crowded = False
        assigned = self._offsets.assigned
        wanted = set(assigned) if self._crowded else self._offsets.full()
        for partition in (wanted - self._paused) & assigned:
            self._consumer.pause(TopicPartition(self._topic, partition))
        for partition in (self._paused - wanted) & assigned:
            self._consumer.resume(TopicPartition(self._topic, partition))
        self._paused = wanted

    def _raise_death(self) -> None:
        if self._failure is not None:
            raise self._failure
        for slot in self._slots:
            if slot.done() and not slot.cancelled():
                slot.result()


NO_COMMAND: Final = Command(
    tenant="-", bucket="-", client="-", page=0, ci=0, mi=0, attempt=1, module="-", shard=0, issued_at=0
)
"""Stands for the command of a record that holds none."""
