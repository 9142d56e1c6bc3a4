"""What is known of the buckets of owned shards: which pages have something to dispatch, how much is in flight. Pure."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace
from sync_contracts.buckets import Control
from sync_contracts.lines import DEFAULT_LINE

SCAN_EVERY_MS: Final = 1_000
SCAN_TOUCHED_MS: Final = 200
SCAN_GRID_MS: Final = 100
"""Scans begin at multiples of this, so that many buckets are scanned together."""
SCAN_RESTING_MS: Final = 10_000
"""A bucket that may not dispatch is looked at for what it still has in flight."""
SCAN_SHARE: Final = 20
"""A bucket's scans take at most one part in `SCAN_SHARE` of the time."""
SCAN_PAUSE_MS: Final = 3_000
"""Longest pause for that: a scan that waited for a database that was away has cost nothing."""
FRONT_UNITS: Final = 800
FAR_AWAY_MS: Final = 2**53

T = TypeVar("T")


class Column(Struct, frozen=True):
    """A column of a bucket: module and period; its index is the `mi` of messages."""

    module: str
    period: str | None = None


class ActiveBucket(Struct, frozen=True):
    """A bucket that has not ended, as last read. `trace`: traceparent of the request that created it.

    `line`: of its tenant; `weight`: of the tenant's plan; `creator`: who started it; `open_units`: not ended when the
    aggregator last summed them up, `flying` ones of them in flight; `deadline_at`: epoch ms; `needed_by`: the day of
    each column, empty: of none.
    """

    id: str
    tenant: str
    shard: int
    control: Control
    columns: tuple[Column, ...]
    n_pages: int
    trace: str | None = None
    line: str = DEFAULT_LINE
    weight: float = 1.0
    creator: str = ""
    open_units: int = 0
    flying: int = 0
    deadline_at: int = FAR_AWAY_MS
    round: int = 0
    needed_by: tuple[date | None, ...] = ()

    @property
    def runs(self) -> bool:
        """Whether units may be taken: neither paused nor cancelled when last read."""
        return self.control == "RUN"


class PageView(Struct, frozen=True, gc=False):
    """The counters of a page in version `v`. `due`: when the next waiting unit may go (epoch ms), None without one."""

    page: int
    v: int
    pending: int
    waiting: int
    dispatched: int
    running: int
    due: int | None = None


class Front(Struct, frozen=True):
    """Pages with due work as `(page, units)`, first ones first. `urgent`: it goes before other work of its owner."""

    urgent: bool
    pages: list[tuple[int, int]]


