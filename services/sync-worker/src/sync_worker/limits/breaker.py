"""When a gate closes, pure: from errors of several clients at once, never from one client's or one section's.

A line has a gate of its own and one for each API family. Errors are answers that say nothing but "not now" (5xx, time
out, no connection); whatever else the portal answers shows that it is there.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import Struct
from sync_contracts.outcomes import OutcomeClass

MAINTENANCE: Final = "maintenance"
ERRORS: Final = "errors"
CLIENTS_KEPT: Final = 8
CALLS_KEPT: Final = 100
"""A window with more calls than this lets the older ones count half, so that a busy line notices as fast as a quiet
one."""
LINE_FAMILIES: Final = 2
"""Families that must err before the whole line closes; an outage of one closes that one."""
SUSPECTED_MS: Final = 5_000
"""Delay of a unit that met an error while a gate seems about to close."""
_LOOKED_AT: Final = 8
_BROAD_CLIENTS: Final = 5
_NARROW_CLIENTS: Final = 4
_LATEST_KEPT_S: Final = 300.0
_ERRING: Final = frozenset({OutcomeClass.TRANSIENT, OutcomeClass.MAINTENANCE})


class Rules(Struct, frozen=True):
    """Working values: no portal publishes how it fails. Times in ms."""

    window_ms: int = 30_000
    least_calls: int = 20
    least_clients: int = 5
    error_share: float = 0.6
    first_ms: int = 60_000
    most_ms: int = 900_000
    probe_ms: int = 10_000
    again_ms: int = 300_000
    """A gate that closes again so soon after it opened stays closed for twice as long as before."""


class Seen(Struct, frozen=True):
    """Calls of one family since the last lease: how many, how many erred, and whose (marks of clients) erred."""

    n: int = 0
    err: int = 0
    clients: tuple[str, ...] = ()

    def and_(self, client: str, *, erred: bool) -> "Seen":
        """One call more."""
        if not erred:
            return Seen(self.n + 1, self.err, self.clients)
        known = client in self.clients or len(self.clients) >= CLIENTS_KEPT
        return Seen(self.n + 1, self.err + 1, self.clients if known else (*self.clients, client))

    def with_(self, other: "Seen") -> "Seen":
        """Both together: what could not be told is told next time."""
        clients = tuple(dict.fromkeys((*self.clients, *other.clients)))[:CLIENTS_KEPT]
        return Seen(self.n + other.n, self.err + other.err, clients)


def is_error(outcome: OutcomeClass) -> bool:
    """Whether an answer counts as an error of the portal."""
    return outcome in _ERRING


def to_close(upstream: Mapping[str, Any], family: str, rules: Rules) -> list[str | None]:
    """Gates (a family, None: the line) that are open in this document and ought to close, the family's first."""
    found: list[str | None] = []
    own = upstream.get("families", {}).get(family, {})
    if "reason" not in own and _is_outage(own.get("win"), rules):
        found.append(family)
    win = upstream.get("win")
    if win and "reason" not in upstream and _is_outage(win, rules) and len(win["families"]) >= LINE_FAMILIES:
        found.append(None)
    return found


def closing_ms(gate: Mapping[str, Any], for_ms: int, rules: Rules, now: datetime) -> int:
    """How long a gate closes for errors: longer each time when it has opened only just before.

    At the very share of errors that closes it, a probe often enough meets an answer.
    """
    opened_at, last_ms = gate.get("opened_at"), gate.get("last_ms")
    if opened_at is None or last_ms is None or now - opened_at >= timedelta(milliseconds=rules.again_ms):
        return for_ms
    return max(for_ms, longer_ms(last_ms, rules))


def longer_ms(closed_ms: int, rules: Rules) -> int:
    """How long a gate stays closed after a failed probe: twice as long as before, with a limit."""
    return min(2 * closed_ms, rules.most_ms)


def _is_outage(win: Mapping[str, Any] | None, rules: Rules) -> bool:
    if win is None or win["n"] < rules.least_calls or len(win["clients"]) < rules.least_clients:
        return False
    return bool(win["err"] >= rules.error_share * win["n"])


class Latest:
    """The latest calls of one family that this process made: whether an error is the portal's or the client's own.

    Half of them must have erred, each of another client.

    The shared window decides the gate; this decides earlier, for one unit, whether its error counts against it.
    """

    def __init__(self) -> None:
        self._calls: deque[tuple[float, str | None]] = deque(maxlen=_LOOKED_AT)

    def note(self, at_s: float, client: str, *, erred: bool) -> None:
        """One call more."""
        self._calls.append((at_s, client if erred else None))

    def suspects(self, now_s: float, *, again: bool) -> bool:
        """Whether several clients err at once. `again`: this unit was let off for that last time; more must err now."""
        erring = _erring((call for at_s, call in self._calls if at_s > now_s - _LATEST_KEPT_S))
        return len(erring) >= (_BROAD_CLIENTS if again else _NARROW_CLIENTS)


def _erring(calls: Iterable[str | None]) -> Sequence[str]:
    return tuple({client for client in calls if client is not None})
