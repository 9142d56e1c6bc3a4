"""Carry wishes and time into pages, keep summaries, end buckets. Everything starts from a query, not from memory."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from msgspec import Struct
from sync_contracts.documents import SummaryDocument
from sync_contracts.pages import Page, page_id
from sync_contracts.units import Limits

from status_aggregator.applying import PAGES_AT_ONCE, PageApplier, PageChange, PageStore, chunks
from status_aggregator.completion import Completion, Miscount, complete, has_ended, miscounts, unselect
from status_aggregator.timers import cancelled, expired, interrupted, reopened
from status_aggregator.views import ActiveBucket, PageView, lagging, summary_document, sums

BUCKETS_AT_ONCE: Final = 20
MAX_DEADLINE_PASSES: Final = 20


class BucketStore(Protocol):
    """Where buckets are kept. Every read is a majority read; all raise `StoreUnavailable`."""

    async def active(self, shards: Sequence[int]) -> list[ActiveBucket]: ...
    async def read(self, bucket: str) -> ActiveBucket | None: ...
    async def views(self, buckets: Sequence[str]) -> dict[str, list[PageView]]: ...
    async def pages(self, bucket: str) -> list[tuple[PageView, Page]]: ...
    async def summarize(self, summaries: Sequence[tuple[str, SummaryDocument]]) -> None: ...
    async def complete(self, completion: Completion) -> bool: ...
    async def unselect(self, bucket: str, rounds: Sequence[int]) -> None: ...


class Alarms(Protocol):
    """What must never happen, told to whoever watches."""

    def pages_missing(self, bucket: str, found: int, expected: int) -> None: ...
    def miscounted(self, bucket: str, miscount: Miscount) -> None: ...


class Swept(Struct):
    """What a pass has done: completions won by this process, those that came too late, pages changed."""

    completions: list[Completion]
    changed: int = 0
    refused: int = 0


class Sweeper:
    """One pass a second over the running buckets of the owned shards, one pass in five seconds over the deadlines."""

    def __init__(
        self,
        buckets: BucketStore,
        pages: PageStore,
        applier: PageApplier,
        *,
        now_ms: Callable[[], int],
        limits: Limits,
        alarms: Alarms,
    ) -> None:
        self._buckets = buckets
        self._pages = pages
        self._applier = applier
        self._now_ms = now_ms
        self._limits = limits
        self._alarms = alarms
        self._touched: set[str] = set()
        self._seen: dict[str, tuple[str, int]] = {}
        self._stopped: dict[str, int] = {}

    def touch(self, bucket: str) -> None:
        """Events of this bucket were folded: its totals have changed."""
        self._touched.add(bucket)

    def forget(self) -> None:
        """Look at every bucket in the next pass: the shards are new here, or something may have been missed."""
        self._seen.clear()
        self._stopped.clear()

    async def sweep(self, shards: Sequence[int]) -> Swept:
        """Reopen, cancel, sum up and complete what changed since the last pass, or was never looked at."""
        buckets = await self._buckets.active(shards)
        turn, self._touched = self._touched, set()
        swept = Swept([])
        try:
            due = [b for b in buckets if b.id in turn or self._seen.get(b.id) != (b.control, b.round)]
            for group in chunks(due, BUCKETS_AT_ONCE):
                await self._group(group, swept)
        except BaseException:
            self._touched |= turn
            raise
        self._seen = {b.id: (b.control, b.round) for b in buckets}
        return swept

    async def _group(self, buckets: Sequence[ActiveBucket], swept: Swept) -> None:
        views = await self._buckets.views([bucket.id for bucket in buckets])
        summaries: list[tuple[str, SummaryDocument]] = []
        for bucket in buckets:
            pages = views[bucket.id]
            if len(pages) != bucket.n_pages:
                self._alarms.pages_missing(bucket.id, len(pages), bucket.n_pages)
                continue
            if done := await self._ended(bucket, pages):
                if await self._buckets.complete(done):
                    swept.completions.append(done)
                    continue
                swept.refused += 1
            summaries.append((bucket.id, summary_document(sums(pages), self._now_ms())))
            await self._carry(bucket, pages, swept)
        if summaries:
            await self._buckets.summarize(summaries)

    async def _carry(self, bucket: ActiveBucket, views: Sequence[PageView], swept: Swept) -> None:
        """Bring the bucket's round and cancellation into its pages."""
        to_change = lagging(views, bucket.round)
        changed = await self._change(bucket, to_change, lambda page: reopened(page, bucket, self._now_ms()))
        if rounds := unselect(bucket, sums(views)):
            await self._buckets.unselect(bucket.id, rounds)
        if bucket.control == "CANCEL":
            open_pages = [view for view in views if view.r == bucket.round and self._to_stop(bucket, view)]
            numbers = [view.number for view in open_pages]
            changed += await self._change(bucket, numbers, self._cancel(bucket))
            to_change = [*to_change, *numbers]
            self._stopped |= {page_id(bucket.id, view.number): view.v for view in open_pages}
        if to_change:  # look again: another process may have overtaken the change
            self.touch(bucket.id)
        swept.changed += changed

    def _cancel(self, bucket: ActiveBucket) -> Callable[[Page], Page]:
        return lambda page: cancelled(page, bucket, self._now_ms(), self._limits)

    def _to_stop(self, bucket: ActiveBucket, view: PageView) -> bool:
        """Whether a page may hold something to cancel. In-flight units are looked at once per version of their page."""
        return view.waiting > 0 or (view.in_flight > 0 and self._stopped.get(page_id(bucket.id, view.number)) != view.v)

    async def _change(self, bucket: ActiveBucket, numbers: Sequence[int], change: Callable[[Page], Page]) -> int:
        """Read pages and write what `change` makes of them; what loses its compare-and-set is due again next time."""
        written = 0
        for group in chunks(numbers, PAGES_AT_ONCE):
            pages = await self._pages.read([page_id(bucket.id, number) for number in group])
            written += await self._applier.change([PageChange(page, change(page), []) for page in pages.values()])
        return written

    async def _ended(self, bucket: ActiveBucket, views: Sequence[PageView]) -> Completion | None:
        """The completion of a round that has ended. The bucket was read before its pages; a compare-and-set decides."""
        if not has_ended(bucket, sums(views), views):
            return None
        pages = await self._buckets.pages(bucket.id)
        for view, page in pages:
            if found := miscounts(page, view):
                self._alarms.miscounted(bucket.id, found)
                return None
        return complete(bucket, [view for view, _ in pages], self._now_ms())

    async def enforce_deadlines(self, shards: Sequence[int]) -> int:
        """End overdue attempts and buckets of the shards; returns how many pages changed."""
        buckets = {bucket.id: bucket for bucket in await self._buckets.active(shards)}
        changed = 0
        for _ in range(MAX_DEADLINE_PASSES):
            now_ms = self._now_ms()
            pages = await self._pages.overdue(shards, now_ms, PAGES_AT_ONCE)
            ended = [(page, interrupted(page, buckets.get(page.bucket), now_ms, self._limits)) for page in pages]
            changed += await self._applier.change([PageChange(page, end.page, end.attempts) for page, end in ended])
            self._touched |= {page.bucket for page in pages}
            if len(pages) < PAGES_AT_ONCE:
                break
        for bucket in buckets.values():
            if bucket.control != "PAUSE" and bucket.deadline_at <= self._now_ms():
                changed += await self._expire(bucket.id)
        return changed

    async def _expire(self, bucket_id: str) -> int:
        """Fail what still waits. The bucket is read anew: a resume or retry may have moved its deadline."""
        bucket = await self._buckets.read(bucket_id)
        if bucket is None:
            return 0
        views = (await self._buckets.views([bucket_id]))[bucket_id]
        numbers = [view.number for view in views if view.waiting and view.r == bucket.round]
        self.touch(bucket_id)
        return await self._change(bucket, numbers, lambda page: expired(page, bucket, self._now_ms(), self._limits))
