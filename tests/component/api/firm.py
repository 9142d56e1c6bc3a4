"""A tenant's clients, put into the store directly: the tests of buckets need many of them quickly."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import httpx
from bucket_api.clients.drafts import Draft, new_client
from bucket_api.clients.identifiers import Gstin, gstin
from sync_runtime.mongo import Database

from tests.support.gstins import fictitious_gstin

AT = datetime(2026, 11, 1, tzinfo=UTC)
ONLY_2B = {"selection": {"all": True}, "presets": ["only_2b"]}


def client_document(tenant: str, number: int, **values: Any) -> dict[str, Any]:
    known = gstin(fictitious_gstin(number))
    assert isinstance(known, Gstin)
    given = {"name": f"Client {number:05d}", "filing_frequency": "monthly", "tags": [], **values}
    made = new_client(f"c_{tenant[2:]}_{number}", tenant, Draft(known, given, None), AT)
    return {**made, "tags": given["tags"]}


def credential_document(tenant: str, client: str, version: int = 1) -> dict[str, Any]:
    return {
        "_id": f"{tenant}:{client}:gst_portal_user",
        "tenant_id": tenant,
        "client": client,
        "kind": "gst_portal_user",
        "username_enc": b"x",
        "cred_ver": version,
        "key_version": 1,
        "changed_at": AT,
        "changed_by": "us_x",
    }


async def add_clients(database: Database, documents: Iterable[dict[str, Any]], *, access: bool = True) -> None:
    """Store clients, with a portal user each unless said otherwise."""
    found = list(documents)
    await database["clients"].insert_many(found)
    if access:
        await database["credentials"].insert_many(credential_document(d["tenant_id"], d["_id"]) for d in found)


async def firm_of(database: Database, size: int, tenant: str = "t_one", **values: Any) -> None:
    await add_clients(database, (client_document(tenant, n, **values) for n in range(1, size + 1)))


async def start(http: httpx.AsyncClient, body: dict[str, Any], key: str = "k1") -> httpx.Response:
    return await http.post("/v1/buckets", json=body, headers={"idempotency-key": key})


async def started(http: httpx.AsyncClient, body: dict[str, Any], key: str = "k1") -> dict[str, Any]:
    answer = await start(http, body, key)
    assert answer.status_code == 202, answer.text
    bucket: dict[str, Any] = answer.json()
    return bucket
