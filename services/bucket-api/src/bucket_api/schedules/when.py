"""When a schedule starts: five kinds of rules. Pure."""

from datetime import time, timedelta
from typing import Final, Literal, get_args

from msgspec import Struct

from bucket_api.schedules.calendar import Event

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: Final[tuple[Weekday, ...]] = get_args(Weekday)


class Daily(Struct, frozen=True, tag_field="kind", tag="daily"):
    """Every day at a time of the schedule's zone (`07:00`)."""

    at: str


class Weekly(Struct, frozen=True, tag_field="kind", tag="weekly"):
    """On some days of the week."""

    days: tuple[Weekday, ...]
    at: str


class Monthly(Struct, frozen=True, tag_field="kind", tag="monthly"):
    """On a day of the month; a month that is shorter has it on its last day."""

    day: int
    at: str


class Cron(Struct, frozen=True, tag_field="kind", tag="cron"):
    """Five fields: minute, hour, day, month, day of the week."""

    expression: str


class CalendarEvent(Struct, frozen=True, tag_field="kind", tag="calendar_event", omit_defaults=True):
    """At an event of the tax calendar: midnight in India plus `offset_min`.

    With `until_final` again every `every_min` until the period's 2B counts as final.
    """

    event: Event
    offset_min: int = 0
    until_final: bool = False
    every_min: int = 1440


When = Daily | Weekly | Monthly | Cron | CalendarEvent


def clock(at: str) -> time:
    """`07:00` as a time."""
    return time(int(at[:2]), int(at[3:]))


def minutes(count: int) -> timedelta:
    """So many minutes."""
    return timedelta(minutes=count)
