"""Failure groups: the gaps of a bucket by reason. Pure."""

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct
from sync_contracts.reasons import Reason, State

from bucket_api.buckets.units import Layout, Placed


class Group(Struct, frozen=True):
    """All gaps of one reason. Times in ms; `sample`: id and portal code of one unit."""

    reason: Reason
    state: State
    units: int
    clients: int
    modules: tuple[tuple[str, int], ...]
    first_seen_ms: int
    last_seen_ms: int
    sample: tuple[str, str | None]


class _Growing:
    def __init__(self, first: Placed) -> None:
        self.first = first
        self.clients: set[str] = set()
        self.modules: Counter[str] = Counter()
        self.times = [first.unit.t, first.unit.t]

    def add(self, unit: Placed, module: str) -> None:
        self.clients.add(unit.client)
        self.modules[module] += 1
        self.times = [min(self.times[0], unit.unit.t), max(self.times[1], unit.unit.t)]


def groups(units: Iterable[Placed], layout: Layout) -> list[Group]:
    """Groups of the gaps among the units, largest first, then by name."""
    growing: dict[str, _Growing] = {}
    for unit in units:
        if unit.gap and (reason := unit.reason):
            growing.setdefault(reason.reason, _Growing(unit)).add(unit, layout.columns[unit.column][0])
    found = [_group(group) for group in growing.values()]
    return sorted(found, key=lambda group: (-group.units, group.reason.reason))


def _group(growing: _Growing) -> Group:
    first = growing.first
    reason = first.reason
    assert reason is not None  # noqa: S101 - grouped by it
    return Group(
        reason=reason,
        state=first.state,
        units=growing.modules.total(),
        clients=len(growing.clients),
        modules=tuple(growing.modules.most_common()),
        first_seen_ms=growing.times[0],
        last_seen_ms=growing.times[1],
        sample=(first.id, first.unit.x),
    )
