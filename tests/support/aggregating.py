"""An aggregator over memory: its stores, its publisher, what it observed, a clock that the test moves."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from status_aggregator.aggregator import Aggregator, Stores
from status_aggregator.applying import Applied
from status_aggregator.completion import Miscount
from status_aggregator.intake import Record, Refused
from status_aggregator.publishing import Outgoing
from status_aggregator.sweeps import Swept
from sync_contracts.events import Event
from sync_contracts.pages import Page
from sync_contracts.units import DEFAULT_LIMITS, Limits

from tests.support.memory_stores import MemoryBuckets, MemoryNotices, MemoryPages
from tests.support.planted import Plan
from tests.support.records import Events, record

ALL_SHARDS = tuple(range(32))
ONE_PAGE = Plan(clients=2, columns=2)


class Clock:
    """Milliseconds, moved by hand."""

    def __init__(self, now_ms: int = 1_000_000) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


async def no_time(_seconds: float) -> None:
    """Waiting takes no time here."""


class RecordingPublisher:
    """Keeps what is published. `unknown`: so many publishes fail first."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Outgoing]] = []
        self.unknown = 0

    async def publish(self, topic: str, records: Sequence[Outgoing]) -> None:
        if self.unknown:
            self.unknown -= 1
            raise ConnectionError("not acknowledged")
        self.published += [(topic, record) for record in records]

    def reasons(self) -> list[str]:
        """Reasons of the dead letters published."""
        return [dict(record.headers)["dlq-reason"].decode() for _, record in self.published]


class Seen:
    """An observer that remembers what it was told."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, Sequence[str]]] = []
        self.fates: list[tuple[int, Applied]] = []
        self.refused: list[Refused] = []
        self.sweeps: list[Swept] = []
        self.told = 0
        self.overtakes = 0
        self.missing: list[tuple[str, int, int]] = []
        self.miscounts: list[tuple[str, Miscount]] = []

    @contextmanager
    def batch(self, records: int, parents: Sequence[str]) -> Iterator[None]:
        self.batches.append((records, parents))
        yield

    def folded(self, records: int, applied: Applied, refused: Sequence[Refused]) -> None:
        self.fates.append((records, applied))
        self.refused += refused

    def swept(self, swept: Swept) -> None:
        self.sweeps.append(swept)

    def overtaken(self) -> None:
        self.overtakes += 1

    def notified(self, notifications: int) -> None:
        self.told += notifications

    def pages_missing(self, bucket: str, found: int, expected: int) -> None:
        self.missing.append((bucket, found, expected))

    def miscounted(self, bucket: str, miscount: Miscount) -> None:
        self.miscounts.append((bucket, miscount))


class MemoryWorld:
    """Everything around one or more aggregators that share their stores."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self.pages: MemoryPages = MemoryPages()
        self.buckets: MemoryBuckets = MemoryBuckets(self.pages)
        self.notices = MemoryNotices(self.buckets)
        self.publisher = RecordingPublisher()
        self.seen = Seen()
        self.clock = Clock()

    def aggregator(self) -> Aggregator:
        """A new aggregator that owns every shard."""
        made = Aggregator(
            Stores(self.pages, self.buckets, self.notices),
            self.publisher,
            self.seen,
            now_ms=self.clock,
            rng=random.Random(7),
            limits=self.limits,
            sleep=no_time,
        )
        made.assign(ALL_SHARDS)
        return made


def log(*happened: Event) -> list[Record]:
    """The events as the records of a log."""
    return [record(event, offset) for offset, event in enumerate(happened)]


def states(world: MemoryWorld, page: Page) -> str:
    """Letters of the page's units as stored."""
    return "".join(unit.s for row in world.pages.stored[page.id].rows for unit in row)


def all_units(attempt: int = 1) -> list[tuple[int, int, int]]:
    """Address and attempt of each unit of `ONE_PAGE`."""
    return [(ci, mi, attempt) for ci in (0, 1) for mi in (0, 1)]


def run_to_end(of_page: Events) -> list[Event]:
    """Every unit of `ONE_PAGE` dispatched and succeeded."""
    return [of_page.dispatched(*all_units()), *(of_page.succeeded(ci, mi, a) for ci, mi, a in all_units())]
