"""The aggregator as explicit steps: take shards, fold a batch, sweep, heal. No loop and no clock of its own."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol

from msgspec import Struct
from sync_contracts.units import Limits

from status_aggregator.applying import Applied, PageApplier, PageStore
from status_aggregator.cache import PageCache
from status_aggregator.intake import Record, Refused, sampled_parent, sort
from status_aggregator.notify import NoticeStore, Notifier
from status_aggregator.publishing import Publisher
from status_aggregator.refusing import DeadLetters
from status_aggregator.sweeps import Alarms, BucketStore, Sweeper, Swept

DEFAULT_CACHED_PAGES: Final = 400
MAX_LINKS: Final = 64


class Observer(Alarms, Protocol):
    """What the aggregator tells of itself, per batch and never per unit."""

    def batch(self, records: int, parents: Sequence[str]) -> AbstractContextManager[None]:
        """A span and a duration around one folded batch; `parents` are traceparents of sampled traces to link to."""

    def folded(self, records: int, applied: Applied, refused: Sequence[Refused]) -> None:
        """What became of a batch."""

    def swept(self, swept: Swept) -> None:
        """What a sweep did."""

    def overtaken(self) -> None:
        """A sweep or a deadline lost its compare-and-set: another process has written one of the pages."""

    def notified(self, notifications: int) -> None:
        """So many completions were told."""


class Stores(Struct, frozen=True):
    """The three narrow stores that the aggregator needs."""

    pages: PageStore
    buckets: BucketStore
    notices: NoticeStore


class Aggregator:
    """The single writer of pages for the shards it owns.

    Ownership may be wrong at any time: the versions of pages and the rounds of buckets decide, not membership.
    """

    def __init__(
        self,
        stores: Stores,
        publisher: Publisher,
        observer: Observer,
        *,
        now_ms: Callable[[], int],
        rng: random.Random,
        limits: Limits,
        cached_pages: int = DEFAULT_CACHED_PAGES,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._cache = PageCache(cached_pages)
        self._observer = observer
        self._applier = PageApplier(
            stores.pages,
            self._cache,
            now_ms=now_ms,
            limits=limits,
            rng=rng,
            sleep=sleep,
            overtaken=observer.overtaken,
        )
        self._sweeper = Sweeper(
            stores.buckets, stores.pages, self._applier, now_ms=now_ms, limits=limits, alarms=observer
        )
        self._notifier = Notifier(stores.notices, publisher)
        self._dead_letters = DeadLetters(publisher, now_ms, sleep)
        self._shards: tuple[int, ...] = ()

    @property
    def shards(self) -> tuple[int, ...]:
        """The shards owned, as far as this process knows."""
        return self._shards

    def assign(self, shards: Iterable[int]) -> None:
        """Own exactly these shards from now on. Images are dropped: another process may have written in between."""
        self._shards = tuple(sorted(shards))
        self._cache.drop_all()
        self._sweeper.forget()

    async def fold(self, records: Sequence[Record]) -> Applied:
        """Fold a poll. When this returns, every record is reflected in durable state, dropped as history of a purged

        bucket, or acknowledged as a dead letter: the offsets behind it may be committed. Raises `PagesContended`,
        `TooManyInvalid`, `ConnectionError`; the batch may then be folded again as it is.
        """
        with self._observer.batch(len(records), _parents(records)):
            intake = sort(records)
            applied = await self._applier.apply(intake.pages)
            refused = [*intake.refused, *(refusal for page in applied.refused.values() for refusal in page)]
            await self._dead_letters.publish(records, refused)
        for entries in intake.pages.values():
            self._sweeper.touch(entries[0][0].bucket)
        self._observer.folded(len(records), applied, refused)
        return applied

    async def sweep(self) -> Swept:
        """The pass of every second: rounds, cancellations, summaries, completions and their notifications."""
        swept = await self._sweeper.sweep(self._shards)
        self._observer.swept(swept)
        if swept.completions:
            self._observer.notified(await self._notifier.publish_pending(self._shards))
        return swept

    async def heal(self, caught_up: Sequence[int]) -> int:
        """The pass of every five seconds: deadlines of the shards whose log is read up, notifications left over.

        Behind the log an attempt may look overdue although its result is waiting to be read.
        """
        changed = await self._sweeper.enforce_deadlines(caught_up) if caught_up else 0
        self._observer.notified(await self._notifier.publish_pending(self._shards))
        self._sweeper.forget()
        return changed


def _parents(records: Sequence[Record]) -> list[str]:
    parents: dict[str, None] = {}
    for record in records:
        if (parent := sampled_parent(record)) is not None:
            parents[parent] = None
            if len(parents) == MAX_LINKS:
                break
    return list(parents)
