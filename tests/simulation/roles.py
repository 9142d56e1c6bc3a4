"""The objects of dispatcher, aggregator and worker, composed over the doubles: the one place that names constructors.

Each function is the composition root of one process and gives the coroutine that runs until it is stopped or dies.
"""

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

from bucket_api.dispatch.backlog import ActiveBucket as DispatchedBucket
from bucket_api.dispatch.cues import Leadership, follow
from bucket_api.dispatch.loop import Dispatcher
from bucket_api.dispatch.memory import Address, Entry, Memory, PageKey
from bucket_api.dispatch.messages import Outgoing, PageBatch
from bucket_api.dispatch.publisher import BatchPublisher
from bucket_api.dispatch.running import run_dispatcher
from bucket_api.dispatch.store import DispatchStore
from msgspec import Struct
from status_aggregator.aggregator import Aggregator, Stores
from status_aggregator.consuming import EventConsumer
from status_aggregator.store import MongoBuckets, MongoNotices, MongoPages
from sync_contracts.catalogue import cooldowns
from sync_contracts.topics import AGGREGATOR_GROUP, COMMANDS, DISPATCHER_GROUP, EVENTS, WORKER_GROUP
from sync_contracts.units import Limits
from sync_runtime.publisher import SendUnknown
from sync_runtime.tasks import Tasks
from sync_worker.datasets.keeping import DatasetKeeper
from sync_worker.datasets.store import DatasetStore
from sync_worker.delivery import Delivery
from sync_worker.execution.attempt import Attempts
from sync_worker.execution.emitter import Emitter
from sync_worker.execution.fence import Fence, Fences, FenceStore, Take
from sync_worker.execution.fetching import Fetching
from sync_worker.execution.runner import Runner
from sync_worker.execution.sights import Sights
from sync_worker.execution.store import ClientStore, UnitStore
from sync_worker.execution.subjects import Subjects
from sync_worker.intake.consumer import CommandIntake, IntakeLimits
from sync_worker.intake.dead_letters import DeadLetters
from sync_worker.intake.offsets import Offsets
from sync_worker.modules.port import SyncModule

from tests.simulation.consumer import SimulatedConsumer
from tests.simulation.group import Group
from tests.simulation.log import Log, SimulatedProducer, as_any
from tests.simulation.network import Process, Simulation
from tests.simulation.portal import RUNNING, PlainVault, SimulatedModule, SimulatedPortal, SimulatedPortals
from tests.simulation.replica import Replica
from tests.simulation.store import SimulatedDatabase
from tests.simulation.watching import Line, Watching

MODULES = ("notices", "return_register", "gstr2b")
GROUPS = {
    "dispatcher": (DISPATCHER_GROUP, EVENTS),
    "aggregator": (AGGREGATOR_GROUP, EVENTS),
    "worker": (WORKER_GROUP, COMMANDS),
}


class Timing(Struct, frozen=True):
    """What differs from seed to seed: the units' limits, how long a dispatch is believed, how long a unit may run."""

    limits: Limits
    memory_expiry_ms: int
    unit_limit_s: float
    inflight: int = 4


class Parts(Protocol):
    """What a process is made of."""

    sim: Simulation
    replica: Replica
    log: Log
    portal: SimulatedPortal
    groups: dict[str, Group]
    timing: Timing
    watching: Watching


class NoSpans:
    """Nothing is traced."""

    @contextmanager
    def batch(self, batch: PageBatch) -> Iterator[str | None]:  # noqa: ARG002
        """No span."""
        yield None


class Outbox:
    """An unknown outcome is a value; what is sent is judged against what the dispatcher has read."""

    def __init__(self, parts: Parts, process: Process, source: "WatchedSource") -> None:
        self._producer = SimulatedProducer(parts.sim, parts.log, process)
        self._watching = parts.watching
        self._source = source

    async def publish(self, topic: str, records: Sequence[Outgoing]) -> frozenset[int]:
        """Positions of the records that are not known to be written."""
        if topic == COMMANDS.name:
            self._watching.commands_sent(records, self._source.controls)
        try:
            await self._producer.publish(topic, records)
        except SendUnknown as unknown:
            return frozenset(unknown.positions)
        return frozenset()


class WatchedSource(DispatchStore):
    """The dispatcher's store; remembers what was wanted of each bucket when it was last read (P1)."""

    def __init__(self, database: Any) -> None:
        super().__init__(database)
        self.controls: dict[str, str] = {}

    async def active_buckets(self) -> list[DispatchedBucket]:
        """All buckets that have not ended."""
        found = await super().active_buckets()
        self.controls = {bucket.id: bucket.control for bucket in found}
        return found


class WatchedMemory(Memory):
    """The dispatcher's memory, which tells when it holds something of a page that is looked at."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.timing.memory_expiry_ms, 6 * parts.timing.memory_expiry_ms)
        self._watching = parts.watching

    def held(self, key: PageKey) -> Mapping[Address, Entry]:
        """The entries of a page."""
        found = super().held(key)
        if found:
            self._watching.suppressed()
        return found


class WatchedFences(Fences):
    """The worker's fences; tells which delivery holds which (F1)."""

    def __init__(self, parts: Parts, store: FenceStore, draw: random.Random) -> None:
        super().__init__(store, draw)
        self._watching = parts.watching

    async def _take_all(self, takes: Sequence[Take]) -> Sequence[Fence | None]:
        fences = await super()._take_all(takes)
        for take, fence in zip(takes, fences, strict=True):
            if fence is not None:
                self._watching.holds(f"{take.tenant}:{take.client}", fence.value, take.record)
        return fences


