"""How dispatching stands, for metrics and for what tenants are told of their share. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from bucket_api.dispatch.backlog import Backlog
from bucket_api.dispatch.gates import Gates
from bucket_api.dispatch.shares import Owner, Share, evenness


class ShareOfLine(Struct, frozen=True):
    """A tenant's share. `measured`: its part of what was dispatched to the line in the last minute, None of nothing."""

    share: Share
    measured: float | None


class LineStanding(Struct, frozen=True):
    """A line. `units`: dispatched in the last minute, `tenants` with running buckets, `gated`: units that wait because
    the line or their API family is closed. `evenness`: Jain's index of units per weight over tenants with due work."""

    units: int
    evenness: float
    tenants: int
    gated: int


NOTHING: Final = LineStanding(units=0, evenness=1.0, tenants=0, gated=0)
"""A line without running buckets."""


class Standing(Struct, frozen=True):
    """Shares of the tenants that are served here, their lines, and how long the oldest due unit has been due."""

    shares: tuple[ShareOfLine, ...]
    lines: Mapping[str, LineStanding]
    oldest_due_ms: int


def standing_of(
    backlogs: Iterable[Backlog], shares: Mapping[Owner, Share], measured: Mapping[Owner, int], gates: Gates, now_ms: int
) -> Standing:
    """`shares`: of all tenants; `measured`: units of the last minute of those that are served here."""
    own = [backlog for backlog in backlogs if backlog.runs]
    owners = {(backlog.bucket.tenant, backlog.bucket.line) for backlog in own} & shares.keys()
    totals: dict[str, int] = {}
    for (_, line), units in measured.items():
        totals[line] = totals.get(line, 0) + units
    told = tuple(
        ShareOfLine(shares[owner], measured.get(owner, 0) / totals[owner[1]] if totals.get(owner[1]) else None)
        for owner in sorted(owners)
    )
    lines = {
        line: LineStanding(
            units=totals.get(line, 0),
            evenness=evenness(
                measured.get(owner, 0) / shares[owner].weight
                for owner in owners
                if owner[1] == line and shares[owner].due > 0
            ),
            tenants=sum(on == line for _, on in shares),
            gated=sum(
                backlog.due_units if gates.is_closed(line, now_ms) else backlog.gated_units
                for backlog in own
                if backlog.bucket.line == line
            ),
        )
        for line in {line for _, line in owners}
    }
    due = [backlog.oldest_due for backlog in own if backlog.oldest_due is not None]
    return Standing(told, lines, max(0, now_ms - min(due, default=now_ms)))
