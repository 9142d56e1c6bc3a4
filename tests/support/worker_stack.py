"""Real Kafka, real mongod and workers over them: a tenant, its clients and a bucket, with modules made for the test."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import ConsumerRecord
from sync_contracts import commands, events
from sync_contracts.buckets import shard_of
from sync_contracts.commands import Command, Params
from sync_contracts.pages import Page, page_document, page_id
from sync_contracts.topics import COMMANDS, DEAD_LETTERS, EVENTS, WORKER_GROUP
from sync_contracts.units import Unit
from sync_runtime.health import Health
from sync_runtime.metrics import Metrics
from sync_runtime.mongo import Database
from sync_runtime.telemetry import Telemetry
from sync_runtime.vault import KeyEncryptionKeys
from sync_worker.app import METRICS, SERVICE, WorkerService
from sync_worker.modules.port import Fetched, Parts, Portal, Request, Result, SyncModule
from sync_worker.settings import Settings

from tests.support.eventually import eventually

KEYS = KeyEncryptionKeys({1: bytes(32)})
BUCKET = "b_1"
PERIOD = "2026-10"
DISPATCHED = Unit("D", 1)


class NullModule:
    """Makes no call and stores nothing."""

    name = "null"
    stores = False

    async def sync(self, request: Request, portal: Portal, parts: Parts) -> Result:  # noqa: ARG002
        return fetched(b"{}")


@dataclass
class StoringModule:
    """Stores `body` after waiting for `gate`; remembers which registrations ran, in order, and how many at once."""

    body: bytes = b'{"rows":[]}'
    name: str = "storing"
    stores: bool = True
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    began: list[str] = field(default_factory=list)
    running: dict[str, int] = field(default_factory=dict)
    most_of_one_client: int = 0

    async def sync(self, request: Request, portal: Portal, parts: Parts) -> Result:  # noqa: ARG002
        self.began.append(request.gstin)
        self.running[request.gstin] = self.running.get(request.gstin, 0) + 1
        self.most_of_one_client = max(self.most_of_one_client, self.running[request.gstin])
        try:
            await self.gate.wait()
        finally:
            self.running[request.gstin] -= 1
        return fetched(self.body)


class SlowModule:
    """Stores a little after 50 ms."""

    name = "slow"
    stores = True

    async def sync(self, request: Request, portal: Portal, parts: Parts) -> Result:  # noqa: ARG002
        await asyncio.sleep(0.05)
        return fetched(request.gstin.encode())


def slow_modules() -> dict[str, SyncModule]:
    """For a worker in a process of its own."""
    return {SlowModule.name: SlowModule()}


def fetched(body: bytes, rows: int = 1) -> Fetched:
    """Complete data."""
    return Fetched(body=body, rows=rows, flags=1, marker=None, totals={}, sections={"all": rows})


async def seed(
    database: Database,
    *,
    tenant: str = "t_1",
    bucket: str = BUCKET,
    clients: int = 10,
    modules: Sequence[str] = ("null",),
    control: str = "RUN",
    force: bool = False,
    unit: Unit = DISPATCHED,
    per_page: int = 100,
) -> None:
    """A tenant with clients, and a bucket over all of them whose units have been dispatched once."""
    names = [client_id(tenant, number) for number in range(clients)]
    await database["tenants"].update_one(
        {"_id": tenant},
        {"$set": {"name": tenant, "data_key_wrapped": KEYS.new_wrapped_key(tenant), "key_version": 1}},
        upsert=True,
    )
    for number, name in enumerate(names):
        master = {"tenant_id": tenant, "gstin": f"{number:015d}", "kind": "regular", "line_id": "up_gst_1"}
        await database["clients"].update_one({"_id": name}, {"$set": {**master, "status": "active"}}, upsert=True)
    shard, pages = shard_of(tenant), [names[i : i + per_page] for i in range(0, clients, per_page)]
    for number, part in enumerate(pages):
        page = Page(
            id=page_id(bucket, number),
            bucket=bucket,
            number=number,
            tenant=tenant,
            shard=shard,
            v=1,
            r=0,
            clients=tuple(part),
            rows=tuple(tuple(unit for _ in modules) for _ in part),
        )
        await database["bucket_pages"].insert_one(page_document(page))
    document: dict[str, Any] = {
        "_id": bucket,
        "tenant_id": tenant,
        "shard": shard,
        "control": control,
        "round": 0,
        "columns": [{"module": module, "period": PERIOD} for module in modules],
        "plan": {"options": {"force": force}},
        "status": "RUNNING",
    }
    await database["buckets"].insert_one(document)


def client_id(tenant: str, number: int) -> str:
    """Id of a tenant's n-th client."""
    return f"c_{tenant}_{number}"