def _consumer(parts: Parts, process: Process, *, from_end: bool = False) -> SimulatedConsumer:
    consumer = SimulatedConsumer(parts.sim, parts.groups[process.role], process, from_end=from_end)
    parts.watching.consumers[process.name] = consumer
    return consumer


async def dispatcher(parts: Parts, process: Process) -> None:
    """A dispatcher process."""
    sim = parts.sim
    source = WatchedSource(SimulatedDatabase(sim, parts.replica, process))
    made = Dispatcher(
        source,
        BatchPublisher(Outbox(parts, process, source), NoSpans(), by=process.name, sample_ratio=0.0),
        elapsed_ms=lambda: int(sim.loop.time() * 1000),
        memory=WatchedMemory(parts),
        mean_call_s=1.0,
        window_without_rate=10_000,
    )
    consumer, stopped, tasks = _consumer(parts, process, from_end=True), asyncio.Event(), Tasks()
    consumer.subscribe([EVENTS.name], listener=Leadership(consumer, made, lambda _shards: None))
    await consumer.start()
    tasks.own("cues", follow(consumer, made, stopped, lambda: None))
    tasks.own("dispatch", run_dispatcher(made, lambda: sim.now_ms(process), lambda _tick: None, stopped))
    await tasks.watch()


async def aggregator(parts: Parts, process: Process) -> None:
    """An aggregator process."""
    sim, database = parts.sim, as_any(SimulatedDatabase(parts.sim, parts.replica, process))
    made = Aggregator(
        Stores(MongoPages(database), MongoBuckets(database), MongoNotices(database)),
        SimulatedProducer(sim, parts.log, process),
        parts.watching.observer,
        now_ms=lambda: sim.now_ms(process),
        rng=random.Random(f"{sim.seed} {process.draws}"),
        limits=parts.timing.limits,
    )
    consumer = as_any(_consumer(parts, process))
    watch = parts.watching.observer
    events = EventConsumer(consumer, EVENTS.name, made, now_ms=lambda: sim.now_ms(process), watch=watch)
    events.subscribe()
    await consumer.start()
    await events.run()


async def worker(parts: Parts, process: Process) -> None:
    """A worker process."""
    sim = parts.sim
    producer, consumer = SimulatedProducer(sim, parts.log, process), _consumer(parts, process)
    offsets = Offsets(consumer, COMMANDS.name, sim.loop.time)
    emitter = Emitter(producer, offsets.finish)
    refusals = DeadLetters(producer, clock_ms=lambda: sim.now_ms(process), count=parts.watching.refused)
    runner = _runner(parts, process, emitter, refusals, offsets)

    async def run(delivery: Delivery) -> None:
        RUNNING.set(delivery)
        await runner.run(delivery)

    intake = CommandIntake(
        consumer,
        COMMANDS.name,
        offsets=offsets,
        dead_letters=refusals,
        run_unit=run,
        on_known=partial(parts.watching.guarded, "tracker skip"),
        limits=IntakeLimits(max_inflight=2 * parts.timing.inflight, buffered=16 * parts.timing.inflight),
    )
    consumer.subscribe([COMMANDS.name], listener=intake)
    await consumer.start()
    tasks = Tasks()
    tasks.own("emitter", emitter.run())
    tasks.own("announcer", runner.announce_started())
    tasks.own("commands", intake.run())
    await tasks.watch()


def _runner(parts: Parts, process: Process, emitter: Emitter, refusals: DeadLetters, offsets: Offsets) -> Runner:
    sim, draw = parts.sim, random.Random(f"{parts.sim.seed} {process.draws}")
    database = as_any(SimulatedDatabase(sim, parts.replica, process))
    sights = Sights(UnitStore(database), sim.loop.time)
    fetching = Fetching(lambda: sim.now_ms(process), parts.timing.inflight)
    modules: dict[str, SyncModule] = {name: SimulatedModule(name) for name in MODULES}
    superseded = partial(parts.watching.guarded, "fenced data write")
    attempts = Attempts(
        modules=modules,
        subjects=Subjects(ClientStore(database), sim.loop.time),
        fences=WatchedFences(parts, FenceStore(database), draw),
        keeper=DatasetKeeper(DatasetStore(database, superseded), PlainVault(), lambda: sim.now(process)),
        portals=as_any(SimulatedPortals(sim, parts.portal, process)),
        limits=as_any(Line(sim)),
        fetching=fetching,
        is_cancelled=sights.is_cancelled,
        cooldowns_s=cooldowns({}),
        draw=draw,
        now=lambda: sim.now(process),
        unit_limit_s=parts.timing.unit_limit_s,
    )
    return Runner(
        sights=sights,
        attempts=attempts,
        fetching=fetching,
        emitter=emitter,
        refusals=refusals,
        finished=offsets.finish,
        guarded=lambda reason: parts.watching.guarded(f"preflight drop: {reason}"),
        record=parts.watching.attempted,
        clock_ms=lambda: sim.now_ms(process),
    )


MAINS = {"dispatcher": dispatcher, "aggregator": aggregator, "worker": worker}
