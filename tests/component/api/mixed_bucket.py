"""A bucket with a unit in nearly every state, and the same when it has ended."""

from typing import Any

import httpx

from tests.component.api.conftest import Api
from tests.component.api.firm import firm_of, started
from tests.support import played_aggregator as aggregator
from tests.support.played_aggregator import failed, retry, succeeded

BOTH = {"selection": {"all": True}, "presets": ["only_2b", "notice_return_register"]}
MIXED = {
    (0, 0): succeeded(rows=3),
    (0, 1): succeeded(code="UNCHANGED", rows=7),
    (0, 2): succeeded(code="NOT_YET", rows=None),
    (1, 0): succeeded(code="EMPTY", rows=0),
    (1, 1): failed("OTP_REQUIRED"),
    (1, 2): failed("TOTALS_MISMATCH", pcode="RET13505"),
    (2, 0): retry("RATE_LIMITED", counted=False),
    (2, 1): retry("PORTAL_ERROR", counted=True),
}


async def mixed(http: httpx.AsyncClient, api: Api) -> str:
    """A bucket of three clients with a unit in nearly every state."""
    await firm_of(api.database, 3)
    bucket = await started(http, BOTH)
    await aggregator.apply(api.database, bucket["id"], MIXED)
    identity: str = bucket["id"]
    return identity


async def ended(http: httpx.AsyncClient, api: Api) -> str:
    bucket = await mixed(http, api)
    await aggregator.everywhere(api.database, bucket, succeeded(attempt=2))
    await aggregator.complete(api.database, bucket)
    return bucket


async def units_of(http: httpx.AsyncClient, bucket: str, **params: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await http.get(f"/v1/buckets/{bucket}/units", params=params)).json()["items"]
    return items