class Backlog:
    """The pages of one bucket as last seen, newest version wins.

    Pages with retries and pages with new work only stand in turn, now the one and now the other first, so neither keeps
    the other waiting; retries longest due first, new work in plan order. Of a bucket with some urgent columns those go
    first, page after page, then everything.
    """

    def __init__(self, bucket: ActiveBucket) -> None:
        self.bucket = bucket
        self.in_flight = 0
        self.due_units = 0
        self.oldest_due: int | None = None
        self.touched = False
        self._views: dict[int, PageView] = {}
        self._ready: deque[int] = deque()
        self._scanned_at: int | None = None
        self._next_scan_at = 0
        self._urgent: frozenset[int] = frozenset()
        self._urgent_pages: set[int] = set()
        self._gated: set[int] = set()
        self._fresh_first = True

    @property
    def runs(self) -> bool:
        """Whether units may be taken."""
        return self.bucket.runs

    @property
    def first_columns(self) -> frozenset[int] | None:
        """The columns that go before the others of the bucket; None when all are alike."""
        return self._urgent if 0 < len(self._urgent) < len(self.bucket.columns) else None

    @property
    def gated_units(self) -> int:
        """Units on pages whose due work waits for an API family."""
        return sum(self._views[page].pending + self._views[page].waiting for page in self._gated)

    def read_again(self, bucket: ActiveBucket, urgent: frozenset[int]) -> None:
        """The bucket as just read, with its urgent columns. Another round or other columns begin with all pages."""
        if urgent != self._urgent or bucket.round != self.bucket.round:
            self._urgent_pages = set(range(bucket.n_pages))
        self.bucket = bucket
        self._urgent = urgent

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

    def look_at_once(self) -> None:
        """Scan at the next occasion, whatever was planned."""
        self._scanned_at, self._next_scan_at = None, 0

    def scan_begins(self) -> None:
        """Whatever touches the bucket from now on may not be in the scan."""
        self.touched = False

    def scanned(self, views: Iterable[PageView], now_ms: int, cost_ms: int) -> None:
        """All pages as just scanned, which took `cost_ms`. An own view of the same or a newer version stays."""
        for view in views:
            self.update(view)
        self._scanned_at = now_ms
        next_at = now_ms + min(max(SCAN_TOUCHED_MS, SCAN_SHARE * cost_ms), SCAN_PAUSE_MS)
        self._next_scan_at = -(-next_at // SCAN_GRID_MS) * SCAN_GRID_MS
        due = [view for view in self._views.values() if view.due is not None and view.due <= now_ms]
        due.sort(key=lambda view: (view.due if view.waiting else 0, view.page))
        self.due_units = sum(view.pending + view.waiting for view in due)
        self.oldest_due = min((view.due for view in due if view.due), default=None)
        retried, fresh = [v.page for v in due if v.waiting], [v.page for v in due if not v.waiting]
        self._fresh_first = not self._fresh_first
        self._ready = deque(in_turn(fresh, retried) if self._fresh_first else in_turn(retried, fresh))

    def update(self, view: PageView) -> None:
        """A page as just read, if that is news."""
        known = self._views.get(view.page)
        if known is not None:
            if known.v >= view.v:
                return
            self.in_flight -= known.dispatched + known.running
        self._views[view.page] = view
        self._gated.discard(view.page)
        self.in_flight += view.dispatched + view.running

    def next_due(self, page: int, due: int | None) -> None:
        """Until `due` (epoch ms; None: until it changes) nothing of the page may go; at once if `due` is 0."""
        known = self._views.get(page)
        if known is not None:
            self._views[page] = replace(known, due=due)
        if due != 0 and page in self._ready:
            self._ready.remove(page)

    def gated(self, page: int, until: int) -> None:
        """All that is due of the page waits for API families that are closed until then, or until `ungate`."""
        self.next_due(page, until)
        self._gated.add(page)

    def ungate(self) -> None:
        """Some gate has changed: look at the pages that waited for one with the next scan."""
        for page in self._gated:
            self.next_due(page, 0)
        self._gated.clear()

    def first_columns_done(self, page: int) -> None:
        """The page has nothing due in the columns that go first."""
        self._urgent_pages.discard(page)

    def put_off(self, page: int, until: int | None, *, gated: bool, first: bool) -> None:
        """Nothing more of a page may go now, or (`first`) nothing of the columns that go first."""
        if first:
            self.first_columns_done(page)
        elif gated and until is not None:
            self.gated(page, until)
        else:
            self.next_due(page, until)

    def fronts(self, live: Callable[[int], int], enough: int = FRONT_UNITS) -> list[Front]:
        """What may go next. `live(page)`: units of the page that are already dispatched."""
        first = self.first_columns
        rest = Front(urgent=first is None and bool(self._urgent), pages=self._front(self._ready, live, enough))
        if first is None or not self._urgent_pages:
            return [rest] if rest.pages else []
        urgent = [page for page in self._ready if page in self._urgent_pages]
        before = Front(urgent=True, pages=self._front(urgent, live, enough))
        return [front for front in (before, rest) if front.pages]

    def _front(self, pages: Iterable[int], live: Callable[[int], int], enough: int) -> list[tuple[int, int]]:
        front: list[tuple[int, int]] = []
        exhausted: list[int] = []
        for page in pages:
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


def in_turn(first: Sequence[T], second: Sequence[T]) -> list[T]:
    """One of each in turn, then what is left of the longer one."""
    shorter = min(len(first), len(second))
    paired = [each for pair in zip(first, second, strict=False) for each in pair]
    return [*paired, *first[shorter:], *second[shorter:]]
