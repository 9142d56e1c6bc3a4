"""The dispatcher as one object with an explicit step. No clock, no task, no Kafka client: its owner calls `tick`.

A tick looks at the buckets (twice a second), at pages (each second, touched buckets five times a second), and sends at
most one group of page batches. Units count as in flight from the moment they are taken: in the memory until the pages
show them.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final, Protocol

from msgspec import Struct

from bucket_api.dispatch.backlog import ActiveBucket, Backlog, PageView
from bucket_api.dispatch.fairness import Line
from bucket_api.dispatch.gates import Gates
from bucket_api.dispatch.memory import Memory
from bucket_api.dispatch.messages import PageBatch
from bucket_api.dispatch.publisher import BatchPublisher
from bucket_api.dispatch.shares import Load, Meter, Owner, Share, shares
from bucket_api.dispatch.standing import Standing, standing_of
from bucket_api.dispatch.takes import PageImage, WaitingUnit
from bucket_api.dispatch.turns import Demand, Grant, Offer, Rotation, path_of
from bucket_api.dispatch.urgency import urgent_columns

REFRESH_MS: Final = 500
RETRY_SEND_MS: Final = 1_000
PAGES_AT_ONCE: Final = 32
VIEWS_AT_ONCE: Final = 2_000
"""Pages in one scan of several buckets."""
CACHED_IMAGES: Final = 32


class Source(Protocol):
    """What the dispatcher reads; every answer is a majority read."""

    async def active_buckets(self) -> Sequence[ActiveBucket]: ...
    async def lines(self) -> Sequence[Line]: ...
    async def views(self, buckets: Sequence[str]) -> dict[str, list[PageView]]: ...
    async def pages(self, wanted: Sequence[tuple[ActiveBucket, int]]) -> Sequence[PageImage]: ...


class Tick(Struct, frozen=True):
    """What a step did. `again`: there is more to do. `closed`: no line takes calls. `known`: as `Taken` has it."""

    again: bool
    dispatched: int = 0
    lost: int = 0
    batches: int = 0
    closed: bool = False
    known: int = 0


class Dispatcher:
    """Dispatches due units of the owned shards. `elapsed_ms` measures durations only, for the pace of scans."""

    def __init__(
        self,
        source: Source,
        publisher: BatchPublisher,
        *,
        elapsed_ms: Callable[[], int],
        memory: Memory,
        mean_call_s: float,
        window_without_rate: int,
    ) -> None:
        self._source = source
        self._publisher = publisher
        self._elapsed_ms = elapsed_ms
        self._memory = memory
        self._gates = Gates(mean_call_s, window_without_rate)
        self._rotation = Rotation()
        self._meter = Meter()
        self._shards: frozenset[int] = frozenset()
        self._wanted_shards = self._shards
        self._others: Sequence[ActiveBucket] = ()
        self._backlogs: dict[str, Backlog] = {}
        self._images: OrderedDict[tuple[str, int], PageImage] = OrderedDict()
        self._refresh_at = self._send_at = self._known = self._ticked_at = 0

    def own(self, shards: Iterable[int]) -> None:
        """From now on dispatch for these shards only. The memory of others is kept: they may come back."""
        self._wanted_shards = frozenset(shards)

    def touch(self, buckets: Iterable[str]) -> None:
        """Something happened in these buckets."""
        for bucket in buckets:
            if backlog := self._backlogs.get(bucket):
                backlog.touched = True

    def touch_shards(self, shards: Iterable[int]) -> None:
        """Something happened in some bucket of these shards."""
        touched = set(shards)
        for backlog in self._backlogs.values():
            backlog.touched = backlog.touched or backlog.bucket.shard in touched

    async def tick(self, now_ms: int) -> Tick:
        """One step at `now_ms` (epoch). Raises what the source raises; nothing is half done then."""
        if now_ms < self._ticked_at:
            self._look_at_once()
        self._ticked_at = now_ms
        if self._shards != self._wanted_shards:
            self._shards, self._refresh_at = self._wanted_shards, 0
        if not self._shards:
            return Tick(again=False)
        if now_ms >= self._refresh_at:
            await self._refresh(now_ms)
        await self._scan(now_ms)
        if now_ms < self._send_at:
            return Tick(again=False)
        if not await self._publisher.settle():
            self._send_at = now_ms + RETRY_SEND_MS
            return Tick(again=False)
        demands = self._demands(now_ms)
        if demands is None:
            return Tick(again=False, closed=True)
        return await self._dispatch(demands, now_ms)

    def _look_at_once(self) -> None:
        """The clock went back: what was to be done at a time of before would wait for it."""
        self._refresh_at = self._send_at = 0
        for backlog in self._backlogs.values():
            backlog.look_at_once()

    def standing(self, now_ms: int) -> Standing:
        """Shares, lines and the oldest due unit, as far as this process serves them."""
        backlogs = self._backlogs.values()
        return standing_of(backlogs, self._shares(now_ms), self._meter.units(now_ms), self._gates, now_ms)

    async def _refresh(self, now_ms: int) -> None:
        """Read buckets and lines; a bucket read as paused or cancelled gives no unit from here on."""
        active = await self._source.active_buckets()
        changed = self._gates.read_again(await self._source.lines())
        known, self._backlogs = self._backlogs, {}
        for bucket in active:
            if bucket.shard in self._shards:
                backlog = self._backlogs[bucket.id] = known.get(bucket.id) or Backlog(bucket)
                backlog.read_again(bucket, urgent_columns(bucket, now_ms))
                if bucket.line in changed:
                    backlog.ungate()
        self._others = [bucket for bucket in active if bucket.shard not in self._shards]
        self._memory.keep_buckets({bucket.id for bucket in active})
        self._rotation.keep(
            path_of(_owner(bucket), bucket.creator, urgent=urgent, bucket=bucket.id)
            for bucket in (backlog.bucket for backlog in self._backlogs.values())
            for urgent in (True, False)
        )
        self._refresh_at = now_ms + REFRESH_MS

    async def _scan(self, now_ms: int) -> None:
        due = [backlog for backlog in self._backlogs.values() if backlog.scan_due(now_ms)]
        while due:
            part, pages = [due.pop()], 0
            while due and (pages := pages + due[-1].bucket.n_pages) < VIEWS_AT_ONCE:
                part.append(due.pop())
            await self._scan_together(part, now_ms)

    async def _scan_together(self, backlogs: Sequence[Backlog], now_ms: int) -> None:
        for backlog in backlogs:
            backlog.scan_begins()
        begun = self._elapsed_ms()
        views = await self._source.views([backlog.bucket.id for backlog in backlogs])
        cost_ms = self._elapsed_ms() - begun
        pages = sum(map(len, views.values())) or 1
        for backlog in backlogs:
            found = views[backlog.bucket.id]
            backlog.scanned(found, now_ms, cost_ms * len(found) // pages)
            await self._reflect(backlog, found)

    async def _reflect(self, backlog: Backlog, views: Iterable[PageView]) -> None:
        """Compare the memory with the pages that have changed; pages without waiting units need not be read for it."""
        bucket = backlog.bucket
        stale: list[int] = []
        for view in views:
            seen = self._memory.seen((bucket.id, view.page))
            if seen is None or seen >= view.v:
                continue
            if view.pending + view.waiting:
                stale.append(view.page)
            else:
                self._memory.reflect((bucket.id, view.page), view.v, {})
        await self._load([(bucket, page) for page in stale])

    async def _load(self, wanted: Sequence[tuple[ActiveBucket, int]]) -> None:
        """Read pages; what they show replaces their views, prunes the memory and is kept for the next takes."""
        for first in range(0, len(wanted), PAGES_AT_ONCE):
            for image in await self._source.pages(wanted[first : first + PAGES_AT_ONCE]):
                key = (image.bucket, image.view.page)
                self._backlogs[image.bucket].update(image.view)
                self._memory.reflect(key, image.view.v, image.waiting_attempts())
                self._images[key] = image
                self._images.move_to_end(key)
        while len(self._images) > CACHED_IMAGES:
            self._images.popitem(last=False)

    async def _dispatch(self, demands: Sequence[Demand], now_ms: int) -> Tick:
        grants = self._rotation.grants(demands)
        if not grants:
            return Tick(again=False)
        pairs = zip(grants, await self._images_of(grants), strict=True)
        batches = [batch for pair in pairs if (batch := self._take(*pair, now_ms)) is not None]
        known, self._known = self._known, 0
        if not batches:
            return Tick(again=True, known=known)
        lost = await self._publisher.send(batches, now_ms)
        for part in lost:
            self._take_back(part.batch, part.units)
        if lost:
            self._send_at = now_ms + RETRY_SEND_MS
        n_lost = sum(len(part.units) for part in lost)
        taken = sum(len(batch.units) for batch in batches)
        return Tick(again=not lost, dispatched=taken - n_lost, lost=n_lost, batches=len(batches), known=known)

    def _shares(self, now_ms: int) -> dict[Owner, Share]:
        """What each tenant may have in flight; of other shards' buckets only their summaries are known."""
        held = self._memory.in_flight(now_ms)
        own = (
            Load(backlog.bucket, backlog.in_flight + held.get(bucket, 0), backlog.due_units)
            for bucket, backlog in self._backlogs.items()
        )
        others = (Load(bucket, bucket.flying, bucket.open_units - bucket.flying) for bucket in self._others)
        return shares([*own, *others], self._gates.window)

    def _demands(self, now_ms: int) -> list[Demand] | None:
        """What each tenant could dispatch; None when every line is closed."""
        allowed = self._shares(now_ms)
        offers: dict[Owner, list[Offer]] = {}
        closed = running = 0
        for bucket, backlog in self._backlogs.items():
            if not backlog.runs:
                continue
            running += 1
            owner = _owner(backlog.bucket)
            if self._gates.is_closed(backlog.bucket.line, now_ms):
                closed += 1
            elif allowed[owner].room > 0:
                fronts = backlog.fronts(partial(self._live, bucket, now_ms))
                offered = [Offer(bucket, front.pages, backlog.bucket.creator, front.urgent) for front in fronts]
                offers.setdefault(owner, []).extend(offered)
        if running and closed == running:
            return None
        demands = [
            Demand(tenant, allowed[tenant, line].room, offered, allowed[tenant, line].weight, line)
            for (tenant, line), offered in offers.items()
        ]
        return self._gates.throttled(demands)

    def _live(self, bucket: str, now_ms: int, page: int) -> int:
        return self._memory.live((bucket, page), now_ms)

    async def _images_of(self, grants: Sequence[Grant]) -> list[PageImage | None]:
        """The pages of the grants, from the cache where the view says that nothing has changed.

        What is found there is kept aside: reading the others may push it out, and it is not purged for that.
        """
        found: dict[tuple[str, int], PageImage] = {}
        missing: dict[tuple[str, int], tuple[ActiveBucket, int]] = {}
        for grant in grants:
            backlog, key = self._backlogs[grant.bucket], (grant.bucket, grant.page)
            image, view = self._images.get(key), backlog.view(grant.page)
            if image is None or view is None or image.view.v < view.v:
                missing[key] = (backlog.bucket, grant.page)
            else:
                found[key] = image
        await self._load(list(missing.values()))
        return [found.get(key) or self._images.get(key) for key in ((grant.bucket, grant.page) for grant in grants)]

    def _take(self, grant: Grant, image: PageImage | None, now_ms: int) -> PageBatch | None:
        key = (grant.bucket, grant.page)
        backlog = self._backlogs[grant.bucket]
        bucket = backlog.bucket
        if image is None:  # purged since the scan
            backlog.next_due(grant.page, None)
            return None
        only = backlog.first_columns if grant.urgent else None
        taken = self._gates.take(bucket, image, self._memory.held(key), grant.units, now_ms, only=only)
        self._rotation.settle(grant, len(taken.units))
        self._known += taken.known
        again_at = taken.next_due
        if taken.units:
            attempts = [(unit.address, unit.attempt) for unit in taken.units]
            expires_at = self._memory.note(key, image.view.v, attempts, now_ms)
            again_at = min(again_at or expires_at, expires_at)
            self._meter.add(_owner(bucket), len(taken.units), now_ms)
            self._gates.sent(bucket, taken.units, now_ms)
        if again_at is None or again_at > now_ms:
            backlog.put_off(grant.page, again_at, gated=taken.gated, first=only is not None)
        return PageBatch(bucket, grant.page, image.clients, taken.units) if taken.units else None

    def _take_back(self, batch: PageBatch, units: Sequence[WaitingUnit]) -> None:
        """Commands that may not have been sent: forget them, so that the same attempts are taken again."""
        key = (batch.bucket.id, batch.page)
        self._memory.drop(key, [(unit.address, unit.attempt) for unit in units])
        if backlog := self._backlogs.get(batch.bucket.id):
            backlog.next_due(batch.page, 0)


def _owner(bucket: ActiveBucket) -> Owner:
    return bucket.tenant, bucket.line
