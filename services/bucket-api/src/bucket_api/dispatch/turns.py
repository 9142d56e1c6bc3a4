"""Whose turn is next: fairness on four levels. Pure.

Tenants take turns by the weights of their plans; inside a tenant the persons who started buckets, evenly; inside a
person urgent work before the rest; inside that, buckets. Each level is a start-time fair queue: a turn goes to whoever
has had least, a newcomer counts as having had as much as the one served last, and time spent without work earns
nothing. So nobody who has work waits for more than about a turn of each of the others.

Urgent work has `URGENT` of `URGENT + 1` turns of a person, never all of them: old work is slowed down, not stopped.
"""

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from math import inf
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from sync_contracts.lines import DEFAULT_LINE

QUANTUM: Final = 100
"""Units of a turn."""
PAGES: Final = 8
"""Page batches that are in flight together."""
GROUP_UNITS: Final = PAGES * QUANTUM
LEAST_COST: Final = QUANTUM / PAGES
"""What a turn costs at least: a page with few units takes as long to read as one with many."""
URGENT: Final = 7.0
LEVELS: Final = 4

Path = tuple[Hashable, ...]
"""Where a bucket stands: (tenant, line), person, urgent or not, bucket."""


class Offer(Struct, frozen=True):
    """What a bucket could dispatch now: its next pages as `(page, units)`, first ones first. `creator`: who started it.

    A bucket may make two offers: its urgent columns, and all of them.
    """

    bucket: str
    pages: Sequence[tuple[int, int]]
    creator: str = ""
    urgent: bool = False


class Demand(Struct, frozen=True):
    """What a tenant could dispatch on a line. `room`: up to how many units."""

    tenant: str
    room: int
    offers: Sequence[Offer]
    weight: float = 1.0
    line: str = DEFAULT_LINE


class Grant(Struct, frozen=True):
    """Permission to take up to `units` units from one page, of its urgent columns only if `urgent`.

    `path` and `weight` of who was charged `cost` for it.
    """

    tenant: str
    bucket: str
    page: int
    units: int
    urgent: bool = False
    path: Path = ()
    weight: float = 1.0
    cost: float = 0.0


class Turns:
    """A start-time fair queue over names."""

    __slots__ = ("_now", "_served")

    def __init__(self) -> None:
        self._served: dict[Hashable, float] = {}
        self._now = 0.0

    def next(self, names: Iterable[Hashable]) -> Hashable:
        """Who has had least; among equals who was never served, then the first one."""
        return min(names, key=self._tag)

    def charge(self, name: Hashable, cost: float) -> None:
        """The name takes a turn."""
        begun, _ = self._tag(name)
        self._now = begun
        self._served[name] = begun + cost

    def give_back(self, name: Hashable, cost: float) -> None:
        """A part of the turn was not used. The queue's time goes back too, or the name could not catch up."""
        if name in self._served:
            self._served[name] -= cost
            self._now = min(self._now, self._served[name])

    def keep(self, names: Iterable[Hashable]) -> None:
        """Forget everybody else."""
        self._served = {name: self._served[name] for name in names if name in self._served}

    def _tag(self, name: Hashable) -> tuple[float, float]:
        served = self._served.get(name, -inf)
        return max(served, self._now), served


