"""What is known of the buckets of owned shards: which pages have something to dispatch, how much is in flight. Pure."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from sync_contracts.buckets import Control

SCAN_EVERY_MS: Final = 1_000
SCAN_TOUCHED_MS: Final = 200
SCAN_RESTING_MS: Final = 10_000
"""A bucket that may not dispatch is looked at for what it still has in flight."""
SCAN_SHARE: Final = 20
"""A bucket's scans take at most one part in `SCAN_SHARE` of the time."""
SCAN_PAUSE_MS: Final = 3_000
"""Longest pause for that: a scan that waited for a database that was away has cost nothing."""
FRONT_UNITS: Final = 800


class Column(Struct, frozen=True):
    """A column of a bucket: module and period; its index is the `mi` of messages."""

    module: str
    period: str | None = None


class ActiveBucket(Struct, frozen=True):
    """A bucket that has not ended, as last read. `trace`: traceparent of the request that created it."""

    id: str
    tenant: str
    shard: int
    control: Control
    columns: tuple[Column, ...]
    n_pages: int
    trace: str | None = None


class PageView(Struct, frozen=True, gc=False):
    """The counters of a page in version `v`. `due`: when the next waiting unit may go (epoch ms), None without one."""

    page: int
    v: int
    pending: int
    waiting: int
    dispatched: int
    running: int
    due: int | None = None


class Backlog:
    """The pages of one bucket as last seen, newest version wins."""

    def __init__(self, bucket: ActiveBucket) -> None:
        self.bucket = bucket
        self.in_flight = 0
        self.touched = False
        self._views: dict[int, PageView] = {}
        self._ready: deque[int] = deque()
        self._scanned_at: int | None = None
        self._next_scan_at = 0

    @property
    def runs(self) -> bool:
        """Whether units may be taken: neither paused nor cancelled when last read."""
        return self.bucket.control == "RUN"

    def view(self, page: int) -> PageView | None:
        """The newest view of a page."""
        return self._views.get(page)

    def scan_due(self, now_ms: int) -> bool:
        """Whether to look at the pages again."""
        if now_ms < self._next_scan_at:
            return False
        if self.touched or self._scanned_at is None:
            return True
        return now_ms >= self._scanned_at + (SCAN_EVERY_MS if self.runs else SCAN_RESTING_MS)

    def scan_begins(self) -> None:
        """Whatever touches the bucket from now on may not be in the scan."""
        self.touched = False

    def scanned(self, views: Iterable[PageView], now_ms: int, cost_ms: int) -> None:
        """All pages as just scanned, which took `cost_ms`. An own view of the same or a newer version stays."""
        for view in views:
            self.update(view)
        self._scanned_at = now_ms
        self._next_scan_at = now_ms + min(max(SCAN_TOUCHED_MS, SCAN_SHARE * cost_ms), SCAN_PAUSE_MS)
        due = [view for view in self._views.values() if view.due is not None and view.due <= now_ms]
        due.sort(key=lambda view: (view.waiting == 0, view.page))
        self._ready = deque(view.page for view in due)

    def update(self, view: PageView) -> None:
        """A page as just read, if that is news."""
        known = self._views.get(view.page)
        if known is not None:
            if known.v >= view.v:
                return
            self.in_flight -= known.dispatched + known.running
        self._views[view.page] = view
        self.in_flight += view.dispatched + view.running

    def next_due(self, page: int, due: int | None) -> None:
        """Until `due` (epoch ms; None: until it changes) nothing of the page may go; at once if `due` is 0."""
        known = self._views.get(page)
        if known is not None:
            self._views[page] = replace(known, due=due)
        if due != 0 and page in self._ready:
            self._ready.remove(page)

    def front(self, live: Callable[[int], int], enough: int = FRONT_UNITS) -> list[tuple[int, int]]:
        """The next pages as `(page, units)`, retries before new work. `live(page)`: its units already dispatched."""
        front: list[tuple[int, int]] = []
        exhausted: list[int] = []
        for page in self._ready:
            view = self._views[page]
            units = view.pending + view.waiting - live(page)
            if units > 0:
                front.append((page, units))
                enough -= units
            else:
                exhausted.append(page)
            if enough <= 0:
                break
        for page in exhausted:
            self._ready.remove(page)
        return front
