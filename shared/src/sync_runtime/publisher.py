"""Publishing many records at once: own batches per partition, ten times cheaper than one send per record."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError
from aiokafka.partitioner import murmur2
from sync_contracts.topics import MAX_BATCH_BYTES, TOPICS

Headers = Sequence[tuple[str, bytes]]

CONTENT_TYPE = ("content-type", b"application/json")
FRAMING_BYTES = 256
"""Room for the framing of a batch and of one record (61 and at most 21 bytes, plus header lengths)."""
RECORD_LIMITS = {topic.name: topic.max_record_bytes for topic in TOPICS}


class Record(Protocol):
    """What is published. `partition` None: chosen by murmur2 of the key, as every Kafka client does."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def partition(self) -> int | None: ...
    @property
    def headers(self) -> Headers: ...


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """The plain `Record`."""

    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: Headers = ()


class SendUnknown(ConnectionError):
    """Some records were not acknowledged in time: each may or may not be written. Send them again.

    A `ConnectionError`, so that code which may not import the runtime can name it. `positions` are indexes into
    the published sequence, `keys` their keys; all other records are acknowledged.
    """

    log_safe = True

    def __init__(self, topic: str, records: Sequence[Record], positions: Sequence[int], cause: str) -> None:
        super().__init__(f"{len(positions)} of {len(records)} records to {topic} are not acknowledged: {cause}")
        self.positions = tuple(sorted(positions))
        self.keys = tuple(dict.fromkeys(records[i].key for i in self.positions))


class RecordRefused(ValueError):
    """A record that no broker may be given (too large, or a partition that does not exist). Nothing was sent."""

    log_safe = True


class ProducerBroken(RuntimeError):
    """The broker refused a batch for good: the producer's numbering has a gap and every later batch is refused too.

    An idempotent producer sends again by itself whatever can be sent again, so this is never passing trouble.
    The process must end; the next one begins with a new producer and replays.
    """

    log_safe = True


def message_headers(schema: str, traceparent: str | None) -> list[tuple[str, bytes]]:
    """Headers of one of our own messages; make them once for a whole batch."""
    own = [CONTENT_TYPE, ("schema", schema.encode())]
    return own if traceparent is None else [*own, ("traceparent", traceparent.encode())]


class PartitionBatches:
    """Publishes sequences of records and waits for all acknowledgements.

    Order is kept per partition within a call and between calls that follow each other. Names are contract names;
    the topic prefix is added here. The producer is started and stopped by its owner.
    """

    def __init__(self, producer: AIOKafkaProducer, *, topic_prefix: str = "", deadline_s: float = 30.0) -> None:
        self._producer = producer
        self._prefix = topic_prefix
        self._deadline_s = deadline_s
        self._broken: BaseException | None = None
        self._breaks = asyncio.Event()

    async def watch(self) -> None:
        """For an owner of tasks: never returns, raises `ProducerBroken` when every further batch would be refused."""
        await self._breaks.wait()
        self._refuse_if_broken()

    async def publish(self, topic: str, records: Sequence[Record]) -> None:
        """Publish 1 to some thousands of records; returns when every one is acknowledged.

        Raises `RecordRefused` before anything is sent, `SendUnknown` for what was not acknowledged, and
        `ProducerBroken` when sending again is of no use.
        """
        self._refuse_if_broken()
        name = f"{self._prefix}{topic}"
        unknown: dict[int, str] = {}
        limit = RECORD_LIMITS.get(topic, MAX_BATCH_BYTES - FRAMING_BYTES)
        try:
            async with asyncio.timeout(self._deadline_s):
                n_partitions = len(await self._producer.partitions_for(name))
        except (TimeoutError, KafkaError) as error:
            raise SendUnknown(topic, records, range(len(records)), type(error).__name__) from error
        for record in records:
            refuse_unsendable(record, n_partitions, limit)
        lanes = by_partition(records, n_partitions)
        sends = [self._send(name, partition, records, lane, unknown) for partition, lane in lanes.items()]
        await asyncio.gather(*sends)
        self._refuse_if_broken()
        if unknown:
            raise SendUnknown(topic, records, list(unknown), ", ".join(sorted(set(unknown.values()))))

    async def _send(
        self, name: str, partition: int, records: Sequence[Record], lane: list[int], unknown: dict[int, str]
    ) -> None:
        """Send one partition's records in as few batches as fit; notes what stays unknown, raises nothing."""
        open_batches: list[tuple[list[int], asyncio.Future[Any]]] = []
        rest = lane
        try:
            async with asyncio.timeout(self._deadline_s):
                while rest:
                    batch, taken = self._fill(records, rest)
                    future = await self._producer.send_batch(batch, name, partition=partition)
                    future.add_done_callback(self._note_failure)  # also long after the deadline
                    open_batches.append((rest[:taken], future))
                    rest = rest[taken:]
                await asyncio.wait([future for _, future in open_batches])
        except (TimeoutError, KafkaError) as error:
            unknown.update(dict.fromkeys(rest, type(error).__name__))
            if not isinstance(error, TimeoutError | KafkaTimeoutError) and not error.retriable:
                self._break(error)
        for positions, future in open_batches:
            if not future.done():
                unknown.update(dict.fromkeys(positions, "TimeoutError"))

    def _note_failure(self, future: asyncio.Future[Any]) -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            self._break(error)

    def _break(self, error: BaseException) -> None:
        self._broken = error
        self._breaks.set()

    def _refuse_if_broken(self) -> None:
        if self._broken is not None:
            raise ProducerBroken(f"a batch was refused: {type(self._broken).__name__}") from self._broken

    def _fill(self, records: Sequence[Record], lane: list[int]) -> tuple[Any, int]:
        """A closed batch with as many of the next records as fit, and their number. The first always fits."""
        batch = self._producer.create_batch()
        taken = 0
        for position in lane:
            record = records[position]
            headers = list(record.headers)
            if batch.append(key=record.key, value=record.value, timestamp=None, headers=headers) is None:
                break
            taken += 1
        batch.close()  # a closed batch does not linger, and `send()` cannot add to it
        return batch, taken


def partition_of(key: bytes | None, n_partitions: int) -> int:
    """Partition of a key as every Kafka client chooses it; records without a key go to the first one."""
    return 0 if key is None else (murmur2(key) & 0x7FFFFFFF) % n_partitions


def by_partition(records: Sequence[Record], n_partitions: int) -> dict[int, list[int]]:
    """Positions of the records by partition, in order."""
    lanes: dict[int, list[int]] = {}
    chosen: dict[bytes | None, int] = {}  # hashing costs more than sending
    for position, record in enumerate(records):
        partition = record.partition
        if partition is None:
            if record.key not in chosen:
                chosen[record.key] = partition_of(record.key, n_partitions)
            partition = chosen[record.key]
        lanes.setdefault(partition, []).append(position)
    return lanes


def refuse_unsendable(record: Record, n_partitions: int, limit: int) -> None:
    """The broker refuses these; an idempotent producer whose batch is refused is broken for good, so ask first."""
    if record.partition is not None and not 0 <= record.partition < n_partitions:
        raise RecordRefused(f"partition {record.partition} does not exist, the topic has {n_partitions}")
    size = len(record.key or b"") + len(record.value or b"") + sum(len(k) + len(v) for k, v in record.headers)
    if size > limit:
        raise RecordRefused(f"a record of {size} bytes is above the topic's limit of {limit}")
    if record.key is None and record.value is None:
        raise RecordRefused("a record needs a key or a value")
