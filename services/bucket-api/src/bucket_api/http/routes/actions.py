"""Acts on a bucket: retry what did not succeed, cancel, pause, resume; and what came of them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sync_contracts.lines import DEFAULT_LINE

from bucket_api.buckets.actions import Action, actions_of, by_id
from bucket_api.buckets.choosing import RetryFilter
from bucket_api.buckets.controlling import Controlled
from bucket_api.buckets.counters import from_views
from bucket_api.buckets.effects import Tallies, effect_of, taken_by
from bucket_api.buckets.left_units import why_left
from bucket_api.buckets.retrying import Ask
from bucket_api.buckets.units import Placed, UnitFilter, layout_of
from bucket_api.clients.filters import ClientFilter
from bucket_api.http.auth import BucketsRead, BucketsWrite
from bucket_api.http.paging import cursor
from bucket_api.http.routes.buckets import detailed_bucket, found_bucket
from bucket_api.http.routes.units import names_of, unit_page
from bucket_api.http.schemas.actions import (
    ActionAnswer,
    ActionBody,
    Actions,
    Results,
    choice_answer,
    control_answer,
    result_answer,
    retry_answer,
)
from bucket_api.http.services import App, Key, PageSize, PageToken, Services
from bucket_api.http.tokens import Caller
from bucket_api.refusal import Refusal, not_found
from bucket_api.scope import TenantScope
from bucket_api.upstreams.durations import CallTime, call_time

router = APIRouter(prefix="/v1/buckets/{bucket_id}/actions", tags=["actions"])


@router.post(
    "",
    status_code=202,
    responses={200: {"model": ActionAnswer, "description": "What it would do, of a `dry_run`; nothing was to be done"}},
)
async def act(
    caller: BucketsWrite,
    app: App,
    bucket_id: str,
    body: ActionBody,
    key: Key,
    response: Response,
    *,
    dry_run: Annotated[bool, Query()] = False,
) -> ActionAnswer:
    """Retry, cancel, pause or resume. With `dry_run` it is only told what would happen to how many units.

    `cancel` needs the scope `buckets:cancel` too, unless the caller has started the bucket.
    """
    bucket = await found_bucket(app, caller.tenant, bucket_id)
    _permit(caller, bucket, body)
    body.refuse_misfit()
    if dry_run:
        response.status_code = 200
        return await _previewed(app, caller.tenant, bucket, body)
    answer, replayed = await _acted(app, caller, bucket_id, body, key)
    if answer.id is None:
        response.status_code = 200
    else:
        response.headers["location"] = f"/v1/buckets/{bucket_id}/actions/{answer.id}"
    response.headers.update({"idempotent-replayed": "true"} if replayed else {})
    return answer


@router.get("")
async def list_actions(
    caller: BucketsRead, app: App, bucket_id: str, page_size: PageSize = 50, page_token: PageToken = None
) -> Actions:
    """Every retry and the newest fifty of the others, newest first."""
    bucket = await found_bucket(app, caller.tenant, bucket_id)
    at = cursor(caller.tenant, f"/v1/buckets/{bucket_id}/actions", {}, page_token, app.now())
    found = actions_of(bucket)
    page = found[at.position.offset : at.position.offset + page_size]
    end = at.position.offset + len(page)
    items = await _told(app, caller.tenant, bucket, page)
    token = at.next_at(end if end < len(found) else None, None)
    return Actions(items=items, total_size=len(found), next_page_token=token)


@router.get("/{action_id}")
async def get_action(caller: BucketsRead, app: App, bucket_id: str, action_id: str) -> ActionAnswer:
    """An action with its effect so far."""
    bucket = await found_bucket(app, caller.tenant, bucket_id)
    return (await _told(app, caller.tenant, bucket, [_known(bucket, action_id)]))[0]


@router.get("/{action_id}/results")
async def list_results(
    caller: BucketsRead,
    app: App,
    bucket_id: str,
    action_id: str,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Results:
    """Units that the action took up or left, each exactly once for the version of the first page."""
    bucket = await detailed_bucket(app, caller.tenant, bucket_id)
    action, layout = _known(bucket, action_id), layout_of(bucket)
    at = cursor(caller.tenant, f"/v1/buckets/{bucket_id}/actions/{action_id}", {}, page_token, app.now())
    taken, left = taken_by(action, layout), await app.left_units.of(caller.tenant, action_id)

    def meant(unit: Placed) -> bool:
        return taken(unit) or why_left(unit, layout, left) is not None

    page = await unit_page(app, caller.tenant, bucket, UnitFilter(), at, page_size, also=meant)
    names = await names_of(app, caller.tenant, page)
    return Results(
        items=[result_answer(layout, listed, names.get(listed.placed.client), left) for listed in page.items],
        next_page_token=at.next_at(page.next_offset, page.list_id),
        total_size=page.total,
        version=page.version,
    )


def _known(bucket: dict[str, Any], action_id: str) -> Action:
    """Raises `not_found`."""
    action = by_id(bucket, action_id)
    if action is None:
        raise not_found()
    return action


def _permit(caller: Caller, bucket: dict[str, Any], body: ActionBody) -> None:
    mine = bucket["created_by"] == caller.subject
    if body.kind == "cancel" and "buckets:cancel" not in caller.scopes and not mine:
        raise Refusal("forbidden", "The scope buckets:cancel is needed.", required_scope="buckets:cancel")


async def _previewed(app: Services, tenant: TenantScope, bucket: dict[str, Any], body: ActionBody) -> ActionAnswer:
    if body.kind == "retry":
        choice = await app.retrying.preview(tenant, bucket["_id"], await _ask(app, tenant, body))
        return choice_answer(choice, await _call_time(app, tenant, bucket, choice.calls))
    return control_answer(body.kind, await app.controlling.preview(tenant, bucket["_id"], body.kind), dry_run=True)


async def _call_time(app: Services, tenant: TenantScope, bucket: dict[str, Any], calls: int) -> CallTime:
    line, now = bucket.get("line_id", DEFAULT_LINE), app.now()
    shares = await app.upstreams.shares(tenant, now)
    return call_time(calls, await app.upstreams.line(line), shares.get(line), now)


async def _acted(
    app: Services, caller: Caller, bucket_id: str, body: ActionBody, key: str
) -> tuple[ActionAnswer, bool]:
    """The answer, and whether an earlier request with the same key has made the action."""
    if body.kind == "retry":
        ask = await _ask(app, caller.tenant, body)
        done = await app.retrying.retry(caller.tenant, bucket_id, ask, key=key, by=caller.subject)
        (answer,) = await _told(app, caller.tenant, done.bucket, [done.action])
        return answer, done.choice is None
    controlled = await app.controlling.act(
        caller.tenant, bucket_id, body.kind, key=key, by=caller.subject, reason=body.note
    )
    return control_answer(body.kind, controlled), controlled.replayed


async def _ask(app: Services, tenant: TenantScope, body: ActionBody) -> Ask:
    """The retry that is asked for. Raises `filter_required`."""
    wanted = body.filter
    asked = wanted.model_dump(mode="json", exclude_defaults=True) if wanted else {}
    if not body.all and not asked:
        raise Refusal("filter_required", "Give a filter, or all: true for every unit that is missing.")
    return Ask(
        body=body.model_dump(mode="json", exclude_unset=True),
        asked={"all": True} if body.all else asked,
        wanted=await _filter(app, tenant, body),
        preview=body.preview,
        note=body.note,
        force=body.force,
    )


async def _filter(app: Services, tenant: TenantScope, body: ActionBody) -> RetryFilter:
    wanted = body.filter
    if wanted is None:
        return RetryFilter(UnitFilter(gaps_only=True))
    by_client = ClientFilter(q=wanted.q, tag=tuple(wanted.tags))
    return RetryFilter(
        units=UnitFilter(
            state=tuple(wanted.states),
            reason=tuple(wanted.reasons),
            owner=tuple(wanted.owners),
            module=tuple(wanted.modules),
            client_id=tuple(wanted.client_ids),
        ),
        columns=frozenset(wanted.columns),
        unit_ids=frozenset(wanted.unit_ids),
        clients=await app.clients.ids(tenant, by_client) if wanted.tags or wanted.q else None,
        q=wanted.q,
    )


async def _told(
    app: Services, tenant: TenantScope, bucket: dict[str, Any], actions: list[Action]
) -> list[ActionAnswer]:
    """Actions with their effects, by one reading of the pages for all of them."""
    tallies = Tallies()
    if any(action.kind == "retry" for action in actions):
        async for page in app.buckets.pages(tenant, bucket["_id"]):
            tallies.add(page)
    views = await app.buckets.views(tenant, bucket["_id"])
    reading = from_views(views, int(app.now().timestamp() * 1000))
    return [
        retry_answer(action, effect_of(action, bucket, tallies), reading.version)
        if action.kind == "retry"
        else control_answer(action.kind, Controlled(bucket, action, reading))
        for action in actions
    ]
