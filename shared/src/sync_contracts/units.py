"""The unit and `fold`: the one place that says how a fact changes a unit. Pure.

A unit is client × module × period of a bucket. Its version is `(attempt, rank)`; a fact changes it only if it is
strictly newer in that order, terminal states absorb every fact of their round, and a success is final. Therefore
replayed, duplicated, reordered and late facts are harmless: folding one that is already reflected changes nothing.
"""

from enum import StrEnum
from typing import Final, Literal

from msgspec import Struct

from sync_contracts.outcomes import FINAL_AS_THEMSELVES, HUMAN_GATED, NOT_AVAILABLE, NOT_READY, UNCOUNTED_RETRIES, Code

UnitState = Literal["W", "D", "R", "S", "F", "C"]
WAITING: Final = "W"
DISPATCHED: Final = "D"
RUNNING: Final = "R"
SUCCEEDED: Final = "S"
FAILED: Final = "F"
CANCELLED: Final = "C"
TERMINAL: Final = frozenset({SUCCEEDED, FAILED, CANCELLED})

ATTEMPTS_PER_ROUND: Final = 1000
RANK_OF_STATE: Final[dict[str, int]] = {DISPATCHED: 0, RUNNING: 1, WAITING: 2}


class FactType(StrEnum):
    """What happened to a unit; the wire name of the event that says so."""

    DISPATCHED = "DISPATCHED"
    STARTED = "STARTED"
    RETRY = "RETRY"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


RANK_OF_FACT: Final[dict[FactType, int]] = {FactType.DISPATCHED: 0, FactType.STARTED: 1, FactType.RETRY: 2}


class Limits(Struct, frozen=True):
    """Bounds of a unit's life. Durations in milliseconds."""

    max_failures: int = 5
    max_attempts: int = 900
    dispatched_ms: int = 60 * 60_000
    running_ms: int = 15 * 60_000
    cancelling_ms: int = 5 * 60_000
    bucket_ms: int = 72 * 3_600_000


DEFAULT_LIMITS: Final = Limits()


class Unit(Struct, frozen=True, gc=False):
    """State of one unit, with the short field names of the page document.

    s state · a attempt · f counted failures of the round · t next_at (W), deadline (D, R) or ended_at (S, F, C), ms ·
    n rows · e code (None: none, or OK in S) · k continuation token (open units) · g flags · x the portal's own code.
    """

    s: UnitState = WAITING
    a: int = 0
    f: int = 0
    t: int = 0
    n: int | None = None
    e: str | None = None
    k: str | None = None
    g: int | None = None
    x: str | None = None

    @property
    def terminal(self) -> bool:
        """Whether the unit has ended in its round."""
        return self.s in TERMINAL


class Fact(Struct, frozen=True, gc=False):
    """One thing that happened to one unit, stripped of its address. Times are milliseconds; `delay_ms` is relative."""

    type: FactType
    attempt: int
    code: str | None = None
    counted: bool = False
    delay_ms: int = 0
    cont: str | None = None
    pcode: str | None = None
    flags: int = 0
    rows: int | None = None


def round_of(attempt: int) -> int:
    """The round (0 = first run) an attempt number belongs to."""
    return attempt // ATTEMPTS_PER_ROUND


def is_ahead(unit: Unit, attempt: int) -> bool:
    """Whether a fact is further ahead than a genuine one can be: this image is old, or the fact is forged."""
    return unit.s != SUCCEEDED and attempt > unit.a + 1


