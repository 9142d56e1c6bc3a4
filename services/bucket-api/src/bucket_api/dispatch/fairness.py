"""How many units of each tenant may be in flight on its line: windows. Pure.

A window bounds what is in flight, so a newcomer waits about as long as all windows take to drain, not as long as the
queues. A line's window is divided among the tenants that have running buckets on it, by the weights of their plans.
What a tenant does not want is left to the others (water level), so a line is never idle while anybody has work for it;
and whoever wants its part again gets it at once, without waiting for those who borrowed it.
"""

from collections.abc import Iterable, Mapping
from math import inf
from typing import Final

from msgspec import Struct
from sync_contracts.lines import DEFAULT_LINE

LEAST_WINDOW: Final = 8
QUEUE_S: Final = 5
"""Seconds of work that wait at the workers so that no line is ever idle."""


class Line(Struct, frozen=True):
    """An upstream account: permitted calls a second (None: no limit known), closed until (epoch ms, 0: open).

    `families`: closed API families of the line, until when. `probing`: it was closed, and no call has yet shown that
    it is well again; `probing_families`: those of which the same is true.
    """

    rate_per_s: float | None = None
    closed_until_ms: int = 0
    id: str = DEFAULT_LINE
    families: Mapping[str, int] = {}
    probing: bool = False
    probing_families: frozenset[str] = frozenset()

    def is_closed(self, now_ms: int) -> bool:
        """Whether the line takes no calls now."""
        return self.closed_until_ms > now_ms


class Want(Struct, frozen=True):
    """What a tenant would have in flight if it were alone: what is in flight, and what is due. `weight` of its plan."""

    units: int
    weight: float = 1.0


def line_window(line: Line, mean_call_s: float, without_rate: int) -> int:
    """Units in flight on a line: what it can do in a mean call plus `QUEUE_S`."""
    if line.rate_per_s is None:
        return without_rate
    return int(line.rate_per_s * (mean_call_s + QUEUE_S))


def water_level(window: int, wants: Iterable[Want]) -> float:
    """Units in flight per unit of weight that fill the window; infinite while all wants fit into it.

    Never less than `window / Σ weights`: whoever wants its part gets it, whatever the others do.
    """
    ordered = sorted(wants, key=lambda want: want.units / want.weight)
    weight = sum(want.weight for want in ordered)
    left = float(window)
    for want in ordered:
        if want.units * weight >= left * want.weight:
            return left / weight
        left -= want.units
        weight -= want.weight
    return inf


def tenant_window(window: int, level: float, weight: float) -> int:
    """Units of one tenant in flight; the least window keeps small tenants moving."""
    return max(LEAST_WINDOW, int(min(window, level * weight)))
