"""Whose item is next when tenants share something scarce: a place, a permit. Pure.

A start-time fair queue. Each item costs its tenant one turn, divided by the weight of its plan; next is who has had
least. A tenant that comes back counts as having had as much as the one served last, less `CREDIT` turns that it really
left unused: a few units of a newcomer go before the next ones of those who keep the queue full, and no more than that
can be saved up. Who always has items is therefore never passed by more than the turns of the others and their credits.
"""

from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush
from math import inf
from typing import Final, Generic, TypeVar

T = TypeVar("T")

CREDIT: Final = 8
"""Turns: the least that a tenant may have in flight."""
_FORGET_FROM: Final = 64


class Turns(Generic[T]):
    """Items by tenant, each tenant's in the order they came. How many there are is limited by who puts them in."""

    __slots__ = ("_ended", "_forget_at", "_heap", "_items", "_now", "_order", "_size", "_weights")

    def __init__(self) -> None:
        self._size = self._order = 0
        self._now = 0.0
        self.clear()

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[T]:
        """All items, tenant by tenant."""
        for items in self._items.values():
            yield from items

    def put(self, tenant: str, item: T, weight: float = 1.0) -> None:
        """An item more. `weight`: of the tenant's plan, from now on."""
        self._size += 1
        items = self._items.get(tenant)
        if items is not None:
            items.append(item)
            self._weights[tenant] = weight
            return
        self._items[tenant] = deque((item,))
        self._weights[tenant] = weight
        ended, _ = self._ended.pop(tenant, (-inf, 0.0))
        self._stand(tenant, max(self._now - CREDIT / weight, ended))

    def take(self) -> T | None:
        """The next item, charged to its tenant; None when there is none."""
        while self._heap:
            at, _, tenant = heappop(self._heap)
            items = self._items[tenant]
            if items:
                self._size -= 1
                self._now = max(self._now, at)
                item = items.popleft()
                self._go_on(tenant, at + 1 / self._weights[tenant])
                return item
            self._leave(tenant, at)
        return None

    def discard(self, tenant: str, item: T) -> None:
        """The item is not wanted any more; it costs nothing. One that is not here is no error."""
        items = self._items.get(tenant)
        if items is not None and item in items:
            items.remove(item)
            self._size -= 1

    def clear(self) -> None:
        """Forget everything, also who has had how much."""
        self._items: dict[str, deque[T]] = {}
        self._weights: dict[str, float] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._ended: dict[str, tuple[float, float]] = {}
        self._now = 0.0
        self._size = self._order = 0
        self._forget_at = _FORGET_FROM

    def _stand(self, tenant: str, at: float) -> None:
        self._order += 1
        heappush(self._heap, (at, self._order, tenant))

    def _go_on(self, tenant: str, at: float) -> None:
        if self._items[tenant]:
            self._stand(tenant, at)
        elif self._heap:
            self._leave(tenant, at)
        else:  # nobody waits: all are equal again
            self.clear()

    def _leave(self, tenant: str, at: float) -> None:
        del self._items[tenant]
        self._ended[tenant] = at, at + CREDIT / self._weights.pop(tenant)
        if len(self._ended) >= self._forget_at:  # who has a whole credit again is like one never seen
            self._ended = {name: times for name, times in self._ended.items() if times[1] > self._now}
            self._forget_at = 2 * len(self._ended) + _FORGET_FROM
