"""Lines to portals: how they stand, when they were closed, and what an operator changes."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime

from bucket_api.http.auth import UpstreamsAdmin, UpstreamsRead
from bucket_api.http.schemas.upstreams import (
    LimitBody,
    Outages,
    Upstream,
    Upstreams,
    Window,
    WindowBody,
    Windows,
    outage_answer,
    upstream_answer,
    windows_of,
)
from bucket_api.http.services import App, Services
from bucket_api.refusal import not_found
from bucket_api.scope import TenantScope
from bucket_api.upstreams.standing import line_standing
from bucket_api.upstreams.windows import accepted

router = APIRouter(prefix="/v1", tags=["upstreams"])


@router.get("/upstreams")
async def list_upstreams(caller: UpstreamsRead, app: App) -> Upstreams:
    """All lines, with this firm's part of them. Other firms are only counted."""
    shares, now = await app.upstreams.shares(caller.tenant, app.now()), app.now()
    lines = [line_standing(document, now) for document in await app.upstreams.lines()]
    reports = await app.upstreams.reports(now)
    return Upstreams(items=[upstream_answer(line, shares.get(line.id), reports.get(line.id)) for line in lines])


@router.get("/upstreams/{line_id}")
async def get_upstream(caller: UpstreamsRead, app: App, line_id: str) -> Upstream:
    """One line."""
    return await _told(app, caller.tenant, line_id)


@router.patch("/upstreams/{line_id}")
async def set_limit(caller: UpstreamsAdmin, app: App, line_id: str, body: LimitBody) -> Upstream:
    """Change how often the portal may be asked. Every worker obeys with its next permit."""
    family = None if body.family is None else body.family.value
    if not await app.upstreams.set_limit(line_id, family, body.limit_per_s, by=caller.subject):
        raise not_found()
    return await _told(app, caller.tenant, line_id)


@router.get("/upstreams/{line_id}/history")
async def history(
    _: UpstreamsRead,
    app: App,
    line_id: str,
    *,
    start: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    end: Annotated[AwareDatetime | None, Query(alias="to")] = None,
) -> Outages:
    """When calls were stopped, and why: the newest 500 of the last year."""
    if await app.upstreams.line(line_id) is None:
        raise not_found()
    return Outages(items=[outage_answer(outage) for outage in await app.upstreams.outages(line_id, start, end)])


@router.get("/maintenance-windows")
async def list_windows(_: UpstreamsRead, app: App) -> Windows:
    """Maintenance windows in force and to come."""
    lines, now = await app.upstreams.lines(), app.now()
    return Windows(items=[window for line in lines for window in windows_of(line, now)])


@router.post("/maintenance-windows", status_code=201)
async def add_window(caller: UpstreamsAdmin, app: App, body: WindowBody) -> Window:
    """Leave a line alone for a while: units wait for its end, no attempt is spent."""
    window, now = body.window(f"mw_{uuid4().hex}", caller.subject), app.now()
    accepted(window.start, window.end, now)
    if not await app.upstreams.add_window(window, now):
        raise not_found()
    return Window(
        id=window.id,
        line_id=window.line_id,
        family=window.family,
        start=window.start,
        end=window.end,
        note=window.note,
    )


@router.delete("/maintenance-windows/{window_id}", status_code=204)
async def remove_window(_: UpstreamsAdmin, app: App, window_id: str) -> Response:
    """Take a window back; one in force ends now."""
    if not await app.upstreams.remove_window(window_id):
        raise not_found()
    return Response(status_code=204)


async def _told(app: Services, tenant: TenantScope, line_id: str) -> Upstream:
    document, now = await app.upstreams.line(line_id), app.now()
    if document is None:
        raise not_found()
    shares, reports = await app.upstreams.shares(tenant, now), await app.upstreams.reports(now)
    return upstream_answer(line_standing(document, now), shares.get(line_id), reports.get(line_id))
