"""Leadership and cues from the events topic: a shard is ours while the group gives us its partition.

Nothing is ever committed and reading begins at the end: records are cues, not facts. Only keys are looked at (the key
is the bucket); of a burst the rest is skipped, and every bucket of the shards counts as touched.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

log = logging.getLogger(__name__)

POLL_S: Final = 0.2
CUES_A_POLL: Final = 500
SEEK_DEADLINE_S: Final = 5.0


class CueConsumer(Protocol):
    """The part of a group member that cues need."""

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int, max_records: int
    ) -> Mapping[TopicPartition, Sequence[Any]]: ...
    async def seek_to_end(self, *partitions: TopicPartition) -> Any: ...
    def highwater(self, partition: TopicPartition) -> int | None: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    def assignment(self) -> Collection[TopicPartition]: ...


class Led(Protocol):
    """What is led: the dispatcher."""

    def own(self, shards: Iterable[int]) -> None: ...
    def touch(self, buckets: Iterable[str]) -> None: ...
    def touch_shards(self, shards: Iterable[int]) -> None: ...


class Leadership(ConsumerRebalanceListener):  # type: ignore[misc] # the library has no type information
    """Tells the dispatcher which shards are its own after each rebalance. `changed` is told their number."""

    def __init__(self, consumer: CueConsumer, led: Led, changed: Callable[[int], object]) -> None:
        self._consumer = consumer
        self._led = led
        self._changed = changed

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002 - its signature
        """All partitions move in every rebalance; what was taken is being sent, and that is harmless."""
        self._led.own(())

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Lead first: whatever is raised here only stays in a log, and shards without a leader stand still.

        A position that cannot be set is no harm: old records are cues as well.
        """
        shards = sorted(partition.partition for partition in assigned)
        self._led.own(shards)
        self._changed(len(shards))
        log.info("shards assigned", extra={"action": "assign", "shards": len(shards)})
        if assigned:
            await self._begin_at_the_end(assigned)

    async def _begin_at_the_end(self, assigned: Collection[TopicPartition]) -> None:
        try:
            async with asyncio.timeout(SEEK_DEADLINE_S):
                await self._consumer.seek_to_end(*assigned)
        except (TimeoutError, KafkaError) as error:
            log.warning("positions not set", extra={"action": "seek", "cause": type(error).__name__})


async def pass_cues(consumer: CueConsumer, led: Led) -> int:
    """Pass on the cues that are here; returns how many records were read."""
    records = await consumer.getmany(timeout_ms=0, max_records=CUES_A_POLL)
    led.touch({record.key.decode(errors="replace") for part in records.values() for record in part if record.key})
    read = sum(map(len, records.values()))
    if read == CUES_A_POLL:
        led.touch_shards(_skip_to_end(consumer))
    return read


def _skip_to_end(consumer: CueConsumer) -> list[int]:
    """Jump over what is not read yet; returns all own shards, any of which may have had records there."""
    own = consumer.assignment()
    for partition in own:
        if end := consumer.highwater(partition):
            consumer.seek(partition, end)
    return [partition.partition for partition in own]


async def follow(consumer: CueConsumer, led: Led, stopped: asyncio.Event, beat: Callable[[], None]) -> None:
    """Pass cues five times a second until stopped; `beat` tells that polling goes on."""
    while not stopped.is_set():
        await pass_cues(consumer, led)
        beat()
        await asyncio.sleep(POLL_S)
