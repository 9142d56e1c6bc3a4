"""Runs of a bucket: what each came to, unchanged by those after it."""

from typing import Annotated

from fastapi import APIRouter, Path

from bucket_api.buckets.counters import current
from bucket_api.buckets.runs import runs_of
from bucket_api.http.auth import BucketsRead
from bucket_api.http.paging import cursor
from bucket_api.http.routes.buckets import found_bucket
from bucket_api.http.schemas.runs import RunDetail, Runs, run_detail
from bucket_api.http.services import App, PageSize, PageToken
from bucket_api.refusal import not_found

router = APIRouter(prefix="/v1/buckets/{bucket_id}/runs", tags=["buckets"])


@router.get("")
async def list_runs(
    caller: BucketsRead, app: App, bucket_id: str, page_size: PageSize = 50, page_token: PageToken = None
) -> Runs:
    """Runs, oldest first."""
    bucket = await found_bucket(app, caller.tenant, bucket_id)
    at = cursor(caller.tenant, f"/v1/buckets/{bucket_id}/runs", {}, page_token, app.now())
    found = runs_of(bucket)
    end = at.position.offset + page_size
    items = [run_detail(run, bucket, current(bucket)) for run in found[at.position.offset : end]]
    token = at.next_at(end if end < len(found) else None, None)
    return Runs(items=items, total_size=len(found), next_page_token=token)


@router.get("/{run}")
async def get_run(caller: BucketsRead, app: App, bucket_id: str, run: Annotated[int, Path(ge=1, le=500)]) -> RunDetail:
    """One run by its number."""
    bucket = await found_bucket(app, caller.tenant, bucket_id)
    found = next((known for known in runs_of(bucket) if known.number == run), None)
    if found is None:
        raise not_found()
    return run_detail(found, bucket, current(bucket))