def command(number: int, mi: int = 0, *, module: str = "null", tenant: str = "t_1", **changes: Any) -> Command:
    """The first attempt for the n-th client's unit in column `mi`."""
    usual: dict[str, Any] = {
        "bucket": BUCKET,
        "client": client_id(tenant, number),
        "page": 0,
        "ci": number,
        "attempt": 1,
        "shard": shard_of(tenant),
        "issued_at": 0,
    }
    return Command(tenant=tenant, mi=mi, module=module, params=Params(PERIOD), **(usual | changes))


@dataclass(frozen=True)
class WorkerStack:
    """Topics and a database of one test's own."""

    settings: Settings
    database: Database
    producer: AIOKafkaProducer
    admin: AIOKafkaAdminClient
    observer: "Observer"

    def service(self, modules: Iterable[SyncModule], **changes: Any) -> WorkerService:
        """A worker that is not yet started."""
        settings = self.settings.model_copy(update=changes)
        registry: Mapping[str, SyncModule] = {module.name: module for module in modules}
        return WorkerService(settings, KEYS, Health(Metrics(METRICS)), Telemetry(settings, SERVICE), registry)

    @asynccontextmanager
    async def worker(self, *modules: SyncModule, **changes: Any) -> AsyncIterator[asyncio.Task[None]]:
        """A worker as its process runs it, drained at the end; gives its `run`."""
        service = self.service(modules, **changes)
        await service.start()
        running = asyncio.create_task(service.run())
        try:
            yield running
        finally:
            if running.done():
                running.result()
            await service.drain()
            await running

    async def send(self, *asked: Command) -> None:
        """Publish commands as the dispatcher does."""
        await self.send_raw(*((commands.key_of(c.tenant, c.client), commands.encode(c), ()) for c in asked))

    async def send_raw(self, *records: tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]) -> None:
        """Publish any records."""
        topic = self.settings.prefixed(COMMANDS.name)
        sent = [await self.producer.send(topic, value, key=key, headers=list(marks)) for key, value, marks in records]
        await asyncio.gather(*sent)

    async def succeeded(self, n: int) -> None:
        """Wait until so many units have succeeded."""

        async def reached() -> bool:
            return sum(isinstance(event, events.Succeeded) for event in await self.events()) == n

        await eventually(reached, what=f"{n} units succeed")

    async def records(self, topic: str = EVENTS.name) -> list[ConsumerRecord]:
        """All records of a topic so far, per partition in order."""
        await self.observer.read()
        name = self.settings.prefixed(topic)
        return sorted((r for r in self.observer.seen if r.topic == name), key=lambda r: (r.partition, r.offset))

    async def events(self) -> list[events.Event]:
        """All events so far, per partition in order."""
        return [events.decode(record.value) for record in await self.records()]

    async def committed(self) -> int:
        """Sum of the offsets that the workers have committed."""
        return sum((await self.commits()).values())

    async def commits(self) -> dict[int, int]:
        """Committed offset by partition of the commands topic."""
        offsets = await self.admin.list_consumer_group_offsets(self.settings.prefixed(WORKER_GROUP))
        topic = self.settings.prefixed(COMMANDS.name)
        return {place.partition: found.offset for place, found in offsets.items() if place.topic == topic}


class Observer:
    """One consumer of what workers write, read when a test asks."""

    def __init__(self, settings: Settings) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        self._topics = {settings.prefixed(topic.name): topic.partitions for topic in (EVENTS, DEAD_LETTERS)}
        self.seen: list[ConsumerRecord] = []

    async def __aenter__(self) -> Self:
        self._consumer.assign([TopicPartition(topic, n) for topic, all_ in self._topics.items() for n in range(all_)])
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def read(self) -> None:
        """Take in what has come."""
        batches = await self._consumer.getmany(timeout_ms=50)
        self.seen += [record for batch in batches.values() for record in batch]
