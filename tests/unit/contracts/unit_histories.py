"""Histories of one unit as they may happen: genuine facts, at most one attempt ahead, and retries of a user."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st
from sync_contracts.outcomes import COUNTED_RETRIES, UNCOUNTED_RETRIES, Code
from sync_contracts.units import ATTEMPTS_PER_ROUND, Fact, FactType, Limits, Unit, fold, is_ahead, reopen

LIMITS = Limits(max_failures=3, max_attempts=6)
CODES: dict[FactType, Sequence[Code | None]] = {
    FactType.DISPATCHED: [None],
    FactType.STARTED: [None],
    FactType.RETRY: sorted(UNCOUNTED_RETRIES | COUNTED_RETRIES),
    FactType.SUCCEEDED: [Code.OK, Code.UNCHANGED, Code.EMPTY, Code.NOT_YET],
    FactType.FAILED: [Code.OTP_REQUIRED, Code.UNKNOWN],
    FactType.CANCELLED: [Code.CANCELLED_BY_USER],
}


@dataclass
class History:
    """Facts in log order, and the unit after each step; `states[0]` is before the first. Steps may be user retries."""

    states: list[Unit]
    facts: list[Fact] = field(default_factory=list)
    folded_at: list[int] = field(default_factory=list)
    """Index into `states` of the unit after each fact."""

    @property
    def end(self) -> Unit:
        return self.states[-1]


def fact(kind: FactType, attempt: int, code: str | None, delay_ms: int = 0) -> Fact:
    """A fact, counted as its code says."""
    return Fact(
        kind,
        attempt,
        None if code is None else str(code),
        counted=code in COUNTED_RETRIES,
        delay_ms=delay_ms,
        cont="token" if delay_ms else None,
        rows=delay_ms or None,
    )


@st.composite
def genuine_facts(draw: st.DrawFn, unit: Unit) -> Fact:
    """A fact about this unit: of the next attempt, of the current one, or of any that was issued before."""
    newest = unit.a + 1
    attempt = draw(st.sampled_from([newest, newest, max(1, unit.a), max(1, unit.a)]) | st.integers(1, newest))
    kind = draw(st.sampled_from(list(FactType)))
    return fact(kind, attempt, draw(st.sampled_from(CODES[kind])), draw(st.integers(0, 3)))


@st.composite
def histories(draw: st.DrawFn, max_steps: int = 25) -> History:
    """A fresh unit and what happens to it."""
    history = History([Unit(t=draw(st.integers(0, 5)))])
    now = 10
    for _ in range(draw(st.integers(0, max_steps))):
        now += draw(st.integers(0, 5))
        unit = history.end
        if draw(st.integers(0, 6)) == 0:
            following = unit.a // ATTEMPTS_PER_ROUND + draw(st.integers(1, 2))
            history.states.append(reopen(unit, following, draw(st.booleans()), now))
            continue
        happened = draw(genuine_facts(unit))
        if not is_ahead(unit, happened.attempt):
            history.states.append(fold(unit, happened, now, LIMITS))
            history.facts.append(happened)
            history.folded_at.append(len(history.states) - 1)
    return history