class Rotation:
    """Gives the turns of one group after another. Remembers only how much everybody has had."""

    def __init__(self) -> None:
        self._levels: dict[Path, Turns] = {}

    def keep(self, paths: Iterable[Path]) -> None:
        """Forget everybody who is not on one of these paths."""
        names: dict[Path, list[Hashable]] = {}
        for path in paths:
            for level, name in _steps(path):
                names.setdefault(level, []).append(name)
        self._levels = {level: turns for level, turns in self._levels.items() if level in names}
        for level, turns in self._levels.items():
            turns.keep(names[level])

    def grants(self, demands: Iterable[Demand]) -> list[Grant]:
        """The next turns, those of the same page joined: at most `PAGES` grants and `GROUP_UNITS` units."""
        claims: dict[Hashable, _Claim] = {claim.key: claim for claim in map(_Claim, demands) if claim.goes_on}
        granted: dict[tuple[str, int, bool], Grant] = {}
        left = GROUP_UNITS
        while claims and left:
            claim = claims[self._level(()).next(claims)]
            offer = self._next_offer(claim)
            if offer.key in granted or len(granted) < PAGES:
                units = min(QUANTUM, claim.room, offer.pages[0][1], left)
                granted[offer.key] = self._grant(claim, offer, units, granted.get(offer.key))
                claim.take(offer, units)
                left -= units
            else:
                claim.offers.remove(offer)
            if not claim.goes_on:
                del claims[claim.key]
        return list(granted.values())

    def settle(self, grant: Grant, taken: int) -> None:
        """Tell how many units of a grant were there to be taken: the rest is not held against anybody."""
        unused = grant.cost - max(float(taken), LEAST_COST)
        if unused > 0:
            for (level, name), weight in zip(_steps(grant.path), _weights(grant.path, grant.weight), strict=True):
                if turns := self._levels.get(level):
                    turns.give_back(name, unused / weight)

    def _level(self, level: Path) -> Turns:
        if level not in self._levels:
            self._levels[level] = Turns()
        return self._levels[level]

    def _next_offer(self, claim: "_Claim") -> "_Left":
        left = claim.offers
        level: Path = (claim.key,)
        while len(level) < LEVELS:
            depth = len(level)
            name = self._level(level).next(dict.fromkeys(offer.path[depth] for offer in left))
            left = [offer for offer in left if offer.path[depth] == name]
            level = (*level, name)
        return left[0]

    def _grant(self, claim: "_Claim", offer: "_Left", units: int, before: Grant | None) -> Grant:
        cost = max(float(units), LEAST_COST)
        for (level, name), weight in zip(_steps(offer.path), _weights(offer.path, claim.weight), strict=True):
            self._level(level).charge(name, cost / weight)
        if before:
            return replace(before, units=before.units + units, cost=before.cost + cost)
        bucket, page, urgent = offer.key
        return Grant(claim.key[0], bucket, page, units, urgent, offer.path, claim.weight, cost)


class _Left:
    """What is left of an offer while turns are given."""

    __slots__ = ("bucket", "pages", "path", "urgent")

    def __init__(self, owner: tuple[str, str], offer: Offer) -> None:
        self.bucket = offer.bucket
        self.urgent = offer.urgent
        self.path = path_of(owner, offer.creator, urgent=offer.urgent, bucket=offer.bucket)
        self.pages = deque((page, units) for page, units in offer.pages if units > 0)

    @property
    def key(self) -> tuple[str, int, bool]:
        return self.bucket, self.pages[0][0], self.urgent


class _Claim:
    """What is left of a demand while turns are given."""

    __slots__ = ("key", "offers", "room", "weight")

    def __init__(self, demand: Demand) -> None:
        self.key = (demand.tenant, demand.line)
        self.room = demand.room
        self.weight = demand.weight
        offers = sorted(demand.offers, key=lambda offer: not offer.urgent)  # so urgent ones win among equals
        self.offers = [left for left in (_Left(self.key, offer) for offer in offers) if left.pages]

    @property
    def goes_on(self) -> bool:
        return self.room > 0 and bool(self.offers)

    def take(self, offer: _Left, units: int) -> None:
        self.room -= units
        page, available = offer.pages.popleft()
        if units < available:
            offer.pages.appendleft((page, available - units))
        elif not offer.pages:
            self.offers.remove(offer)


def path_of(owner: tuple[str, str], creator: str, *, urgent: bool, bucket: str) -> Path:
    """The path of an offer; `owner`: tenant and line."""
    return owner, creator, urgent, bucket


def _steps(path: Path) -> Iterator[tuple[Path, Hashable]]:
    """Each level on a path with the name that is chosen there."""
    return ((path[:depth], name) for depth, name in enumerate(path))


def _weights(path: Path, weight: float) -> tuple[float, ...]:
    return weight, 1.0, URGENT if path[2] is True else 1.0, 1.0
