"""When a schedule starts, as it is written and told."""

from datetime import timedelta
from typing import Annotated, Any, Literal, assert_never

from pydantic import AfterValidator, Field, StringConstraints

from bucket_api.http.schemas.kinds import Body
from bucket_api.schedules.book import MOST_WINDOW
from bucket_api.schedules.calendar import Event
from bucket_api.schedules.durations import PATTERN, duration, duration_text
from bucket_api.schedules.when import CalendarEvent, Cron, Daily, Monthly, Weekday, Weekly, When

MOST_OFFSET = timedelta(days=60)
LEAST_REPEAT = timedelta(hours=1)


def _within(least: timedelta, most: timedelta) -> AfterValidator:
    def checked(text: str) -> str:
        length = duration(text)
        if length is None or not least <= length <= most:
            raise ValueError(f"A duration from {duration_text(least)} to {duration_text(most)}.")
        return text

    return AfterValidator(checked)


Clock = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Duration = Annotated[str, StringConstraints(max_length=24, pattern=PATTERN)]
Window = Annotated[Duration, _within(timedelta(), MOST_WINDOW)]
Offset = Annotated[Duration, _within(-MOST_OFFSET, MOST_OFFSET)]
Repeat = Annotated[Duration, _within(LEAST_REPEAT, timedelta(days=31))]


class DailyBody(Body):
    """Every day at a time of the schedule's zone."""

    kind: Literal["daily"]
    at: Clock


class WeeklyBody(Body):
    """On some days of the week."""

    kind: Literal["weekly"]
    days: Annotated[list[Weekday], Field(min_length=1, max_length=7)]
    at: Clock


class MonthlyBody(Body):
    """On a day of the month; a shorter month has it on its last day."""

    kind: Literal["monthly"]
    day: Annotated[int, Field(ge=1, le=31)]
    at: Clock


class CronBody(Body):
    """Five fields: minute, hour, day, month, day of the week."""

    kind: Literal["cron"]
    expression: Annotated[str, StringConstraints(strip_whitespace=True, min_length=9, max_length=120)]


class CalendarEventBody(Body):
    """At an event of the tax calendar: midnight in India plus `offset`.

    With `repeat_until: final` again every `repeat_every` until the 2B of the period counts as final.
    """

    kind: Literal["calendar_event"]
    event: Event
    offset: Offset = "PT0M"
    repeat_until: Literal["final"] | None = None
    repeat_every: Repeat = "P1D"


WhenBody = Annotated[DailyBody | WeeklyBody | MonthlyBody | CronBody | CalendarEventBody, Field(discriminator="kind")]


def when_value(body: DailyBody | WeeklyBody | MonthlyBody | CronBody | CalendarEventBody) -> When:
    """As the domain knows it."""
    match body:
        case DailyBody(at=at):
            return Daily(at)
        case WeeklyBody(days=days, at=at):
            return Weekly(tuple(dict.fromkeys(days)), at)
        case MonthlyBody(day=day, at=at):
            return Monthly(day, at)
        case CronBody(expression=expression):
            return Cron(expression)
        case CalendarEventBody(event=event, offset=offset, repeat_until=until, repeat_every=every):
            return CalendarEvent(event, minutes_in(offset), until == "final", minutes_in(every))
        case _:
            assert_never(body)


def minutes_in(text: str) -> int:
    length = duration(text) or timedelta()
    return round(length.total_seconds()) // 60


def when_told(when: When) -> dict[str, Any]:
    match when:
        case Daily(at=at):
            return {"kind": "daily", "at": at}
        case Weekly(days=days, at=at):
            return {"kind": "weekly", "days": list(days), "at": at}
        case Monthly(day=day, at=at):
            return {"kind": "monthly", "day": day, "at": at}
        case Cron(expression=expression):
            return {"kind": "cron", "expression": expression}
        case CalendarEvent():
            return _told_event(when)
        case _:
            assert_never(when)


def _told_event(when: CalendarEvent) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": "calendar_event", "event": when.event}
    told["offset"] = duration_text(timedelta(minutes=when.offset_min))
    if when.until_final:
        told |= {"repeat_until": "final", "repeat_every": duration_text(timedelta(minutes=when.every_min))}
    return told
