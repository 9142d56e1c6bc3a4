"""Sessions, OTP requests and what an OTP step needs of a client, in MongoDB; majority is set on the client.

Every operation may be repeated until the database answers: an outage is a delay, and when it lasts `StoreUnavailable`.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, cast

from pymongo import ReturnDocument
from sync_contracts.collections import CLIENTS, CREDENTIALS, OTP_REQUESTS, PORTAL_SESSIONS
from sync_contracts.credentials import credential_id
from sync_contracts.documents import OtpRequestDocument, OtpState, PortalSessionDocument
from sync_contracts.sessions import SessionCommand

from sync_worker.durable import Database, until_answered
from sync_worker.portal.gsp import claims
from sync_worker.portal.gsp.claims import Claim, Claimed
from sync_worker.portal.gsp.identity import Access, identity_of
from sync_worker.portal.gsp.session import Stored, stored_of

UNLOCK_DEADLINE_S: Final = 10.0
"""A lock that cannot be given back ends by itself."""
_FIELDS: Final = ("token_enc", "token_exp", "consent_until", "tver", "cred_ref", "guard", "ended")


class MongoSessions:
    """`portal_sessions`: the session's fields; the fence belongs to the execution of units."""

    def __init__(self, database: Database) -> None:
        self._sessions = database[PORTAL_SESSIONS.name]

    async def load(self, tenant: str, client: str) -> Stored:
        """The session as stored; an empty one when there is none."""
        wanted = {"_id": _id(tenant, client)}
        found = await until_answered(lambda: self._sessions.find_one(wanted, dict.fromkeys(_FIELDS, 1)))
        return Stored() if found is None else stored_of(cast("PortalSessionDocument", found))

    async def write(self, tenant: str, client: str, tver: int, fields: Mapping[str, Any]) -> bool:
        """Compare-and-set on `tver`. One that was done although its answer got lost is found done."""
        unchanged = {"_id": _id(tenant, client), "tver": tver or {"$exists": False}}
        written = await until_answered(lambda: self._sessions.update_one(unchanged, _update(tver, fields)))
        if written.matched_count == 1:
            return True
        done = {"_id": _id(tenant, client), "tver": tver + 1, **_as_written(fields)}
        return await until_answered(lambda: self._sessions.find_one(done, {"_id": 1})) is not None

    async def lock(self, tenant: str, client: str, by: str, lasts: timedelta) -> bool:
        """Take a free or ended lock, by the database's clock: workers' clocks may differ by more than a step lasts."""
        change = _lock(by, lasts)
        held = await until_answered(
            lambda: self._sessions.find_one_and_update(
                {"_id": _id(tenant, client)},
                change,
                {"lock": 1},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        )
        return bool(held["lock"]["by"] == by)

    async def unlock(self, tenant: str, client: str, by: str) -> None:
        """Give back one's own lock."""
        own = {"_id": _id(tenant, client), "lock.by": by}
        gone = {"$unset": {"lock": ""}}
        await until_answered(lambda: self._sessions.update_one(own, gone), deadline_s=UNLOCK_DEADLINE_S)

    async def write_guard(self, tenant: str, client: str, guard: dict[str, Any]) -> None:
        """Replace the log-in guard."""
        change = {"$set": {"guard": guard}, "$setOnInsert": {"fence": 0}}
        await until_answered(lambda: self._sessions.update_one({"_id": _id(tenant, client)}, change, upsert=True))


class MongoOtpRequests:
    """`otp_requests`: each step is claimed and ended by compare-and-set on its state."""

    def __init__(self, database: Database) -> None:
        self._requests = database[OTP_REQUESTS.name]

    async def claim(self, command: SessionCommand) -> Claim:
        """Claim the step. A claim whose answer got lost for long is found as lost: the portal was not called for it."""
        change = {"$set": {"state": claims.claimed_state(command)}}
        claimed = cast(
            "OtpRequestDocument | None",
            await until_answered(
                lambda: self._requests.find_one_and_update(
                    claims.waiting(command), change, return_document=ReturnDocument.AFTER
                )
            ),
        )
        if claimed is not None:
            return Claimed(claimed)
        found = await until_answered(lambda: self._requests.find_one({"_id": command.request}))
        return claims.unclaimed(command, found)

    async def finish(self, command: SessionCommand, state: OtpState, fields: Mapping[str, Any]) -> None:
        """End a claimed step; one that has ended stays as it is."""
        change = {"$set": {"state": state, **fields}}
        await until_answered(lambda: self._requests.update_one(claims.under_way(command), change))


class MongoAccess:
    """What an OTP step needs of `clients` and `credentials`."""

    def __init__(self, database: Database) -> None:
        self._clients = database[CLIENTS.name]
        self._credentials = database[CREDENTIALS.name]

    async def find(self, tenant: str, client: str) -> Access | None:
        """None for an unknown client."""
        wanted = {"_id": client, "tenant_id": tenant}
        found = await until_answered(lambda: self._clients.find_one(wanted, {"gstin": 1, "line_id": 1}))
        if found is None:
            return None
        on_file = {"_id": credential_id(tenant, client), "tenant_id": tenant}
        credential = await until_answered(lambda: self._credentials.find_one(on_file))
        identity = identity_of(tenant, cast("Any", found), cast("Any", credential))
        return Access(identity, found["line_id"], None if credential is None else credential["username_enc"])


def _id(tenant: str, client: str) -> str:
    return f"{tenant}:{client}"


def _update(tver: int, fields: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in fields.items() if value is not None}
    gone = {name: "" for name, value in fields.items() if value is None}
    return {"$set": {**kept, "tver": tver + 1}, **({"$unset": gone} if gone else {})}


def _as_written(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"$exists": False} if value is None else value for name, value in fields.items()}


def _lock(by: str, lasts: timedelta) -> list[dict[str, Any]]:
    taken = {"$gt": ["$lock.until", "$$NOW"]}
    own = {"by": by, "until": {"$add": ["$$NOW", round(lasts.total_seconds() * 1000)]}}
    return [{"$set": {"fence": {"$ifNull": ["$fence", 0]}, "lock": {"$cond": [taken, "$lock", own]}}}]
