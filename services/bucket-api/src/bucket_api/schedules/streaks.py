"""A client's module that fails again and again in a schedule: counted, warned of, suspended. Pure.

Counted are runs in a row without an answer. One success ends the row; a run counts once, however often it is told.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct
from sync_contracts.outcomes import NOT_AVAILABLE, NOT_READY, WITH_DATA
from sync_contracts.pages import Page
from sync_contracts.reasons import reason_of
from sync_contracts.units import FAILED, SUCCEEDED, Unit, failed_by_limits

DAY_MS: Final = 86_400_000
WARN_AFTER: Final = (5, 3 * DAY_MS)
SUSPEND_AFTER: Final = (10, 7 * DAY_MS)
"""Failures in a row, and the time from the first of them that must have passed."""

StreakState = Literal["clear", "counting", "warned", "suspended"]
Place = tuple[str, str]
"""Client and module."""


class Streak(Struct, frozen=True):
    """Failures in a row. `run`: the newest that was counted; times in ms. `reason`: of the newest failure."""

    n: int
    first_at: int
    last_at: int
    run: int
    state: StreakState
    reason: str | None


def outcomes(pages: Iterable[Page], modules: list[str]) -> dict[Place, str | None]:
    """What a run says of each client and module: None for an answer, else the reason why there was none.

    Silent on units that say nothing about the client: not applicable, not ready, cancelled, or failed by our own fault.
    """
    found: dict[Place, str | None] = {}
    for page in pages:
        for client, row in zip(page.clients, page.rows, strict=True):
            for module, unit in zip(modules, row, strict=True):
                told = _told(unit)
                if told is not None:
                    found[client, module] = found.get((client, module)) or (told or None)
    return found


def _told(unit: Unit) -> str | None:
    """Empty for an answer, a reason for a failure, None for silence."""
    if unit.s == SUCCEEDED:
        return "" if unit.e is None or unit.e in WITH_DATA | NOT_AVAILABLE else None
    if unit.s != FAILED or unit.e is None or unit.e in NOT_READY:
        return None
    reason = reason_of(unit.e, failed_by_limits=failed_by_limits(unit))
    return None if reason is None or reason.owner == "us" else reason.reason


def counted(known: Streak | None, reason: str | None, run: int, at_ms: int) -> Streak | None:
    """The row after a run; None where nothing has to be kept. Returns the same object for a run that was counted."""
    if known is not None and run <= known.run:
        return known
    if reason is None:
        return Streak(0, at_ms, at_ms, run, "clear", None) if known else None
    n, first_at = (known.n + 1, known.first_at) if known and known.n else (1, at_ms)
    return Streak(n, first_at, at_ms, run, _state(n, at_ms - first_at), reason)


def after_run(
    known: Mapping[Place, Streak], told: Mapping[Place, str | None], run: int, at_ms: int
) -> dict[Place, Streak]:
    """Rows that a run changes."""
    after = {place: counted(known.get(place), reason, run, at_ms) for place, reason in told.items()}
    return {place: streak for place, streak in after.items() if streak is not None and streak is not known.get(place)}


def newly(known: Mapping[Place, Streak], after: Mapping[Place, Streak]) -> dict[Literal["warned", "suspended"], int]:
    """How many client modules a run brought into these states."""
    found: dict[Literal["warned", "suspended"], int] = {}
    for place, streak in after.items():
        before = known.get(place)
        if streak.state in ("warned", "suspended") and (before is None or before.state != streak.state):
            found[streak.state] = found.get(streak.state, 0) + 1
    return found


def _state(n: int, lasted_ms: int) -> StreakState:
    if n >= SUSPEND_AFTER[0] and lasted_ms >= SUSPEND_AFTER[1]:
        return "suspended"
    return "warned" if n >= WARN_AFTER[0] and lasted_ms >= WARN_AFTER[1] else "counting"
