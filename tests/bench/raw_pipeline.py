"""The peer of B0: a pipeline of the same shape on aiokafka and MongoDB, without any product code.

Three processes: one reads pages and publishes a command per unit and a mark per 100 units, one turns commands into
events, one writes events into pages by compare-and-set. What every engine of this shape must pay, and nothing else: no
attempts, no fairness, no verification, no retries. Records are sent as the client library offers it (`send`, all
acknowledgements awaited together) or packed into own batches per partition.

One role: `python -m tests.bench.raw_pipeline ROLE HOW UNITS RUN KAFKA MONGO`, where RUN names the topics. It says
`ready`, waits for a line on its standard input (so that starting is not measured), says `done` when its work is
durable, and waits for another line.
"""

import asyncio
import logging
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, cast

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import murmur2
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from msgspec import Struct
from pymongo import UpdateOne

from tests.bench.raw_messages import (
    BUCKET,
    CLIENTS_PER_PAGE,
    COLUMNS,
    TENANT,
    UNITS_PER_PAGE,
    Command,
    Document,
    Ended,
    Event,
    Marked,
    decode_command,
    decode_event,
    encode,
    page_id,
)

DATABASE: Final = "raw_pipeline"
COMMAND_PARTITIONS: Final = 48
EVENT_PARTITIONS: Final = 32
SHARD: Final = 7
"""All events of one bucket lie in one partition, as the product's do."""
MARKED_AT_ONCE: Final = 100
PAGES_AT_ONCE: Final = 8
POLL_RECORDS: Final = 2_000
POLL_MS: Final = 100
COMMIT_EVERY_S: Final = 1.0
DEADLINE_S: Final = 300
PRODUCER: Final[dict[str, Any]] = {
    "acks": "all",
    "enable_idempotence": True,
    "linger_ms": 10,
    "max_batch_size": 131_072,
    "compression_type": "zstd",
}
CONSUMER: Final[dict[str, Any]] = {"enable_auto_commit": False, "auto_offset_reset": "earliest"}
MONGO: Final[dict[str, Any]] = {"w": "majority", "journal": True, "readConcernLevel": "majority"}

Pages = AsyncIOMotorCollection[Document]
How = Literal["sent", "packed"]
Lane = list[tuple[bytes | None, bytes]]
Lanes = dict[int, Lane]
Address = tuple[int, int, int]


class Job(Struct, frozen=True):
    """What a role is told. `run`: name of the run, which has its own topics and pages."""

    how: How
    units: int
    run: str
    kafka: str
    mongo: str

    @property
    def commands(self) -> str:
        return f"{self.run}.commands"

    @property
    def events(self) -> str:
        return f"{self.run}.events"

    def pages(self) -> Pages:
        """The run's collection, as durable as the product's."""
        client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(self.mongo, **MONGO)
        return client[DATABASE][self.run]


