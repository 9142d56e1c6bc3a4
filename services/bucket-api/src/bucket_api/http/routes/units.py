"""Inside a bucket: units, gaps, failure groups, cells, the completion statement."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from msgspec.structs import replace
from sync_contracts.reasons import State

from bucket_api.buckets.listing import Listed, UnitPage
from bucket_api.buckets.units import Placed, UnitFilter, address, layout_of
from bucket_api.http.auth import BucketsRead
from bucket_api.http.paging import Cursor, cursor
from bucket_api.http.routes.buckets import detailed_bucket
from bucket_api.http.schemas.snapshots import CELLS_TYPE, SnapshotAnswer, header_of, snapshot_answer, snapshot_bytes
from bucket_api.http.schemas.statements import StatementAnswer, statement_answer
from bucket_api.http.schemas.units import (
    Attempts,
    Gaps,
    Groups,
    UnitAnswer,
    Units,
    attempt_answer,
    group_answer,
    unit_answer,
    with_dataset,
)
from bucket_api.http.services import App, PageSize, PageToken, Services
from bucket_api.http.tokens import Caller
from bucket_api.refusal import Refusal, not_found
from bucket_api.scope import TenantScope

router = APIRouter(prefix="/v1/buckets/{bucket_id}", tags=["units"])

Names = Annotated[list[Annotated[str, Query(max_length=64)]], Query(max_length=500)]


def _wanted(
    state: Annotated[list[State], Query()] = [],
    outcome: Annotated[list[Literal["changed", "unchanged", "empty"]], Query()] = [],
    reason: Names = [],
    owner: Annotated[list[Literal["taxpayer", "firm", "portal", "us", "none"]], Query()] = [],
    module: Names = [],
    client_id: Names = [],
) -> UnitFilter:
    """A repeated parameter means OR, different ones AND."""
    return UnitFilter(
        state=tuple(state),
        outcome=tuple(outcome),
        reason=tuple(reason),
        owner=tuple(owner),
        module=tuple(module),
        client_id=tuple(client_id),
    )


Wanted = Annotated[UnitFilter, Depends(_wanted)]


@router.get("/units")
async def list_units(
    caller: BucketsRead,
    app: App,
    bucket_id: str,
    wanted: Wanted,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Units:
    """Units in plan order, each exactly once for the version of the first page, whatever changes meanwhile."""
    bucket = await detailed_bucket(app, caller.tenant, bucket_id)
    at = _cursor(caller, app, f"{bucket_id}/units", wanted, page_token)
    page = await unit_page(app, caller.tenant, bucket, wanted, at, page_size)
    return Units(**await _told(app, caller.tenant, bucket, page, at))


@router.get("/gaps")
async def list_gaps(
    caller: BucketsRead,
    app: App,
    bucket_id: str,
    wanted: Wanted,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Gaps:
    """Units that are missing in what was asked for; as many as the counter `gaps` says."""
    bucket = await detailed_bucket(app, caller.tenant, bucket_id)
    gaps = replace(wanted, gaps_only=True)
    at = _cursor(caller, app, f"{bucket_id}/gaps", gaps, page_token)
    page = await unit_page(app, caller.tenant, bucket, gaps, at, page_size)
    return Gaps(**await _told(app, caller.tenant, bucket, page, at), summary_by_owner=dict(page.owners))


@router.get("/units/{unit_id}")
async def get_unit(caller: BucketsRead, app: App, bucket_id: str, unit_id: str) -> UnitAnswer:
    """One unit with what is stored of its data."""
    bucket = await detailed_bucket(app, caller.tenant, bucket_id)
    place = address(unit_id)
    placed = await app.units.one(caller.tenant, bucket, *place) if place else None
    if placed is None:
        raise not_found()
    clients = await app.clients.names(caller.tenant, [placed.client])
    answer = unit_answer(bucket, layout_of(bucket), Listed(placed, placed.cell), clients.get(placed.client))
    stored = await app.statements.datasets(caller.tenant, layout_of(bucket), [placed])
    return with_dataset(answer, stored.get((placed.client, placed.column)))


@router.get("/units/{unit_id}/attempts")
async def list_attempts(caller: BucketsRead, app: App, bucket_id: str, unit_id: str) -> Attempts:
    """The attempts of a unit, as evidence."""
    bucket = await detailed_bucket(app, caller.tenant, bucket_id)
    place = address(unit_id)
    if place is None or await app.units.one(caller.tenant, bucket, *place) is None:
        raise not_found()
    page, ci = layout_of(bucket).page_of(place[0])
    found = await app.attempts.of(caller.tenant, bucket_id, page, ci, place[1])
    return Attempts(items=[attempt_answer(attempt) for attempt in found])


@router.get("/groups")
async def list_groups(caller: BucketsRead, app: App, bucket_id: str) -> Groups:
    """What did not succeed, by reason, largest first."""
    bucket = await detailed_bucket(app, caller.tenant, bucket_id)
    return Groups(items=[group_answer(group) for group in await app.units.groups(caller.tenant, bucket)])


@router.get("/snapshot", response_model=SnapshotAnswer, responses={200: {"content": {CELLS_TYPE: {}}}})
async def get_snapshot(caller: BucketsRead, app: App, bucket_id: str, request: Request) -> SnapshotAnswer | Response:
    """All cells of one version, one byte a unit; binary for `Accept: application/vnd.sync-bucket.cells`."""
    bucket = await detailed_bucket(app, caller.tenant, bucket_id)
    snapshot = await app.units.snapshot(caller.tenant, bucket)
    header = header_of(bucket, snapshot, int(app.now().timestamp() * 1000))
    if CELLS_TYPE in request.headers.get("accept", ""):
        return Response(snapshot_bytes(header, snapshot.cells), media_type=CELLS_TYPE)
    return snapshot_answer(header, snapshot.cells)


@router.get("/statement")
async def get_statement(caller: BucketsRead, app: App, bucket_id: str) -> StatementAnswer:
    """The completion statement, recounted from storage. 409 while the bucket runs."""
    bucket = await detailed_bucket(app, caller.tenant, bucket_id)
    if bucket["status"] == "RUNNING" or not bucket["results"]:
        raise Refusal("bucket_running", "The statement is made when the bucket has ended.")
    return statement_answer(bucket, await app.statements.of(caller.tenant, bucket))


def _cursor(caller: Caller, app: Services, route: str, wanted: UnitFilter, token: str | None) -> Cursor:
    filters = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
    return cursor(caller.tenant, f"/v1/buckets/{route}", filters, token, app.now())


async def unit_page(
    app: Services,
    tenant: TenantScope,
    bucket: dict[str, Any],
    wanted: UnitFilter,
    at: Cursor,
    size: int,
    *,
    also: Callable[[Placed], bool] = lambda _: True,
) -> UnitPage:
    """The page of a list of units at which the cursor stands; `also` narrows the list when it is made."""
    if at.position.list_id is None:
        return await app.units.first(tenant, bucket, wanted, size, also)
    return await app.units.further(tenant, bucket, at.position.list_id, at.position.offset, size)


async def names_of(app: Services, tenant: TenantScope, page: UnitPage) -> dict[str, dict[str, Any]]:
    """The clients of a page's units, by id."""
    return await app.clients.names(tenant, list({listed.placed.client for listed in page.items}))


async def _told(
    app: Services, tenant: TenantScope, bucket: dict[str, Any], page: UnitPage, at: Cursor
) -> dict[str, Any]:
    """Members of a list answer."""
    layout = layout_of(bucket)
    clients = await names_of(app, tenant, page)
    return {
        "items": [unit_answer(bucket, layout, listed, clients.get(listed.placed.client)) for listed in page.items],
        "next_page_token": at.next_at(page.next_offset, page.list_id),
        "total_size": page.total,
        "version": page.version,
    }
