"""Each tenant's share of its line: what it may have in flight, what it has, and what it has had. Pure."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from bucket_api.dispatch.backlog import ActiveBucket
from bucket_api.dispatch.fairness import LEAST_WINDOW, Want, tenant_window, water_level

Owner = tuple[str, str]
"""Tenant and line."""
MEASURED_S: Final = 60
PIECES: Final = 8
"""A window is filled up in so many pieces."""
MOST_FULL: Final = 1.25
"""Of a line's window, while tenants come back who had lent their parts. More would wait for longer than workers let
a unit wait for its permit."""


class Load(Struct, frozen=True):
    """A bucket with its units in flight and its units that could go now."""

    bucket: ActiveBucket
    in_flight: int
    due: int


class Share(Struct, frozen=True):
    """A tenant with running buckets on a line. `part`: of the line, by weight, while all have work; `of`: how many.

    `room`: units that may be taken now.
    """

    tenant: str
    line: str
    weight: float
    part: float
    of: int
    window: int
    in_flight: int
    due: int
    room: int = 0


class _Sum:
    """A tenant's buckets on one line together. A paused bucket's units are in flight, but it asks for nothing."""

    __slots__ = ("due", "in_flight", "runs", "weight")

    def __init__(self) -> None:
        self.weight = 1.0
        self.in_flight = self.due = 0
        self.runs = False

    def add(self, load: Load) -> None:
        self.weight = load.bucket.weight
        self.in_flight += load.in_flight
        if load.bucket.runs:
            self.runs = True
            self.due += load.due


def shares(loads: Iterable[Load], window_of: Callable[[str], int]) -> dict[Owner, Share]:
    """The shares of all tenants that have a running bucket; one that is paused holds none."""
    lines: dict[str, dict[str, _Sum]] = {}
    for load in loads:
        lines.setdefault(load.bucket.line, {}).setdefault(load.bucket.tenant, _Sum()).add(load)
    return {
        (share.tenant, share.line): share
        for line, tenants in lines.items()
        for share in _of_line(line, window_of(line), tenants)
    }


def _of_line(line: str, window: int, tenants: Mapping[str, _Sum]) -> list[Share]:
    running = {name: held for name, held in tenants.items() if held.runs}
    level = water_level(window, [Want(held.in_flight + held.due, held.weight) for held in running.values()])
    weights = sum(held.weight for held in running.values())
    found = []
    for tenant, held in running.items():
        allowed = tenant_window(window, level, held.weight)
        part, room = held.weight / weights, _room(allowed, held)
        found.append(Share(tenant, line, held.weight, part, len(running), allowed, held.in_flight, held.due, room))
    most = int(MOST_FULL * window) - sum(held.in_flight for held in tenants.values())
    return _within(found, most)


def _room(window: int, held: _Sum) -> int:
    """None before a piece of the window is free: pages do not go out in crumbs."""
    free = window - held.in_flight
    return min(free, held.due) if free >= min(held.due, window // PIECES) else 0


def _within(shares: Sequence[Share], most: int) -> list[Share]:
    """All rooms together are at most `most`, in proportion, but nobody's least window is taken away."""
    wanted = sum(share.room for share in shares)
    if wanted <= max(0, most):
        return list(shares)
    part = max(0, most) / wanted
    return [
        replace(each, room=max(int(each.room * part), min(each.room, LEAST_WINDOW - each.in_flight))) for each in shares
    ]


class Meter:
    """Units dispatched by owner in the last minute, a second at a time."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, dict[Owner, int]]] = deque()

    def add(self, owner: Owner, units: int, now_ms: int) -> None:
        """Units have just been dispatched."""
        second = now_ms // 1_000
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append((second, {}))
        counts = self._seconds[-1][1]
        counts[owner] = counts.get(owner, 0) + units

    def units(self, now_ms: int) -> dict[Owner, int]:
        """Units of the last minute by owner."""
        while self._seconds and self._seconds[0][0] <= now_ms // 1_000 - MEASURED_S:
            self._seconds.popleft()
        totals: dict[Owner, int] = {}
        for _, counts in self._seconds:
            for owner, units in counts.items():
                totals[owner] = totals.get(owner, 0) + units
        return totals


def evenness(per_weight: Iterable[float]) -> float:
    """Jain's index of what each has had per weight: 1 when all had the same, 1/n when one had all."""
    values = list(per_weight)
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0
