"""Schedules as they are written and told."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, StringConstraints

from bucket_api.http.schemas.buckets import compact_selection
from bucket_api.http.schemas.kinds import Answer, Body, Instant, ListOf, Name, Person, instant, person
from bucket_api.http.schemas.plans import PlanBody
from bucket_api.http.schemas.whens import WhenBody, Window, minutes_in, when_told, when_value
from bucket_api.refusal import FieldError, Refusal
from bucket_api.schedules.book import Draft
from bucket_api.schedules.durations import duration_text
from bucket_api.schedules.schedule import Missed, Occurrence, OccurrenceState, Overlap, Schedule


@cache
def _zones() -> frozenset[str]:
    """Read from files, so once."""
    return frozenset(available_timezones())


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("There is no such time zone.")
    return name


Zone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_zone)]


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
            window_s=minutes_in(self.window) * 60,
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
        return found | ({"window_s": minutes_in(self.window) * 60} if self.window else {})


class NextAnswer(Answer):
    """The next start: `spread_s` seconds after its slot."""

    at: Instant
    slot: Instant
    spread_s: int


class ToldAnswer(Answer):
    """What a run has brought: client modules that are warned of, or left out from then on. `bucket_id`: of the run."""

    at: Instant
    state: Literal["warned", "suspended"]
    client_modules: int
    bucket_id: str


class ScheduleAnswer(Answer):
    """A schedule. `suspended_clients`: clients with a module that it leaves out; `told`: the newest twenty changes."""

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
    told: list[ToldAnswer]
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
        when=when_told(schedule.when),
        window=duration_text(timedelta(seconds=schedule.window_s)),
        time_zone=schedule.time_zone,
        missed=schedule.missed,
        overlap=schedule.overlap,
        next=next_answer(schedule, schedule.slot) if schedule.enabled and schedule.slot is not None else None,
        last_bucket_id=schedule.last_bucket_id,
        suspended_clients=suspended,
        told=[
            ToldAnswer(at=instant(one.at), state=one.state, client_modules=one.places, bucket_id=one.bucket_id)
            for one in reversed(schedule.told)
        ],
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


def _plan(body: PlanBody) -> dict[str, Any]:
    """The plan as it is stored. What cannot be chosen is refused now, not at the first start."""
    try:
        body.selection.value()
        body.chosen_modules()
    except Refusal as refusal:
        errors = [FieldError(f"/plan{error.pointer}", error.code, error.detail) for error in refusal.errors]
        raise Refusal(refusal.code, refusal.detail, errors=errors) from None
    return body.asked()
