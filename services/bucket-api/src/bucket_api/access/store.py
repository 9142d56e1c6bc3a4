"""Portal users on file, sessions as the worker keeps them, and OTP requests."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError
from sync_contracts import collections
from sync_contracts.credentials import GST_PORTAL_USER, credential_id
from sync_contracts.documents import OtpRequestDocument

from bucket_api.scope import TenantScope

OPEN: Final = ("requested", "sent", "rejected")
OTP_IDS: Final = {"$gte": "otp_", "$lt": "otp`"}
"""Ids of OTP requests; log-outs lie beside them with another prefix."""
USERNAME_FIELD: Final = "username_enc"
BATCH: Final = 2_000


class AccessStore:
    """`credentials`, `portal_sessions` (read only) and `otp_requests`."""

    def __init__(self, database: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
        self._credentials = database[collections.CREDENTIALS.name]
        self._sessions = database[collections.PORTAL_SESSIONS.name]
        self._requests = database[collections.OTP_REQUESTS.name]

    async def put_credentials(
        self,
        tenant: TenantScope,
        usernames: Iterable[tuple[str, bytes]],
        *,
        key_version: int,
        now: datetime,
        by: str,
        replace: bool,
    ) -> None:
        """Put portal users on file, `(client id, encrypted name)`; without `replace` one that is there stays.

        `cred_ver` is the time of the change in ms: it grows with each one, also over a removal in between,
        and thereby releases the log-in guard.
        """
        writes = [
            UpdateOne(
                tenant.only({"_id": credential_id(tenant.tenant_id, client_id)}),
                {
                    "$set" if replace else "$setOnInsert": {
                        "client": client_id,
                        "kind": GST_PORTAL_USER,
                        USERNAME_FIELD: sealed,
                        "key_version": key_version,
                        "changed_at": now,
                        "changed_by": by,
                        "cred_ver": int(now.timestamp() * 1000),
                    }
                },
                upsert=True,
            )
            for client_id, sealed in usernames
        ]
        for start in range(0, len(writes), BATCH):
            await self._credentials.bulk_write(writes[start : start + BATCH], ordered=False)

    async def remove_credential(self, tenant: TenantScope, client_id: str) -> bool:
        """Take the portal user from file; False when none was there."""
        result = await self._credentials.delete_one(tenant.only({"_id": credential_id(tenant.tenant_id, client_id)}))
        return result.deleted_count == 1

    async def guards(self, tenant: TenantScope) -> dict[str, Mapping[str, Any]]:
        """Refused log-ins by client id, for clients that have any."""
        prefix = f"{tenant.tenant_id}:"
        wanted = {"_id": {"$gte": prefix, "$lt": f"{tenant.tenant_id};"}, "guard": {"$exists": True}}
        found = await self._sessions.find(wanted, {"guard": 1}).to_list(None)
        return {document["_id"].removeprefix(prefix): document["guard"] for document in found}

    async def versions(self, tenant: TenantScope) -> dict[str, int]:
        """Version of the portal user on file by client id, for clients that have one."""
        found = self._credentials.find(tenant.only(), {"_id": 0, "client": 1, "cred_ver": 1})
        return {document["client"]: document["cred_ver"] for document in await found.to_list(None)}

    async def sessions(self, tenant: TenantScope, clients: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Portal sessions by client id, without their tokens."""
        prefix = f"{tenant.tenant_id}:"
        wanted = {"_id": {"$in": [f"{prefix}{client}" for client in clients]}}
        found = await self._sessions.find(wanted, {"token_enc": 0}).to_list(None)
        return {document["_id"].removeprefix(prefix): document for document in found}

    async def versions_of(self, tenant: TenantScope, clients: Sequence[str]) -> dict[str, int]:
        """`versions` of some clients."""
        ids = [credential_id(tenant.tenant_id, client) for client in clients]
        found = self._credentials.find(tenant.only({"_id": {"$in": ids}}), {"client": 1, "cred_ver": 1})
        return {document["client"]: document["cred_ver"] for document in await found.to_list(None)}

    async def changed_at(self, tenant: TenantScope, clients: Sequence[str]) -> dict[str, datetime]:
        """When the portal user on file was changed, by client id."""
        ids = [credential_id(tenant.tenant_id, client) for client in clients]
        found = self._credentials.find(tenant.only({"_id": {"$in": ids}}), {"client": 1, "changed_at": 1})
        return {document["client"]: document["changed_at"] for document in await found.to_list(None)}

    async def mend(self, tenant: TenantScope, client: str, reason: str, by: str, now: datetime) -> bool:
        """Note that a person has mended what the portal refused; False without a portal user on file."""
        wanted = tenant.only({"_id": credential_id(tenant.tenant_id, client)})
        change = {"$set": {"mended": {"reason": reason, "at": now, "by": by}}}
        return (await self._credentials.update_one(wanted, change)).matched_count == 1

    async def mended(self, tenant: TenantScope, clients: Sequence[str]) -> dict[str, tuple[str, datetime]]:
        """What was mended last, and when, by client id."""
        ids = [credential_id(tenant.tenant_id, client) for client in clients]
        wanted = tenant.only({"_id": {"$in": ids}, "mended": {"$exists": True}})
        found = self._credentials.find(wanted, {"client": 1, "mended": 1})
        return {d["client"]: (d["mended"]["reason"], d["mended"]["at"]) for d in await found.to_list(None)}

    async def logged_in_at(self, tenant: TenantScope, clients: Sequence[str]) -> dict[str, datetime]:
        """When the newest accepted one-time password was asked for, by client id; a week back."""
        wanted = tenant.only({"client": {"$in": list(clients)}, "_id": OTP_IDS, "state": "accepted"})
        newest = {"$group": {"_id": "$client", "at": {"$max": "$created_at"}}}
        found = await self._requests.aggregate([{"$match": wanted}, newest]).to_list(None)
        return {document["_id"]: document["at"] for document in found}

    async def open_requests(self, tenant: TenantScope, clients: Sequence[str], now: datetime) -> dict[str, str]:
        """Ids of the OTP requests that wait for a code, by client id."""
        state = {"state": {"$in": list(OPEN)}, "expires_at": {"$gt": now}}
        wanted = tenant.only({"client": {"$in": list(clients)}, "_id": OTP_IDS, **state})
        found = await self._requests.find(wanted, {"client": 1}).to_list(None)
        return {document["client"]: document["_id"] for document in found}

    async def new_request(self, tenant: TenantScope, request: OtpRequestDocument) -> bool:
        """Store a new request (OTP, check or log-out); False when it exists already."""
        try:
            await self._requests.insert_one(tenant.owned(request))
        except DuplicateKeyError:
            return False
        return True

    async def close_others(self, tenant: TenantScope, client: str, request_id: str) -> None:
        """Close the client's other open requests: a newer one takes their place."""
        older = {"client": client, "state": {"$in": list(OPEN)}, "_id": {"$ne": request_id}}
        await self._requests.update_many(tenant.only(older), {"$set": {"state": "closed"}})

    async def request(self, tenant: TenantScope, request_id: str) -> dict[str, Any] | None:
        """The OTP request, None when this tenant has none of that id."""
        return await self._requests.find_one(tenant.only({"_id": request_id}))

    async def move_request(
        self, tenant: TenantScope, request_id: str, frm: Sequence[str], fields: Mapping[str, Any]
    ) -> None:
        """Set state and other fields of a request that is in one of the states, else nothing."""
        wanted = tenant.only({"_id": request_id, "state": {"$in": list(frm)}})
        await self._requests.update_one(wanted, {"$set": dict(fields)})

    async def submit_request(
        self, tenant: TenantScope, request_id: str, frm: Sequence[str], now: datetime
    ) -> dict[str, Any] | None:
        """Take the request to `submitted` with the next submission number; None when it takes no code any more."""
        wanted = tenant.only({"_id": request_id, "state": {"$in": list(frm)}, "expires_at": {"$gt": now}})
        change = {"$set": {"state": "submitted"}, "$inc": {"submission": 1}}
        return await self._requests.find_one_and_update(wanted, change, return_document=ReturnDocument.AFTER)
