"""The tax calendar, with days that the firm has moved."""

from datetime import date, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query

from bucket_api.buckets.creation import today_in_india
from bucket_api.http.auth import BucketsRead, BucketsWrite
from bucket_api.http.schemas.calendar import DayAnswer, DayBody, Days, day_answer
from bucket_api.http.services import App, Services
from bucket_api.refusal import FieldError, Refusal
from bucket_api.schedules.calendar import EVENTS, MOST_MOVED, Event, has_event, usual_day
from bucket_api.scope import TenantScope

router = APIRouter(prefix="/v1/calendar", tags=["schedules"])

BEFORE: Final = timedelta(days=31)
AFTER: Final = timedelta(days=92)
MOST_SHOWN: Final = timedelta(days=400)
Period = Annotated[str, Path(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]


@router.get("")
async def get_calendar(
    caller: BucketsRead,
    app: App,
    first: Annotated[date | None, Query(alias="from")] = None,
    last: Annotated[date | None, Query(alias="to")] = None,
) -> Days:
    """When returns are due and when a 2B is published, in the order of days; by default a month back, three ahead."""
    begin = first or today_in_india(app.now()) - BEFORE
    end = min(last or begin + BEFORE + AFTER, begin + MOST_SHOWN)
    moved = {(day.event, day.period): day for day in await app.stores.calendars.moved(caller.tenant)}
    calendar = await app.stores.calendars.of(caller.tenant)
    days = [day for event in EVENTS for day in calendar.between(event, begin, end)]
    days.sort(key=lambda day: (day.on, day.event, day.period))
    return Days(items=[day_answer(day, moved.get((day.event, day.period))) for day in days], total_size=len(days))


@router.put("/{event}/{period}")
async def move_day(caller: BucketsWrite, app: App, event: Event, period: Period, body: DayBody) -> DayAnswer:
    """Let another day count, for this firm. Schedules and watches follow at once."""
    _check(event, period, body.on)
    await _moved(app, caller.tenant, event, period, body.on, note=body.note, by=caller.subject)
    return await _told(app, caller.tenant, event, period)


@router.delete("/{event}/{period}")
async def give_day_back(caller: BucketsWrite, app: App, event: Event, period: Period) -> DayAnswer:
    """Let the usual day count again."""
    _check(event, period, usual_day(event, period))
    await _moved(app, caller.tenant, event, period, None, note=None, by=caller.subject)
    return await _told(app, caller.tenant, event, period)


async def _moved(
    app: Services, tenant: TenantScope, event: Event, period: str, on: date | None, *, note: str | None, by: str
) -> None:
    at = int(app.now().timestamp() * 1000)
    await app.following.apply(await app.stores.calendars.put(tenant, event, period, on, note=note, by=by, at=at))


async def _told(app: Services, tenant: TenantScope, event: Event, period: str) -> DayAnswer:
    calendar = await app.stores.calendars.of(tenant)
    moved = {(day.event, day.period): day for day in await app.stores.calendars.moved(tenant)}
    return day_answer(calendar.day(event, period), moved.get((event, period)))


def _check(event: Event, period: str, on: date) -> None:
    """Raises `validation_failed` for an event that a month does not have, or a day too far away."""
    if not has_event(event, period):
        raise _refused("period", "period_invalid", "The month has no such event.")
    if abs(on - usual_day(event, period)) > MOST_MOVED:
        raise _refused("/on", "invalid", f"At most {MOST_MOVED.days} days from the usual day.")


def _refused(pointer: str, code: str, detail: str) -> Refusal:
    return Refusal("validation_failed", detail, errors=[FieldError(pointer, code, detail)])