def fold(unit: Unit, fact: Fact, now_ms: int, limits: Limits = DEFAULT_LIMITS) -> Unit:
    """The unit after the fact. Returns the very same object when the fact changes nothing.

    `now_ms` is the clock of the single writer of pages: the only clock that turns a delay into a time.
    """
    if unit.s in TERMINAL or round_of(fact.attempt) < round_of(unit.a):
        return unit
    kind = fact.type
    if kind is FactType.SUCCEEDED:
        code = None if fact.code == Code.OK else fact.code
        return Unit(SUCCEEDED, fact.attempt, unit.f, now_ms, fact.rows, code, None, fact.flags or None, fact.pcode)
    if kind is FactType.FAILED or kind is FactType.CANCELLED:
        return _after_verdict(unit, fact, now_ms)
    if (fact.attempt, RANK_OF_FACT[kind]) <= (unit.a, RANK_OF_STATE[unit.s]):
        return unit
    return (
        _after_retry(unit, fact, now_ms, limits) if kind is FactType.RETRY else _in_flight(unit, fact, now_ms, limits)
    )


def _after_verdict(unit: Unit, fact: Fact, now_ms: int) -> Unit:
    """A verdict counts only for the current attempt."""
    if fact.attempt < unit.a:
        return unit
    state: UnitState = FAILED if fact.type is FactType.FAILED else CANCELLED
    return Unit(state, fact.attempt, unit.f, now_ms, unit.n, fact.code, None, unit.g, fact.pcode)


def _in_flight(unit: Unit, fact: Fact, now_ms: int, limits: Limits) -> Unit:
    started = fact.type is FactType.STARTED
    state: UnitState = RUNNING if started else DISPATCHED
    deadline = now_ms + (limits.running_ms if started else limits.dispatched_ms)
    return Unit(state, fact.attempt, unit.f, deadline, unit.n, unit.e, unit.k, unit.g, unit.x)


def _after_retry(unit: Unit, fact: Fact, now_ms: int, limits: Limits) -> Unit:
    failures = unit.f + fact.counted
    if failures >= limits.max_failures or fact.attempt % ATTEMPTS_PER_ROUND >= limits.max_attempts:
        return Unit(FAILED, fact.attempt, failures, now_ms, unit.n, fact.code, None, unit.g, fact.pcode)
    next_at = now_ms + fact.delay_ms
    return Unit(WAITING, fact.attempt, failures, next_at, unit.n, fact.code, fact.cont, unit.g, fact.pcode)


def reopen(unit: Unit, round_: int, selected: bool, now_ms: int) -> Unit:
    """The unit in a later round: selected failed and cancelled units wait again, everything else stays as it is."""
    if selected and unit.s in (FAILED, CANCELLED) and round_of(unit.a) < round_:
        return Unit(WAITING, ATTEMPTS_PER_ROUND * round_, 0, now_ms)
    return unit


DISPLAY_STATES: Final = (
    "queued",
    "waiting",
    "running",
    "retrying",
    "changed",
    "unchanged",
    "empty",
    "not_available",
    "needs_action",
    "failed",
    "skipped",
    "skipped_gap",
    "cancelled",
)
"""Order of the display counts of a page (`h`): the user-visible states, `done` by outcome and `skipped` by gap."""

_SUCCEEDED_AS: Final[dict[str | None, int]] = {
    None: 4,
    Code.UNCHANGED: 5,
    Code.EMPTY: 6,
    Code.NOT_APPLICABLE: 10,
    **dict.fromkeys(NOT_AVAILABLE, 7),
}
_UNCOUNTED: Final = frozenset(code.value for code in UNCOUNTED_RETRIES)


def display_index(unit: Unit) -> int:
    """Index into `DISPLAY_STATES`: what a user is told, a function of `(s, a, f, e)` alone."""
    state = unit.s
    if state == SUCCEEDED:
        return _SUCCEEDED_AS[unit.e]
    if state == RUNNING:
        return 2
    if state == FAILED:
        return 8 if unit.e in HUMAN_GATED else 11 if unit.e in NOT_READY else 9
    if state == CANCELLED:
        return 12
    if unit.e is None:
        return 0
    return 1 if unit.e in _UNCOUNTED else 3


def failed_by_limits(unit: Unit) -> bool:
    """Whether a failed unit kept a retry code: its tries were used up, no verdict was given."""
    return unit.s == FAILED and (unit.e in _UNCOUNTED or unit.e == Code.PORTAL_ERROR or unit.e in FINAL_AS_THEMSELVES)
