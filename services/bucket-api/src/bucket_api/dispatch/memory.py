"""What this process has dispatched and does not yet see in the pages. Pure; time is an argument.

It keeps a unit from being taken twice while its DISPATCHED event is on the way, and it counts as in flight, so a
stopped aggregator stops dispatch by itself. Entries compare attempts, not units: a later attempt of the same unit is
new work. An entry expires only to heal a lost event whose command was lost too, hence the long times, doubled with each
repeat.
"""

from collections.abc import Container, Iterable, Mapping
from typing import Final

from msgspec import Struct

EXPIRY_MS: Final = 10 * 60_000
LONGEST_EXPIRY_MS: Final = 60 * 60_000

PageKey = tuple[str, int]
"""Bucket and page number."""
Address = tuple[int, int]
"""Client index and column index in the page."""
Take = tuple[Address, int]
"""A unit and the attempt it is dispatched for."""


class Entry(Struct, gc=False, frozen=True):
    """The attempt that was dispatched, how long it is believed (ms), and until when (epoch ms)."""

    attempt: int
    lasts_ms: int
    expires_at: int


class _PageEntries:
    """Entries of one page. `v`: the page's version whose units were compared last."""

    __slots__ = ("_count", "_until", "entries", "v")

    def __init__(self, v: int) -> None:
        self.v = v
        self.replace({})

    def replace(self, entries: dict[Address, Entry]) -> None:
        self.entries = entries
        self._count = self._until = 0

    def live(self, now_ms: int) -> int:
        """Entries not expired; counted anew only when one expires or the entries change."""
        if now_ms >= self._until:
            ends = [entry.expires_at for entry in self.entries.values() if entry.expires_at > now_ms]
            self._count, self._until = len(ends), min(ends, default=now_ms)
        return self._count


class Memory:
    """Dispatched attempts by page. Survives the loss and return of a shard in the same process."""

    def __init__(self, expiry_ms: int = EXPIRY_MS, longest_expiry_ms: int = LONGEST_EXPIRY_MS) -> None:
        self._expiry_ms = expiry_ms
        self._longest_expiry_ms = longest_expiry_ms
        self._pages: dict[PageKey, _PageEntries] = {}

    def __len__(self) -> int:
        return sum(len(page.entries) for page in self._pages.values())

    def held(self, key: PageKey) -> Mapping[Address, Entry]:
        """The entries of a page, live or expired; not to be changed."""
        page = self._pages.get(key)
        return page.entries if page else {}

    def seen(self, key: PageKey) -> int | None:
        """The page version whose units the entries were compared with last; None for a page without entries."""
        page = self._pages.get(key)
        return page.v if page else None

    def live(self, key: PageKey, now_ms: int) -> int:
        """Entries of a page that are still believed."""
        page = self._pages.get(key)
        return page.live(now_ms) if page else 0

    def in_flight(self, now_ms: int) -> dict[str, int]:
        """Live entries by bucket."""
        counts: dict[str, int] = {}
        for (bucket, _), page in self._pages.items():
            counts[bucket] = counts.get(bucket, 0) + page.live(now_ms)
        return counts

    def note(self, key: PageKey, v: int, taken: Iterable[Take], now_ms: int) -> int:
        """These attempts of a page image of version `v` are about to be sent. Returns when the first one expires."""
        page = self._pages.setdefault(key, _PageEntries(v))
        page.v = max(page.v, v)
        entries = dict(page.entries)
        first = now_ms + self._longest_expiry_ms
        for address, attempt in taken:
            before = entries.get(address)
            repeated = before is not None and before.attempt == attempt
            lasts_ms = min(2 * before.lasts_ms, self._longest_expiry_ms) if before and repeated else self._expiry_ms
            entries[address] = Entry(attempt, lasts_ms, now_ms + lasts_ms)
            first = min(first, now_ms + lasts_ms)
        page.replace(entries)
        return first

    def drop(self, key: PageKey, taken: Iterable[Take]) -> None:
        """These attempts are not known to be sent: they may be taken again at once."""
        lost = dict(taken)
        self._keep(key, {a: entry for a, entry in self.held(key).items() if lost.get(a) != entry.attempt})

    def reflect(self, key: PageKey, v: int, waiting: Mapping[Address, int]) -> None:
        """Compare with a page image of version `v` and forget what it shows. `waiting`: attempts of its waiting units.

        An image older than one already seen says nothing new. In any other, a unit that does not wait before the
        remembered attempt is in that attempt or a later one, or has ended.
        """
        page = self._pages.get(key)
        if page is None or v < page.v:
            return
        page.v = v
        self._keep(key, {a: entry for a, entry in page.entries.items() if a in waiting and waiting[a] < entry.attempt})

    def keep_buckets(self, active: Container[str]) -> None:
        """Forget the pages of all other buckets: they have ended."""
        self._pages = {key: page for key, page in self._pages.items() if key[0] in active}

    def _keep(self, key: PageKey, entries: dict[Address, Entry]) -> None:
        page = self._pages.get(key)
        if page is None:
            return
        if entries:
            page.replace(entries)
        else:
            del self._pages[key]
