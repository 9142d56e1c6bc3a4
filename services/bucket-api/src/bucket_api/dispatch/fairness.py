"""Who may dispatch how much: windows of tenants and fairness on two levels. Pure.

A window bounds the units of a tenant in flight, so a newcomer waits about as long as all windows take to drain, not as
long as the queues. Inside their windows tenants take turns of up to `QUANTUM` units (deficit round robin; an unused
rest is dropped, not saved), and the buckets of a tenant take turns inside its turn.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

QUANTUM: Final = 100
TURNS: Final = 8
"""Turns, and page batches, that are in flight together."""
LEAST_WINDOW: Final = 8
QUEUE_S: Final = 5
"""Seconds of work that wait at the workers so that no line is ever idle."""


class Line(Struct, frozen=True):
    """An upstream account: permitted calls a second (None: no limit known), closed until (epoch ms, 0: open)."""

    rate_per_s: float | None = None
    closed_until_ms: int = 0


class Demand(Struct, frozen=True):
    """What a tenant could dispatch now. `buckets`: bucket -> its next pages as `(page, units)`, first ones first."""

    tenant: str
    room: int
    buckets: Mapping[str, Sequence[tuple[int, int]]]


class Grant(Struct, frozen=True):
    """Permission to take up to `units` units from one page."""

    tenant: str
    bucket: str
    page: int
    units: int


def all_closed(lines: Sequence[Line], now_ms: int) -> bool:
    """Whether no line takes calls now. Without any known line work goes on: the first call makes it known."""
    return bool(lines) and all(line.closed_until_ms > now_ms for line in lines)


def global_window(lines: Sequence[Line], mean_call_s: float, without_rate: int) -> int:
    """Units in flight over all tenants: what the lines can do in a mean call plus `QUEUE_S`."""
    rates = [line.rate_per_s for line in lines if line.rate_per_s is not None]
    if not rates or len(rates) < len(lines):
        return without_rate
    return int(sum(rates) * (mean_call_s + QUEUE_S))


def tenant_window(window: int, active_tenants: int) -> int:
    """Units of one tenant in flight; the least window keeps small tenants moving."""
    return max(LEAST_WINDOW, window // max(1, active_tenants))


class Rotation:
    """Whose turn is next: who was served longest ago. Remembers only that; a newcomer is served first."""

    def __init__(self) -> None:
        self._turn = 0
        self._tenants: dict[str, int] = {}
        self._buckets: dict[str, int] = {}

    def keep(self, tenants: Iterable[str], buckets: Iterable[str]) -> None:
        """Forget everybody else."""
        self._tenants = {tenant: self._tenants[tenant] for tenant in tenants if tenant in self._tenants}
        self._buckets = {bucket: self._buckets[bucket] for bucket in buckets if bucket in self._buckets}

    def grants(self, demands: Iterable[Demand]) -> list[Grant]:
        """The next up to `TURNS` turns, turns of the same page joined: at most one grant a page, `TURNS` pages."""
        queue = deque(sorted(map(_Claim, demands), key=lambda claim: self._tenants.get(claim.tenant, -1)))
        granted: dict[tuple[str, int], list[tuple[str, int]]] = {}
        turns = TURNS
        while queue and turns and len(granted) <= TURNS:
            claim = queue.popleft()
            if self._take_turn(claim, granted):
                turns -= 1
                queue.append(claim)
        return [
            Grant(parts[0][0], bucket, page, sum(units for _, units in parts))
            for (bucket, page), parts in granted.items()
        ]

    def _take_turn(self, claim: "_Claim", granted: dict[tuple[str, int], list[tuple[str, int]]]) -> bool:
        left = min(QUANTUM, claim.room)
        begun = left
        while left and claim.pages:
            bucket = min(claim.pages, key=lambda bucket: self._buckets.get(bucket, -1))
            page, available = claim.pages[bucket][0]
            if (bucket, page) not in granted and len(granted) == TURNS:
                break
            units = min(left, available)
            granted.setdefault((bucket, page), []).append((claim.tenant, units))
            claim.give(bucket, units)
            left -= units
            self._turn += 1
            self._buckets[bucket] = self._turn
        if left == begun:
            return False
        self._turn += 1
        self._tenants[claim.tenant] = self._turn
        return True


class _Claim:
    """What is left of a demand while turns are given."""

    def __init__(self, demand: Demand) -> None:
        self.tenant = demand.tenant
        self.room = max(0, demand.room)
        pages = {bucket: deque((p, n) for p, n in pages if n > 0) for bucket, pages in demand.buckets.items()}
        self.pages = {bucket: queue for bucket, queue in pages.items() if queue}

    def give(self, bucket: str, units: int) -> None:
        queue = self.pages[bucket]
        page, available = queue[0]
        self.room -= units
        if units < available:
            queue[0] = (page, available - units)
            return
        queue.popleft()
        if not queue:
            del self.pages[bucket]
