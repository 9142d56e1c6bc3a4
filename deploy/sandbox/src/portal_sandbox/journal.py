"""Requests seen, for assertions: no token, key or OTP is in it."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass

from portal_sandbox.calls import Call

_KEPT = 200_000


@dataclass(slots=True)
class Entry:
    """One request. `http` is 0 while it runs or when the connection was cut without an answer.

    `in_flight` counts the portal's calls at its start with itself, `gstin_in_flight` those of its registration.
    """

    seq: int
    at_s: float
    gstin: str
    surface: str
    family: str
    action: str
    period: str
    section: str
    in_flight: int
    gstin_in_flight: int
    http: int = 0
    code: str = ""
    ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Filter:
    """Absent fields match everything; times are virtual seconds, `from_s` inclusive, `to_s` exclusive."""

    gstin: str | None = None
    surface: str | None = None
    family: str | None = None
    action: str | None = None
    code: str | None = None
    since_seq: int = 0
    from_s: float | None = None
    to_s: float | None = None

    def fits(self, entry: Entry) -> bool:
        return (
            entry.seq >= self.since_seq
            and self.gstin in (None, entry.gstin)
            and self.surface in (None, entry.surface)
            and self.family in (None, entry.family)
            and self.action in (None, entry.action)
            and self.code in (None, entry.code)
            and (self.from_s is None or entry.at_s >= self.from_s)
            and (self.to_s is None or entry.at_s < self.to_s)
        )


class Journal:
    """The last 200,000 requests."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=_KEPT)
        self._running: Counter[str] = Counter()
        self._in_flight = 0
        self.next_seq = 1

    def begin(self, call: Call, now_s: float) -> Entry:
        self._in_flight += 1
        self._running[call.gstin] += 1
        entry = Entry(
            self.next_seq, now_s, call.gstin, call.surface, call.family, call.action, call.period,
            call.section, self._in_flight, self._running[call.gstin],
        )  # fmt: skip
        self.next_seq += 1
        self._entries.append(entry)
        return entry

    def end(self, entry: Entry, *, http: int, code: str, ms: float) -> None:
        entry.http, entry.code, entry.ms = http, code, ms
        self._in_flight -= 1
        self._running[entry.gstin] -= 1
        if self._running[entry.gstin] <= 0:
            del self._running[entry.gstin]

    def select(self, chosen: Filter) -> list[Entry]:
        return [entry for entry in self._entries if chosen.fits(entry)]

    def clear(self) -> None:
        """Forget the entries; numbers go on."""
        self._entries.clear()


def max_in_flight(entries: Iterable[Entry], *, of_gstin: bool) -> int:
    """The most calls at once: of the portal, or of a registration when the entries are one registration's."""
    return max((entry.gstin_in_flight if of_gstin else entry.in_flight for entry in entries), default=0)