async def dispatch(job: Job) -> None:
    """Publish the commands of some pages, then their marks, until all pages are published."""
    pages = job.pages()
    async with AIOKafkaProducer(bootstrap_servers=job.kafka, **PRODUCER) as producer:
        await pages.find_one({})
        await say_and_wait("ready")
        for first in range(0, job.units // UNITS_PER_PAGE, PAGES_AT_ONCE):
            wanted = [page_id(number) for number in range(first, first + PAGES_AT_ONCE)]
            read = await pages.find({"_id": {"$in": wanted}}).to_list(PAGES_AT_ONCE)
            numbers = [int(page["_id"].rpartition(":")[2]) for page in read]
            await publish(job.how, producer, job.commands, _commands(read, numbers))
            marks: Lane = [(None, mark) for number in numbers for mark in _marks(number)]
            await publish(job.how, producer, job.events, {SHARD: marks})


def _commands(pages: Sequence[Document], numbers: Sequence[int]) -> Lanes:
    lanes: Lanes = defaultdict(list)
    issued_at = int(time.time() * 1000)
    for page, number in zip(pages, numbers, strict=True):
        for ci, row in enumerate(page["c"]):
            key = f"{TENANT}:{row['id']}".encode()
            lane = lanes[(murmur2(key) & 0x7FFFFFFF) % COMMAND_PARTITIONS]
            for mi in range(COLUMNS):
                period = {"period": "2026-10"}
                command = Command(TENANT, BUCKET, row["id"], number, ci, mi, 1, "null", period, SHARD, issued_at)
                lane.append((key, encode(command)))
    return lanes


def _marks(number: int) -> Iterable[bytes]:
    addresses = [(ci, mi, 1) for ci in range(CLIENTS_PER_PAGE) for mi in range(COLUMNS)]
    for first in range(0, UNITS_PER_PAGE, MARKED_AT_ONCE):
        yield encode(Marked(TENANT, BUCKET, number, addresses[first : first + MARKED_AT_ONCE]))


async def publish(how: How, producer: AIOKafkaProducer, topic: str, lanes: Lanes) -> None:
    """Send each lane to its partition; every record is acknowledged on return."""
    publisher = _packed if how == "packed" else _sent
    await asyncio.gather(*await publisher(producer, topic, lanes))


async def _sent(producer: AIOKafkaProducer, topic: str, lanes: Lanes) -> list[asyncio.Future[Any]]:
    return [
        await producer.send(topic, value, key=key, partition=partition)
        for partition, records in lanes.items()
        for key, value in records
    ]


async def _packed(producer: AIOKafkaProducer, topic: str, lanes: Lanes) -> list[asyncio.Future[Any]]:
    """In as few batches as fit."""
    acknowledgements: list[asyncio.Future[Any]] = []
    for partition, records in lanes.items():
        batch = producer.create_batch()
        for key, value in records:
            if batch.append(key=key, value=value, timestamp=None) is None:
                acknowledgements.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
        batch.close()
        acknowledgements.append(await producer.send_batch(batch, topic, partition=partition))
    return acknowledgements


async def work(job: Job) -> None:
    """Turn every command into an event."""
    async with (
        AIOKafkaConsumer(job.commands, bootstrap_servers=job.kafka, group_id="raw-workers", **CONSUMER) as consumer,
        AIOKafkaProducer(bootstrap_servers=job.kafka, **PRODUCER) as producer,
    ):
        await say_and_wait("ready")
        done, committed_s = 0, time.monotonic()
        while done < job.units:
            batch = await consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
            events: Lane = [(None, _event(record.value)) for records in batch.values() for record in records]
            if events:
                await publish(job.how, producer, job.events, {SHARD: events})
            done += len(events)
            if time.monotonic() - committed_s > COMMIT_EVERY_S or done == job.units:
                await consumer.commit()
                committed_s = time.monotonic()


def _event(value: bytes) -> bytes:
    command = decode_command(value)
    ended = Ended(command.tenant, command.bucket, command.page, command.ci, command.mi, command.attempt)
    return encode(ended)


async def fold(job: Job) -> None:
    """Write every event into its page."""
    folder = Folder(job.pages())
    consumer = AIOKafkaConsumer(bootstrap_servers=job.kafka, group_id="raw-folders", **CONSUMER)
    consumer.assign([TopicPartition(job.events, SHARD)])
    async with consumer:
        await say_and_wait("ready")
        committed_s = time.monotonic()
        while len(folder.ended) < job.units:
            batch = await consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
            await folder.write([decode_event(record.value) for records in batch.values() for record in records])
            if time.monotonic() - committed_s > COMMIT_EVERY_S or len(folder.ended) == job.units:
                await consumer.commit()
                committed_s = time.monotonic()


class Folder:
    """Knows the versions of the pages and which units have ended: a mark that comes late changes nothing."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._versions: dict[int, int] = defaultdict(int)
        self.ended: set[Address] = set()

    async def write(self, events: Sequence[Event]) -> None:
        """Write the pages of these events by one bulk of compare-and-sets; all are durable on return."""
        writes = []
        for page, fields in self._changes(events).items():
            seen = self._versions[page]
            self._versions[page] = seen + 1
            writes.append(UpdateOne({"_id": page_id(page), "v": seen}, {"$set": {**fields, "v": seen + 1}}))
        if writes and (await self._pages.bulk_write(writes, ordered=False)).matched_count != len(writes):
            raise RuntimeError("a page had another version: there is one writer, so this is a defect of the benchmark")

    def _changes(self, events: Sequence[Event]) -> dict[int, Document]:
        changes: dict[int, Document] = defaultdict(dict)
        for event in events:
            match event:
                case Ended(page=page, ci=ci, mi=mi, attempt=attempt):
                    self.ended.add((page, ci, mi))
                    changes[page][f"c.{ci}.m.{mi}"] = {"s": "S", "a": attempt, "f": 0, "t": 1, "e": "EMPTY"}
                case Marked(page=page, units=marked):
                    for ci, mi, attempt in marked:
                        if (page, ci, mi) not in self.ended:
                            changes[page][f"c.{ci}.m.{mi}"] = {"s": "D", "a": attempt, "f": 0, "t": 1}
        return changes


ROLES: Final = {"dispatch": dispatch, "work": work, "fold": fold}


async def run(role: str, job: Job) -> None:
    """One role from its start to the end of its standard input."""
    async with asyncio.timeout(DEADLINE_S):
        await ROLES[role](job)
        await say_and_wait("done")


async def say_and_wait(word: str) -> None:
    """Tell the benchmark and wait for its answer."""
    print(word, flush=True)
    await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a topic just made has no leader for a moment
    name, how, units, *rest = sys.argv[1:]
    asyncio.run(run(name, Job(cast("How", how), int(units), *rest)))
