"""The times at which a schedule starts: a growing sequence of slots, and a start inside the window behind each. Pure.

A slot is a moment and the name of a run: the bucket's idempotency key holds it. Rules are told in local time. An hour
that the clock skips is taken as the hour after it; an hour that comes twice counts once, the first time.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import chain, groupby, islice, pairwise
from typing import Final, assert_never
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from bucket_api.schedules.calendar import INDIA, MOST_MOVED, Calendar, Day
from bucket_api.schedules.when import WEEKDAYS, CalendarEvent, Cron, Daily, Monthly, Weekly, When, clock, minutes

LOOK_AHEAD: Final = timedelta(days=5 * 366)
"""A rule without a slot in this time has none."""
LEAST_GAP: Final = timedelta(minutes=15)
CHECKED: Final = 100
DAY: Final = timedelta(days=1)
EVENTS_AHEAD: Final = timedelta(days=400)
"""Every event comes within this time."""


def slots(when: When, zone: ZoneInfo, calendar: Calendar, after: datetime) -> Iterator[datetime]:
    """Slots after a moment in UTC, each once, growing, at most five years ahead."""
    found = _event_slots(when, calendar, after) if isinstance(when, CalendarEvent) else _wall_slots(when, zone, after)
    last = after
    for slot in found:
        if slot > after + LOOK_AHEAD:
            return
        if slot > last:
            yield slot
            last = slot


def next_slot(when: When, zone: ZoneInfo, calendar: Calendar, after: datetime) -> datetime | None:
    """The first slot after a moment; None when there is none."""
    return next(slots(when, zone, calendar, after), None)


def spread_s(schedule_id: str, window_s: int) -> int:
    """Seconds from a slot to its start: the same for every slot of a schedule, below the window."""
    draw = int.from_bytes(hashlib.sha256(schedule_id.encode()).digest()[:8])
    return draw % window_s if window_s else 0


def is_cron(expression: str) -> bool:
    """Whether an expression has five fields that can be read."""
    try:
        CronSim(expression, datetime(2026, 1, 1))  # noqa: DTZ001 - local times
    except CronSimError:
        return False
    return len(expression.split()) == 5


def is_too_often(when: When, zone: ZoneInfo, calendar: Calendar, after: datetime) -> bool:
    """Whether slots lie closer together than a quarter of an hour."""
    return any(b - a < LEAST_GAP for a, b in pairwise(islice(slots(when, zone, calendar, after), CHECKED)))


def _wall_slots(when: Daily | Weekly | Monthly | Cron, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Day by day: two local times of one day may be the same moment, or stand the other way round."""
    first = after.astimezone(zone).date() - DAY
    for _, walls in groupby(_walls(when, first), key=datetime.date):
        yield from sorted({wall.replace(tzinfo=zone).astimezone(UTC) for wall in walls})


def _walls(when: Daily | Weekly | Monthly | Cron, first: date) -> Iterator[datetime]:
    """Local times from a day on."""
    match when:
        case Cron(expression=expression):
            before = datetime.combine(first, datetime.min.time()) - timedelta(seconds=1)
            yield from CronSim(expression, before)
        case Daily(at=at):
            yield from (datetime.combine(day, clock(at)) for day in _days(first))
        case Weekly(days=days, at=at):
            wanted = {WEEKDAYS.index(day) for day in days}
            yield from (datetime.combine(day, clock(at)) for day in _days(first) if day.weekday() in wanted)
        case Monthly(day=number, at=at):
            yield from (datetime.combine(day, clock(at)) for day in _days(first) if _is_day(day, number))
        case _:
            assert_never(when)


def _days(first: date) -> Iterator[date]:
    return (first + n * DAY for n in range(LOOK_AHEAD.days + 3))


def _is_day(day: date, number: int) -> bool:
    """Whether a day has this number, or is the last of a month that is too short for it."""
    return day.day == number or (day.day < number and (day + DAY).day == 1)


def _event_slots(when: CalendarEvent, calendar: Calendar, after: datetime) -> Iterator[datetime]:
    """Sorted as a whole: repetitions of one period may reach beyond the next event."""
    reach = MOST_MOVED + DAY + abs(minutes(when.offset_min))
    today = after.astimezone(INDIA).date()
    days = calendar.between(when.event, today - reach, today + EVENTS_AHEAD)
    yield from sorted(set(chain.from_iterable(_starts(when, day, calendar) for day in days)))


def _starts(when: CalendarEvent, day: Day, calendar: Calendar) -> Iterator[datetime]:
    """The event's own start, then its repetitions while the period is not final."""
    start = midnight(day.on) + minutes(when.offset_min)
    yield start
    if when.until_final:
        end = final_at(calendar, day.period)
        while (start := start + minutes(when.every_min)) < end:
            yield start


def midnight(day: date) -> datetime:
    """The beginning of a day in India."""
    return datetime.combine(day, datetime.min.time(), INDIA).astimezone(UTC)


def final_at(calendar: Calendar, period: str) -> datetime:
    """When a period's 2B counts as final: the end of the day on which its 3B is due.

    An assumption: it is final when the 3B is filed, which is not known here.
    """
    return midnight(calendar.day("gstr3b_due", period).on + DAY)
