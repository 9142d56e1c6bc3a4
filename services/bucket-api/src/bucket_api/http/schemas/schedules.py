"""Schedules as they are written and told."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, assert_never
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from bucket_api.http.schemas.buckets import compact_selection
from bucket_api.http.schemas.kinds import Answer, Body, Instant, ListOf, Name, Person, instant, person
from bucket_api.http.schemas.plans import PlanBody
from bucket_api.schedules.book import MOST_WINDOW, Draft
from bucket_api.schedules.calendar import Event
from bucket_api.schedules.durations import PATTERN, duration, duration_text
from bucket_api.schedules.schedule import Missed, Occurrence, OccurrenceState, Overlap, Schedule
from bucket_api.schedules.when import CalendarEvent, Cron, Daily, Monthly, Weekday, Weekly, When

MOST_OFFSET = timedelta(days=60)
LEAST_REPEAT = timedelta(hours=1)


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise PydanticCustomError("unknown_value", "There is no such time zone.")
    return name


def _within(least: timedelta, most: timedelta) -> AfterValidator:
    def checked(text: str) -> str:
        length = duration(text)
        if length is None or not least <= length <= most:
            raise PydanticCustomError(
                "invalid", "A duration from {least} to {most}.", {"least": str(least), "most": str(most)}
            )
        return text

    return AfterValidator(checked)


Clock = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Zone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_zone)]
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
            return CalendarEvent(event, _minutes(offset), until == "final", _minutes(every))
        case _:
            assert_never(body)


class ScheduleBody(Body):
    """A schedule to be made. `window`: starts are spread over this time, each schedule at a place of its own."""

    name: Name
    enabled: bool = True
    plan: PlanBody
    when: WhenBody
    window: Window = "PT0M"
    time_zone: Zone = "Asia/Kolkata"
    missed: Missed = "coalesce"
    overlap: Overlap = "skip"

    def draft(self) -> Draft:
        """As the domain knows it. Raises `Refusal` for a plan that cannot be followed."""
        return Draft(
            name=self.name,
            enabled=self.enabled,
            plan=_plan(self.plan),
            when=when_value(self.when),
            window_s=_minutes(self.window) * 60,
            time_zone=self.time_zone,
            missed=self.missed,
            overlap=self.overlap,
        )


class ScheduleChanges(Body):
    """A change: what is given replaces what was."""

    name: Name | None = None
    enabled: bool | None = None
    plan: PlanBody | None = None
    when: WhenBody | None = None
    window: Window | None = None
    time_zone: Zone | None = None
    missed: Missed | None = None
    overlap: Overlap | None = None

    def values(self) -> dict[str, Any]:
        """Fields of the stored schedule. Raises `Refusal` for a plan that cannot be followed."""
        same = {name: getattr(self, name) for name in ("name", "enabled", "time_zone", "missed", "overlap")}
        found = {name: value for name, value in same.items() if value is not None}
        found |= {"plan": _plan(self.plan)} if self.plan else {}
        found |= {"when": when_value(self.when)} if self.when else {}
        return found | ({"window_s": _minutes(self.window) * 60} if self.window else {})


class NextAnswer(Answer):
    """The next start: `spread_s` seconds after its slot."""

    at: Instant
    slot: Instant
    spread_s: int


class ScheduleAnswer(Answer):
    """A schedule. `suspended_clients`: clients with a module that it leaves out."""

    id: str
    name: str
    enabled: bool
    plan: dict[str, Any]
    when: dict[str, Any]
    window: str
    time_zone: str
    missed: Missed
    overlap: Overlap
    next: NextAnswer | None
    last_bucket_id: str | None
    suspended_clients: int
    created_at: Instant
    created_by: Person


Schedules = ListOf[ScheduleAnswer]


class OccurrenceAnswer(Answer):
    """What became of a slot. `into`: the slot that a coalesced one became part of."""

    slot: Instant
    at: Instant
    state: OccurrenceState
    reason: str | None
    bucket_id: str | None
    into: Instant | None


class OccurrencesAnswer(Answer):
    """The past, newest first, and the next ten."""

    past: list[OccurrenceAnswer]
    next: list[NextAnswer]


class SuspensionAnswer(Answer):
    """A client's module that fails in a row: warned of, or left out until the access changes or somebody re-arms it."""

    client_id: str
    module: str
    state: Literal["warned", "suspended"]
    failures: int
    first_failed_at: Instant
    last_failed_at: Instant
    reason: str | None


Suspensions = ListOf[SuspensionAnswer]


def schedule_answer(schedule: Schedule, suspended: int) -> ScheduleAnswer:
    """The schedule as it is told."""
    plan = {**schedule.plan, "selection": compact_selection(schedule.plan["selection"])}
    return ScheduleAnswer(
        id=schedule.id,
        name=schedule.name,
        enabled=schedule.enabled,
        plan={**plan, "period": {name: value for name, value in plan["period"].items() if value}},
        when=_told(schedule.when),
        window=duration_text(timedelta(seconds=schedule.window_s)),
        time_zone=schedule.time_zone,
        missed=schedule.missed,
        overlap=schedule.overlap,
        next=next_answer(schedule, schedule.slot) if schedule.enabled and schedule.slot is not None else None,
        last_bucket_id=schedule.last_bucket_id,
        suspended_clients=suspended,
        created_at=instant(schedule.created_at),
        created_by=person(schedule.created_by, schedule.created_by_name),
    )


def next_answer(schedule: Schedule, slot: int) -> NextAnswer:
    """A slot with its start."""
    at = instant(schedule.start_of(slot))
    return NextAnswer(at=at, slot=instant(slot), spread_s=schedule.spread_s)


def occurrence_answer(one: Occurrence) -> OccurrenceAnswer:
    """As it is told."""
    return OccurrenceAnswer(
        slot=instant(one.slot),
        at=instant(one.at),
        state=one.state,
        reason=one.reason,
        bucket_id=one.bucket_id,
        into=instant(one.into) if one.into is not None else None,
    )


def occurrences_answer(schedule: Schedule, upcoming: Iterable[int]) -> OccurrencesAnswer:
    """Past and next."""
    past = [occurrence_answer(one) for one in reversed(schedule.occurrences)]
    return OccurrencesAnswer(past=past, next=[next_answer(schedule, slot) for slot in upcoming])


def suspension_answer(document: Mapping[str, Any]) -> SuspensionAnswer:
    """A stored row as it is told."""
    return SuspensionAnswer(
        client_id=document["client"],
        module=document["module"],
        state=document["state"],
        failures=document["n"],
        first_failed_at=instant(document["first_at"]),
        last_failed_at=instant(document["last_at"]),
        reason=document["reason"],
    )


def _told(when: When) -> dict[str, Any]:
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


def _plan(body: PlanBody) -> dict[str, Any]:
    """The plan as it is stored. What cannot be chosen is refused now, not at the first start."""
    body.selection.value()
    body.chosen_modules()
    return body.asked()


def _minutes(text: str) -> int:
    length = duration(text) or timedelta()
    return round(length.total_seconds()) // 60
