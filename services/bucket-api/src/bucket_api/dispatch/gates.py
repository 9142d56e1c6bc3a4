"""The lines as last read: which take calls, which API families do, how many units each may have in flight. Pure.

A half-open gate (its time is over, no call has yet shown that it is well again) gets one unit each `PROBE_EVERY_MS`
from each dispatcher process, over all of its tenants: a worker lets one call through, all others would come back at
once.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace
from sync_contracts.catalogue import MODULES

from bucket_api.dispatch.backlog import ActiveBucket, Column
from bucket_api.dispatch.fairness import Line, line_window
from bucket_api.dispatch.memory import Address, Entry
from bucket_api.dispatch.takes import PageImage, Taken, WaitingUnit, take
from bucket_api.dispatch.turns import Demand

PROBE_EVERY_MS: Final = 10_000
"""As long as a lease keeps other calls away from a half-open gate."""
_FAMILY_OF: Final[Mapping[str, str]] = {module.value: str(info.family) for module, info in MODULES.items()}


class Gates:
    """All lines. A line without a document has no known rate and is open: its first call makes it known."""

    def __init__(self, mean_call_s: float, window_without_rate: int) -> None:
        self._mean_call_s = mean_call_s
        self._window_without_rate = window_without_rate
        self._lines: dict[str, Line] = {}
        self._probed: dict[tuple[str, str | None], int] = {}
        self._turns: dict[str, int] = {}

    def read_again(self, lines: Iterable[Line]) -> set[str]:
        """The lines as just read; returns those whose API families' gates have changed."""
        before = self._lines
        self._lines = {line.id: line for line in lines}
        self._probed = {gate: at for gate, at in self._probed.items() if self._is_half_open(*gate)}
        if not self._probed:
            self._turns = {}  # nobody is served in turn
        known = before.keys() | self._lines.keys()
        return {name for name in known if _families(before.get(name)) != _families(self._lines.get(name))}

    def window(self, line: str) -> int:
        """Units in flight on a line."""
        return line_window(self._lines.get(line, Line(id=line)), self._mean_call_s, self._window_without_rate)

    def is_closed(self, line: str, now_ms: int) -> bool:
        """Whether the line takes no calls now; a half-open one has just been given its probe."""
        known = self._lines.get(line)
        return known is not None and (known.is_closed(now_ms) or now_ms < self._next_probe(line, None))

    def closed_columns(self, line: str, columns: Iterable[Column], now_ms: int) -> dict[int, int]:
        """The columns whose API family is closed or half-open now, with the time until when."""
        known = self._lines.get(line)
        if known is None or not (known.families or known.probing_families):
            return {}
        closed = {name: until for name, until in known.families.items() if until > now_ms}
        for name in known.probing_families - closed.keys():
            closed[name] = max(self._next_probe(line, name), now_ms + 1)
        return {mi: closed[family] for mi, family in _with_families(columns) if family in closed}

    def probe_columns(self, line: str, columns: Iterable[Column], now_ms: int) -> frozenset[int]:
        """The columns of half-open families that wait for a probe."""
        known = self._lines.get(line)
        if known is None or not known.probing_families:
            return frozenset()
        due = {
            name
            for name in known.probing_families
            if known.families.get(name, 0) <= now_ms and self._next_probe(line, name) <= now_ms
        }
        return frozenset(mi for mi, family in _with_families(columns) if family in due)

    def throttled(self, demands: Sequence[Demand]) -> list[Demand]:
        """One unit of one tenant on a half-open line, of each in turn; other demands as they are."""
        chosen: dict[str, Demand] = {}
        for demand in demands:
            if not demand.offers or demand.room <= 0:
                continue
            best = chosen.get(demand.line)
            if best is None or self._turns.get(demand.tenant, 0) < self._turns.get(best.tenant, 0):
                chosen[demand.line] = demand
        half_open = {line: replace(one, room=1) for line, one in chosen.items() if self._is_half_open(line, None)}
        return [each for each in demands if each.line not in half_open] + list(half_open.values())

    def take(
        self,
        bucket: ActiveBucket,
        image: PageImage,
        held: Mapping[Address, Entry],
        limit: int,
        now_ms: int,
        *,
        only: frozenset[int] | None,
    ) -> Taken:
        """What may go out of a page: a probe where a half-open family waits for one, else what no gate holds back."""
        if probing := self.probe_columns(bucket.line, bucket.columns, now_ms):
            probe = take(image, held, 1, now_ms, only=probing)
            if probe.units:
                return Taken(probe.units, now_ms, probe.gated, probe.known)
        closed = self.closed_columns(bucket.line, bucket.columns, now_ms)
        return take(image, held, limit, now_ms, closed=closed, only=only)

    def sent(self, bucket: ActiveBucket, units: Iterable[WaitingUnit], now_ms: int) -> None:
        """These units are on their way: half-open gates have their probe."""
        families = {None, *(_FAMILY_OF.get(bucket.columns[unit.address[1]].module) for unit in units)}
        for family in families:
            if self._is_half_open(bucket.line, family):
                self._probed[bucket.line, family] = now_ms
                self._turns[bucket.tenant] = now_ms

    def _next_probe(self, line: str, family: str | None) -> int:
        at = self._probed.get((line, family))
        return 0 if at is None else at + PROBE_EVERY_MS

    def _is_half_open(self, line: str, family: str | None) -> bool:
        known = self._lines.get(line)
        return known is not None and (known.probing if family is None else family in known.probing_families)


def _with_families(columns: Iterable[Column]) -> Iterable[tuple[int, str | None]]:
    return ((mi, _FAMILY_OF.get(column.module)) for mi, column in enumerate(columns))


def _families(line: Line | None) -> object:
    return (line.families, line.probing_families) if line else ({}, frozenset())
