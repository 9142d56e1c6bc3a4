"""Schedules: buckets that start by themselves."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response

from bucket_api.http.auth import BucketsRead, BucketsWrite
from bucket_api.http.paging import cursor
from bucket_api.http.schemas.schedules import (
    OccurrenceAnswer,
    OccurrencesAnswer,
    ScheduleAnswer,
    ScheduleBody,
    ScheduleChanges,
    Schedules,
    Suspensions,
    occurrence_answer,
    occurrences_answer,
    schedule_answer,
    suspension_answer,
)
from bucket_api.http.services import App, PageSize, PageToken, Services
from bucket_api.refusal import Refusal, not_found
from bucket_api.schedules.schedule import Schedule
from bucket_api.scope import TenantScope

router = APIRouter(prefix="/v1/schedules", tags=["schedules"])


def _if_match(if_match: Annotated[str | None, Header(max_length=64)] = None) -> int:
    """The version that the caller has seen."""
    if if_match is None:
        raise Refusal("precondition_required")
    text = if_match.strip().strip('"')
    if not text.isdecimal():
        raise Refusal("version_conflict")
    return int(text)


Version = Annotated[int, Depends(_if_match)]
OptionalKey = Annotated[str | None, Header(alias="idempotency-key", min_length=1, max_length=255, pattern="^[!-~]+$")]


@router.post("", status_code=201)
async def create_schedule(
    caller: BucketsWrite, app: App, body: ScheduleBody, response: Response, key: OptionalKey = None
) -> ScheduleAnswer:
    """Make a schedule. Its next start is told at once and does not change by itself."""
    made = await app.schedules.create(caller.tenant, body.draft(), by=caller.subject, by_name=caller.name, key=key)
    response.headers["location"] = f"/v1/schedules/{made.id}"
    return await _told(app, caller.tenant, made, response)


@router.get("")
async def list_schedules(
    caller: BucketsRead, app: App, page_size: PageSize = 50, page_token: PageToken = None
) -> Schedules:
    """All schedules of the firm."""
    at = cursor(caller.tenant, "/v1/schedules", {}, page_token, app.now())
    found, total, more = await app.stores.schedules.page(caller.tenant, at.position.after, page_size)
    suspended = await app.stores.streaks.counts(caller.tenant, [one.id for one in found])
    items = [schedule_answer(one, suspended.get(one.id, 0)) for one in found]
    token = at.next_after([{"_id": one.id} for one in found], more=more)
    return Schedules(items=items, total_size=total, next_page_token=token)


@router.get("/{schedule_id}")
async def get_schedule(caller: BucketsRead, app: App, schedule_id: str, response: Response) -> ScheduleAnswer:
    """One schedule."""
    return await _told(app, caller.tenant, await app.schedules.get(caller.tenant, schedule_id), response)


@router.patch("/{schedule_id}")
async def change_schedule(
    caller: BucketsWrite, app: App, schedule_id: str, seen: Version, body: ScheduleChanges, response: Response
) -> ScheduleAnswer:
    """Change it. Another rule, zone or window counts from now on; enabling again catches up as `missed` says."""
    changed = await app.schedules.change(caller.tenant, schedule_id, seen, body.values())
    return await _told(app, caller.tenant, changed, response)


@router.delete("/{schedule_id}", status_code=204)
async def delete_schedule(caller: BucketsWrite, app: App, schedule_id: str, seen: Version) -> None:
    """Delete it. Buckets that it started stay."""
    await app.schedules.delete(caller.tenant, schedule_id, seen)


@router.get("/{schedule_id}/occurrences")
async def list_occurrences(caller: BucketsRead, app: App, schedule_id: str) -> OccurrencesAnswer:
    """What became of past slots, newest first, and the next ten."""
    schedule = await app.schedules.get(caller.tenant, schedule_id)
    return occurrences_answer(schedule, await app.schedules.next(caller.tenant, schedule))


@router.post("/{schedule_id}/run", status_code=202)
async def run_schedule(
    caller: BucketsWrite, app: App, schedule_id: str, response: Response, key: OptionalKey = None
) -> OccurrenceAnswer:
    """Start it now. While its bucket runs, what `overlap` says."""
    done, replayed = await app.start_by_hand.start(
        caller.tenant, schedule_id, key=key, by=caller.subject, by_name=caller.name
    )
    response.headers.update({"idempotent-replayed": "true"} if replayed else {})
    return occurrence_answer(done)


@router.get("/{schedule_id}/suspensions")
async def list_suspensions(
    caller: BucketsRead, app: App, schedule_id: str, page_size: PageSize = 50, page_token: PageToken = None
) -> Suspensions:
    """Clients and modules that fail in a row: warned of, or left out."""
    await app.schedules.get(caller.tenant, schedule_id)
    at = cursor(caller.tenant, f"/v1/schedules/{schedule_id}/suspensions", {}, page_token, app.now())
    found, total, more = await app.stores.streaks.shown(caller.tenant, schedule_id, at.position.after, page_size)
    items = [suspension_answer(document) for document in found]
    return Suspensions(items=items, total_size=total, next_page_token=at.next_after(found, more=more))


@router.delete("/{schedule_id}/suspensions/{client_id}", status_code=204)
async def end_suspension(
    caller: BucketsWrite,
    app: App,
    schedule_id: str,
    client_id: str,
    module: Annotated[str | None, Query(max_length=40)] = None,
) -> None:
    """Re-arm a client, for one module or all: it takes part again from the next start on."""
    await app.schedules.get(caller.tenant, schedule_id)
    if not await app.stores.streaks.release(caller.tenant, schedule_id, client_id, module):
        raise not_found()


async def _told(app: Services, tenant: TenantScope, schedule: Schedule, response: Response) -> ScheduleAnswer:
    suspended = await app.stores.streaks.counts(tenant, [schedule.id])
    response.headers["etag"] = f'"{schedule.etag}"'
    return schedule_answer(schedule, suspended.get(schedule.id, 0))
