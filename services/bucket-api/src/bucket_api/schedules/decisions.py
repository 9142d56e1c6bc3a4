"""What a schedule does now: start a slot, skip it, or fold missed ones into one. Pure."""

from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from typing import Final

from msgspec import Struct

from bucket_api.schedules.calendar import Calendar
from bucket_api.schedules.schedule import KEPT_OCCURRENCES, Occurrence, Pending, Schedule, milliseconds, moment
from bucket_api.schedules.slots import slots

MISSED_AFTER_MS: Final = 15 * 60_000
"""A start that is later than this counts as missed: `missed: skip` leaves it out."""
MOST_DUE: Final = 4_000
LOOK_BACK_MS: Final = 35 * 86_400_000
"""Of more missed slots than `MOST_DUE`, those longer ago are left out."""
TRY_AGAIN_MS: Final = 60_000
GIVE_UP_AFTER_MS: Final = 6 * 3_600_000
"""How long a start is tried again that the tenant's limits refuse."""


class Decision(Struct, frozen=True):
    """The next state of a schedule and what is noted of the slots that it passed."""

    passed: int
    slot: int | None
    next_at: int | None
    pending: Pending | None
    noted: tuple[Occurrence, ...] = ()


def decide(schedule: Schedule, calendar: Calendar, now_ms: int, *, runs: bool) -> Decision:
    """The decision at a time. `runs`: whether the bucket of the newest slot is still running.

    At most one slot becomes pending; a slot that the calendar no longer has is forgotten.
    """
    due = due_slots(schedule, calendar, now_ms)
    if not due:
        return _moved(schedule, calendar, schedule.passed, None, ())
    newest = due[-1]
    skipped = schedule.missed == "skip"
    noted = [_missed(slot, now_ms, None if skipped else newest) for slot in due[:-1][-KEPT_OCCURRENCES:]]
    pending = None
    if skipped and now_ms - schedule.start_of(newest) > MISSED_AFTER_MS:
        noted.append(_missed(newest, now_ms, None))
    elif runs and schedule.running:
        noted.append(overlapping(schedule, newest, now_ms))
    else:
        pending = Pending(newest, now_ms)
    return _moved(schedule, calendar, newest, pending, noted)


def due_slots(schedule: Schedule, calendar: Calendar, now_ms: int) -> list[int]:
    """Slots after the last one handled whose start has come; of very many those of the last weeks."""
    found = list(islice(_due(schedule, calendar, schedule.passed, now_ms), MOST_DUE + 1))
    return found if len(found) <= MOST_DUE else list(_due(schedule, calendar, now_ms - LOOK_BACK_MS, now_ms))


def _due(schedule: Schedule, calendar: Calendar, after_ms: int, now_ms: int) -> Iterator[int]:
    found = slots(schedule.when, schedule.zone, calendar, moment(after_ms))
    return takewhile(lambda slot: schedule.start_of(slot) <= now_ms, map(milliseconds, found))


def overlapping(schedule: Schedule, slot: int, now_ms: int, key: str | None = None) -> Occurrence:
    """What becomes of a slot while the bucket of the one before runs: no second bucket, by neither policy."""
    bucket = schedule.running.bucket if schedule.running else None
    if schedule.overlap == "attach":
        return Occurrence(slot, now_ms, "started", "attached", bucket, key=key)
    return Occurrence(slot, now_ms, "skipped", "overlap", bucket, key=key)


def refused(schedule: Schedule, pending: Pending, code: str, now_ms: int, *, again: bool) -> Decision:
    """After a start that was refused: another try while that makes sense, else the slot is skipped."""
    if again and now_ms - pending.since < GIVE_UP_AFTER_MS:
        return Decision(schedule.passed, schedule.slot, now_ms + TRY_AGAIN_MS, pending)
    noted = Occurrence(pending.slot, now_ms, "skipped", code, key=pending.key)
    return Decision(schedule.passed, schedule.slot, _next_at(schedule, schedule.slot), None, (noted,))


def started(schedule: Schedule, pending: Pending, bucket: str, now_ms: int, *, attached: bool) -> Decision:
    """After its bucket is there. `attached`: it was running already, started by somebody else."""
    reason = "attached" if attached else None
    noted = Occurrence(pending.slot, now_ms, "started", reason, bucket, key=pending.key)
    return Decision(schedule.passed, schedule.slot, _next_at(schedule, schedule.slot), None, (noted,))


def rescheduled(schedule: Schedule, calendar: Calendar) -> Decision:
    """The same schedule by another calendar."""
    return _moved(schedule, calendar, schedule.passed, schedule.pending, ())


def _moved(
    schedule: Schedule, calendar: Calendar, passed: int, pending: Pending | None, noted: Sequence[Occurrence]
) -> Decision:
    slot = schedule.slot_after(calendar, passed)
    next_at = pending.since if pending else _next_at(schedule, slot)
    return Decision(passed, slot, next_at, pending, tuple(noted))


def _next_at(schedule: Schedule, slot: int | None) -> int | None:
    return None if slot is None else schedule.start_of(slot)


def _missed(slot: int, now_ms: int, into: int | None) -> Occurrence:
    return Occurrence(slot, now_ms, "skipped" if into is None else "coalesced", "missed", into=into)
