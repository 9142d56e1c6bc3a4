"""Sessions, OTP requests and what an OTP step needs of a client, in MongoDB; majority is set on the client."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, cast

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError
from sync_contracts.collections import CLIENTS, CREDENTIALS, OTP_REQUESTS, PORTAL_SESSIONS
from sync_contracts.documents import OtpRequestDocument, OtpState, PortalSessionDocument

from sync_worker.portal.gsp.identity import credential_id, identity_of
from sync_worker.portal.gsp.otp import Access
from sync_worker.portal.gsp.session import Stored, stored_of

Database = AsyncIOMotorDatabase[dict[str, Any]]

_FIELDS: Final = ("token_enc", "token_exp", "consent_until", "tver", "cred_ref", "guard")


class MongoSessions:
    """`portal_sessions`: the session's fields; the fence belongs to the execution of units."""

    def __init__(self, database: Database) -> None:
        self._sessions = database[PORTAL_SESSIONS.name]

    async def load(self, tenant: str, client: str) -> Stored:
        """The session as stored; an empty one when there is none."""
        found = await self._sessions.find_one({"_id": _id(tenant, client)}, dict.fromkeys(_FIELDS, 1))
        return Stored() if found is None else stored_of(cast("PortalSessionDocument", found))

    async def write(self, tenant: str, client: str, tver: int, fields: Mapping[str, Any]) -> bool:
        """Compare-and-set on `tver`."""
        unchanged = {"_id": _id(tenant, client), "tver": tver or {"$exists": False}}
        written = await self._sessions.update_one(unchanged, _update(tver, fields))
        return written.matched_count == 1

    async def lock(self, tenant: str, client: str, by: str, now: datetime, until: datetime) -> bool:
        """Take a free or ended lock. The upsert collides with a document whose lock is taken: then it is not ours."""
        free = {"$or": [{"lock": {"$exists": False}}, {"lock.until": {"$lte": now}}]}
        change = {"$set": {"lock": {"by": by, "until": until}}, "$setOnInsert": {"fence": 0}}
        try:
            await self._sessions.update_one({"_id": _id(tenant, client), **free}, change, upsert=True)
        except DuplicateKeyError:
            return False
        return True

    async def unlock(self, tenant: str, client: str, by: str) -> None:
        """Give back one's own lock."""
        await self._sessions.update_one({"_id": _id(tenant, client), "lock.by": by}, {"$unset": {"lock": ""}})

    async def write_guard(self, tenant: str, client: str, guard: dict[str, Any]) -> None:
        """Replace the log-in guard."""
        change = {"$set": {"guard": guard}, "$setOnInsert": {"fence": 0}}
        await self._sessions.update_one({"_id": _id(tenant, client)}, change, upsert=True)


class MongoOtpRequests:
    """`otp_requests`: each step is claimed and ended by compare-and-set on its state."""

    def __init__(self, database: Database) -> None:
        self._requests = database[OTP_REQUESTS.name]

    async def move(
        self, tenant: str, request: str, old: OtpState, new: OtpState, fields: dict[str, Any]
    ) -> OtpRequestDocument | None:
        """Change the state; the document after the change, or None when it was in another state."""
        moved = await self._requests.find_one_and_update(
            {"_id": request, "tenant_id": tenant, "state": old},
            {"$set": {"state": new, **fields}},
            return_document=ReturnDocument.AFTER,
        )
        return cast("OtpRequestDocument | None", moved)


class MongoAccess:
    """What an OTP step needs of `clients` and `credentials`."""

    def __init__(self, database: Database) -> None:
        self._clients = database[CLIENTS.name]
        self._credentials = database[CREDENTIALS.name]

    async def find(self, tenant: str, client: str) -> Access | None:
        """None for an unknown client."""
        found = await self._clients.find_one({"_id": client, "tenant_id": tenant}, {"gstin": 1, "line_id": 1})
        if found is None:
            return None
        credential = await self._credentials.find_one({"_id": credential_id(tenant, client), "tenant_id": tenant})
        identity = identity_of(tenant, cast("Any", found), cast("Any", credential))
        return Access(identity, found["line_id"], None if credential is None else credential["username_enc"])


def _id(tenant: str, client: str) -> str:
    return f"{tenant}:{client}"


def _update(tver: int, fields: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in fields.items() if value is not None}
    gone = {name: "" for name, value in fields.items() if value is None}
    return {"$set": {**kept, "tver": tver + 1}, **({"$unset": gone} if gone else {})}
