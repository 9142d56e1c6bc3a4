"""Carry changes into pages: read images, fold, compare-and-set many pages at once, and look again where that failed."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from msgspec import Struct, field
from sync_contracts.pages import Page
from sync_contracts.units import Limits

from status_aggregator.cache import PageCache
from status_aggregator.folding import AttemptRow, Folded, fold_page
from status_aggregator.intake import Entry, Refused

T = TypeVar("T")

PAGES_AT_ONCE: Final = 32
CHUNKS_AT_ONCE: Final = 4
MAX_TRIES: Final = 60
CONFLICT_DELAY_S: Final = 0.02
UNAVAILABLE_DELAY_S: Final = 0.2
MAX_DELAY_S: Final = 2.0


class StoreUnavailable(ConnectionError):
    """The store did not answer, or did not say whether a write was made. Read again and look."""

    log_safe = True


class PagesContended(RuntimeError):
    """Pages could not be written in any of the bounded tries; the records are read again after a restart."""

    log_safe = True


class PageChange(Struct, frozen=True):
    """A compare-and-set of one page from `old` to `new`, and the evidence to be inserted before it."""

    old: Page
    new: Page
    attempts: list[AttemptRow]


class PageStore(Protocol):
    """Where pages are kept. Every read is a majority read; all raise `StoreUnavailable`."""

    async def read(self, ids: Sequence[str]) -> dict[str, Page]:
        """The pages that exist, by id."""

    async def read_linearizable(self, page_id: str) -> Page | None:
        """The newest durable image of a page."""

    async def write(self, changes: Sequence[PageChange]) -> bool:
        """Compare and set each page, majority-acknowledged. False: some were not applied, unknown which."""

    async def overdue(self, shards: Sequence[int], now_ms: int, limit: int) -> list[Page]:
        """Pages with an attempt past its deadline, the longest overdue first."""


class Applied(Struct):
    """What became of a batch. `refused` and `unknown` (events of purged buckets) by page id;

    `absorbed`: pages whose events changed nothing, durably so."""

    refused: dict[str, list[Refused]] = field(default_factory=dict)
    written: int = 0
    absorbed: int = 0
    unknown: dict[str, int] = field(default_factory=dict)
    conflicts: int = 0
    reloads: int = 0


class PageApplier:
    """The one writer of pages in this process. An image that lost its compare-and-set is dropped, never patched."""

    def __init__(
        self,
        store: PageStore,
        cache: PageCache,
        *,
        now_ms: Callable[[], int],
        limits: Limits,
        rng: random.Random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        overtaken: Callable[[], None] = lambda: None,
    ) -> None:
        """`overtaken` is told of each write of `change` that lost its compare-and-set; `Applied` has those of folds."""
        self._store = store
        self._cache = cache
        self._now_ms = now_ms
        self._limits = limits
        self._rng = rng
        self._sleep = sleep
        self._overtaken = overtaken

    async def apply(self, pages: Mapping[str, list[Entry]]) -> Applied:
        """Fold events into their pages; when this returns, all of them are reflected in durable state.

        Raises `PagesContended` when a page could not be written in the bounded tries.
        """
        applied = Applied()
        waves = list(chunks(list(pages), PAGES_AT_ONCE))
        for wave in chunks(waves, CHUNKS_AT_ONCE):
            settling = (self._settle({key: pages[key] for key in chunk}, applied) for chunk in wave)
            for outcome in await asyncio.gather(*settling, return_exceptions=True):
                if outcome is not None:
                    raise outcome
        return applied

    async def change(self, changes: Sequence[PageChange]) -> int:
        """Write what a query gave rise to, once: what loses is found by the next query. Returns the pages changed."""
        written = 0
        for chunk in chunks([change for change in changes if change.new is not change.old], PAGES_AT_ONCE):
            if await self._write(chunk):
                written += len(chunk)
            else:
                self._overtaken()
        return written

    async def _settle(self, pending: dict[str, list[Entry]], applied: Applied) -> None:
        for tries in range(1, MAX_TRIES + 1):
            try:
                pending = await self._once(pending, applied)
                delay_s = CONFLICT_DELAY_S * tries
            except StoreUnavailable:
                self._forget(pending)
                delay_s = UNAVAILABLE_DELAY_S * tries
            if not pending:
                return
            await self._sleep(min(delay_s, MAX_DELAY_S) * (0.5 + self._rng.random()))
        raise PagesContended(f"{len(pending)} pages were not written in {MAX_TRIES} tries")

    async def _once(self, pending: dict[str, list[Entry]], applied: Applied) -> dict[str, list[Entry]]:
        """One try for some pages; returns what has to be tried again."""
        images = await self._images(pending)
        changes: list[PageChange] = []
        for key, entries in pending.items():
            page = images.get(key)
            folded = None if page is None else await self._fold(page, entries, applied)
            if folded is None:
                applied.unknown[key] = len(entries)
            elif folded.after.page is folded.before:
                applied.absorbed += 1
                self._cache.put(folded.before)
            else:
                changes.append(PageChange(folded.before, folded.after.page, folded.after.attempts))
            applied.refused[key] = [] if folded is None else [*folded.after.refused, *folded.after.ahead]
        if not changes or await self._write(changes):
            applied.written += len(changes)
            return {}
        applied.conflicts += 1
        return {change.old.id: pending[change.old.id] for change in changes}

    async def _images(self, keys: Mapping[str, object]) -> dict[str, Page]:
        images = {key: page for key in keys if (page := self._cache.get(key)) is not None}
        missing = [key for key in keys if key not in images]
        return images | await self._store.read(missing) if missing else images

    async def _fold(self, page: Page, entries: list[Entry], applied: Applied) -> "_FoldedImage | None":
        """Fold; an image that an event is ahead of is read anew, and what is ahead of the durable page is forged."""
        folded = fold_page(page, entries, self._now_ms(), self._limits)
        if not folded.ahead:
            return _FoldedImage(page, folded)
        applied.reloads += 1
        newest = await self._store.read_linearizable(page.id)
        if newest is None:
            return None
        return _FoldedImage(newest, fold_page(newest, entries, self._now_ms(), self._limits))

    async def _write(self, changes: Sequence[PageChange]) -> bool:
        """Compare and set; the cache holds the new images, or none of these pages."""
        self._forget(change.old.id for change in changes)
        if not await self._store.write(changes):
            return False
        for change in changes:
            self._cache.put(change.new)
        return True

    def _forget(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._cache.drop(key)


class _FoldedImage(Struct, frozen=True):
    before: Page
    after: Folded


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in order, at most `size` together."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
