"""Buckets and pages in memory, changed by the product's own `fold`: the database of the dispatcher's unit tests.

The events topic is a list; `fold_all` is the aggregator, `finish_all` the workers. Tests decide when each of them acts.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bucket_api.dispatch.backlog import ActiveBucket, Column, PageView
from bucket_api.dispatch.fairness import Line
from bucket_api.dispatch.loop import Dispatcher
from bucket_api.dispatch.memory import EXPIRY_MS, Memory
from bucket_api.dispatch.messages import Outgoing, PageBatch
from bucket_api.dispatch.publisher import BatchPublisher
from bucket_api.dispatch.takes import PageImage, column_order, image_from, view_from
from bucket_api.schedules.calendar import Calendar
from msgspec.structs import replace
from sync_contracts import commands, events
from sync_contracts.commands import Command
from sync_contracts.events import Dispatched, Event, Succeeded
from sync_contracts.outcomes import Code
from sync_contracts.pages import Page, page_document, page_id, with_units
from sync_contracts.topics import COMMANDS, EVENTS
from sync_contracts.units import Fact, Unit, fold

from tests.support.planted import FAR_AWAY_MS

Refusal = Callable[[str, Outgoing], bool]


class PageWorld:
    """Source and outbox of a dispatcher. Counters: `page_reads` documents, `scans` views of a bucket."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000
        self.buckets: dict[str, ActiveBucket] = {}
        self.documents: dict[tuple[str, int], Page] = {}
        self.upstreams: list[Line] = []
        self.commands: list[Command] = []
        self.events: list[Event] = []
        self.log: list[tuple[str, Outgoing]] = []
        self.refuse: Refusal = lambda _topic, _record: False
        self.page_reads = 0
        self.scans = 0
        self._folded = 0
        self._finished = 0

    def add(
        self,
        bucket: str,
        *,
        tenant: str = "t_one",
        clients: int = 3,
        modules: Sequence[str] = ("gstr2b",),
        period: str = "2026-10",
        per_page: int = 100,
        shard: int = 0,
        **given: Any,
    ) -> ActiveBucket:
        """A bucket whose units all wait for their first attempt. `given`: other fields of `ActiveBucket`."""
        names = [f"c_{bucket}_{i}" for i in range(clients)]
        parts = [tuple(names[i : i + per_page]) for i in range(0, clients, per_page)]
        columns = tuple(Column(module, period) for module in modules)
        needed_by = tuple(Calendar().needed_by(module, period) for module in modules)
        fields = {"creator": "user", "deadline_at": FAR_AWAY_MS, "needed_by": needed_by, **given}
        added = ActiveBucket(bucket, tenant, shard, "RUN", columns, len(parts), **fields)
        self.buckets[bucket] = added
        for number, part in enumerate(parts):
            rows = tuple(tuple(Unit(t=self.now_ms) for _ in modules) for _ in part)
            page = Page(page_id(bucket, number), bucket, number, tenant, shard, 1, 0, part, rows)
            self.documents[bucket, number] = page
        return added

    def control(self, bucket: str, control: Any) -> None:
        """What a user wants of the bucket from now on."""
        self.buckets[bucket] = replace(self.buckets[bucket], control=control)

    def unit(self, bucket: str, page: int, ci: int, mi: int) -> Unit:
        unit = self.documents[bucket, page].unit(ci, mi)
        assert unit is not None
        return unit

    def change(self, bucket: str, page: int, facts: Sequence[tuple[int, int, Fact]]) -> None:
        """Fold facts into a page."""
        before = self.documents[bucket, page]
        units: dict[tuple[int, int], Unit] = {}
        for ci, mi, fact in facts:
            was = units.get((ci, mi)) or self.unit(bucket, page, ci, mi)
            now = fold(was, fact, self.now_ms)
            if now is not was:
                units[ci, mi] = now
        self.documents[bucket, page] = with_units(before, units)

    def fold_all(self) -> None:
        """The aggregator folds every event published so far."""
        for event in self.events[self._folded :]:
            self.change(event.bucket, event.page, list(events.facts(event)))
        self._folded = len(self.events)

    def finish_all(self) -> None:
        """The workers end every command published so far with a success."""
        for c in self.commands[self._finished :]:
            done = Succeeded(
                tenant=c.tenant, bucket=c.bucket, page=c.page, ci=c.ci, mi=c.mi, attempt=c.attempt, code=Code.OK
            )
            self.events.append(done)
        self._finished = len(self.commands)

    def marks(self) -> list[Dispatched]:
        """The DISPATCHED events so far."""
        return [event for event in self.events if isinstance(event, Dispatched)]

    def in_flight(self, tenant: str) -> int:
        """Commands without a folded end: what the portal could be asked for at once."""
        return sum(
            not self.unit(c.bucket, c.page, c.ci, c.mi).terminal
            for c in {(c.bucket, c.page, c.ci, c.mi): c for c in self.commands if c.tenant == tenant}.values()
        )

    async def active_buckets(self) -> list[ActiveBucket]:
        return list(self.buckets.values())

    async def lines(self) -> list[Line]:
        return self.upstreams

    async def views(self, buckets: Sequence[str]) -> dict[str, list[PageView]]:
        self.scans += len(buckets)
        return {
            wanted: [view_from(page_document(page)) for (bucket, _), page in self.documents.items() if bucket == wanted]
            for wanted in buckets
        }

    async def pages(self, wanted: Sequence[tuple[ActiveBucket, int]]) -> list[PageImage]:
        self.page_reads += len(wanted)
        return [
            image_from(page_document(self.documents[bucket.id, page]), column_order(bucket.columns))
            for bucket, page in wanted
            if (bucket.id, page) in self.documents
        ]

    async def publish(self, topic: str, records: Sequence[Outgoing]) -> frozenset[int]:
        refused = frozenset(i for i, record in enumerate(records) if self.refuse(topic, record))
        for i, record in enumerate(records):
            if i not in refused:
                self._deliver(topic, record)
        return refused

    def _deliver(self, topic: str, record: Outgoing) -> None:
        self.log.append((topic, record))
        if topic == COMMANDS.name:
            self.commands.append(commands.decode(record.value))
        else:
            assert topic == EVENTS.name
            self.events.append(events.decode(record.value))


class NoSpans:
    """Tracing is off: messages carry the bucket's own trace."""

    @contextmanager
    def batch(self, batch: PageBatch) -> Iterator[str | None]:
        yield batch.bucket.trace


def dispatcher_in(
    world: PageWorld, *, shards: Sequence[int] = (0,), window: int = 10_000, expiry_ms: int = EXPIRY_MS
) -> Dispatcher:
    """A dispatcher that owns the shards."""
    dispatcher = Dispatcher(
        world,
        BatchPublisher(world, NoSpans(), by="dispatcher-0", sample_ratio=0.5),
        elapsed_ms=lambda: 0,
        memory=Memory(expiry_ms, 6 * expiry_ms),
        mean_call_s=1.0,
        window_without_rate=window,
    )
    dispatcher.own(shards)
    return dispatcher


async def run_until_idle(world: PageWorld, dispatcher: Dispatcher, *, limit: int = 1_000) -> int:
    """Tick while there is more to do at once; returns how many units were dispatched."""
    dispatched = 0
    for _ in range(limit):
        tick = await dispatcher.tick(world.now_ms)
        dispatched += tick.dispatched
        if not tick.again:
            return dispatched
    raise AssertionError(f"still busy after {limit} ticks")
