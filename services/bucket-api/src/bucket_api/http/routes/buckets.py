"""Buckets: start, look, list."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response
from sync_contracts.lines import DEFAULT_LINE

from bucket_api.buckets.counters import Reading, current, from_views
from bucket_api.buckets.creation import Creation, Replayed, Reused, Start, Started
from bucket_api.buckets.outlook import Outlook, outlook
from bucket_api.http.auth import BucketsRead, BucketsWrite
from bucket_api.http.etags import unless_known
from bucket_api.http.paging import cursor
from bucket_api.http.schemas.buckets import BucketAnswer, Buckets, bucket_answer, with_outlook
from bucket_api.http.schemas.kinds import instant, rfc3339
from bucket_api.http.schemas.plans import BucketBody
from bucket_api.http.services import App, Key, PageSize, PageToken, Services, TraceOf
from bucket_api.http.tokens import Caller
from bucket_api.http.trace import Trace
from bucket_api.refusal import Refusal, not_found
from bucket_api.scope import TenantScope

router = APIRouter(prefix="/v1/buckets", tags=["buckets"])

ListStatus = Literal["running", "cancelling", "paused", "complete", "complete_with_gaps", "failed", "cancelled"]
_STORED: Mapping[str, dict[str, Any]] = {
    "running": {"status": "RUNNING", "control": "RUN"},
    "cancelling": {"status": "RUNNING", "control": "CANCEL"},
    "paused": {"status": "RUNNING", "control": "PAUSE"},
    "complete": {"status": "COMPLETED"},
    "complete_with_gaps": {"status": "PARTIAL"},
    "failed": {"status": "FAILED"},
    "cancelled": {"status": "CANCELLED"},
}


@router.post(
    "", status_code=202, responses={200: {"model": BucketAnswer, "description": "A running bucket of the plan"}}
)
async def start_bucket(
    caller: BucketsWrite, app: App, key: Key, trace: TraceOf, body: BucketBody, response: Response
) -> BucketAnswer:
    """Start a sync bucket. Answered only when it is stored durably."""
    creation = await app.creation.start(caller.tenant, _start(caller, key, trace, body))
    response.status_code = 200 if _opened(creation) else 202
    response.headers.update(_creation_headers(creation))
    return bucket_answer(creation.bucket)


@router.get("")
async def list_buckets(
    caller: BucketsRead,
    app: App,
    status: Annotated[list[ListStatus], Query()] = [],
    created_by: Annotated[str | None, Query(max_length=120)] = None,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Buckets:
    """Buckets, newest first. `created_by=me`: only the caller's own."""
    at = cursor(caller.tenant, "/v1/buckets", {"status": status, "by": created_by}, page_token, app.now())
    wanted = _listed(status, caller.subject if created_by == "me" else created_by)
    found, total, more = await app.buckets.page(caller.tenant, wanted, at.position.after, page_size)
    items = [bucket_answer(bucket) for bucket in found]
    return Buckets(items=items, total_size=total, next_page_token=at.next_after(found, more=more))


@router.get("/{bucket_id}", responses={304: {"description": "Not changed since the given ETag"}})
async def get_bucket(
    caller: BucketsRead,
    app: App,
    bucket_id: str,
    response: Response,
    *,
    fresh: bool = False,
    if_none_match: Annotated[str | None, Header(max_length=64)] = None,
) -> BucketAnswer:
    """The bucket. `fresh=true` recounts from the pages instead of the summary, which is at most a second old."""
    bucket = await found_bucket(app, caller.tenant, bucket_id)
    recount = fresh and "pages_purged_at" not in bucket
    reading = from_views(await app.buckets.views(caller.tenant, bucket_id), _ms(app)) if recount else current(bucket)
    response.headers["etag"] = unless_known(if_none_match, f'"{reading.version}.{bucket["rev"]}"')
    return with_outlook(bucket_answer(bucket, reading), await _outlook(app, caller.tenant, bucket, reading))


async def _outlook(app: Services, tenant: TenantScope, bucket: dict[str, Any], reading: Reading) -> Outlook:
    name, now = bucket.get("line_id", DEFAULT_LINE), app.now()
    line = await app.upstreams.line(name) if bucket["status"] == "RUNNING" else None
    share = (await app.upstreams.shares(tenant, now)).get(name) if line else None
    ahead = 0 if reading.totals["s"] else await app.buckets.not_begun_before(tenant, bucket)
    return outlook(bucket, reading, line=line, share=share, ahead=ahead, now_ms=_ms(app))


async def found_bucket(app: Services, tenant: TenantScope, bucket_id: str) -> dict[str, Any]:
    """The bucket of this tenant. Raises `not_found`."""
    bucket = await app.buckets.get(tenant, bucket_id)
    if bucket is None:
        raise not_found()
    return bucket


async def detailed_bucket(app: Services, tenant: TenantScope, bucket_id: str) -> dict[str, Any]:
    """The bucket, while the details of its units are kept. Raises `not_found` or `expired`."""
    bucket = await found_bucket(app, tenant, bucket_id)
    if purged := bucket.get("pages_purged_at"):
        at = rfc3339(instant(purged))
        raise Refusal("expired", "The details of this bucket are no longer kept.", details_purged_at=at)
    return bucket


def _start(caller: Caller, key: str, trace: Trace, body: BucketBody) -> Start:
    return Start(
        key=key,
        body=body.model_dump(mode="json", exclude_unset=True),
        asked=body.asked(),
        selection=body.selection.value(),
        modules=body.chosen_modules(),
        period=body.period.value(),
        options=body.options.model_dump(mode="json"),
        name=body.name,
        note=body.note,
        by=caller.subject,
        by_name=caller.name,
        trace=trace.traceparent,
    )


def _opened(creation: Creation) -> bool:
    """Whether a bucket that another start had made was opened."""
    match creation:
        case Started():
            return False
        case Reused():
            return True
        case Replayed(reused=reused):
            return reused


def _creation_headers(creation: Creation) -> dict[str, str]:
    return {
        "location": f"/v1/buckets/{creation.bucket['_id']}",
        **({"idempotent-replayed": "true"} if isinstance(creation, Replayed) else {}),
        **({"bucket-reused": "true"} if _opened(creation) else {}),
    }


def _listed(status: list[ListStatus], created_by: str | None) -> dict[str, Any]:
    query: dict[str, Any] = {"$or": [_STORED[name] for name in status]} if status else {}
    return {**query, "created_by": created_by} if created_by else query


def _ms(app: Services) -> int:
    return int(app.now().timestamp() * 1000)
