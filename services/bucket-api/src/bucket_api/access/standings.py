"""How clients stand with the portal now, for those who ask whether their units can run again."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorDatabase
from sync_contracts import collections

from bucket_api.access.readiness import readiness
from bucket_api.access.store import AccessStore
from bucket_api.buckets.eligibility import Standing
from bucket_api.scope import TenantScope


class Standings:
    """Reads clients, portal users, sessions and accepted one-time passwords."""

    def __init__(
        self, database: AsyncIOMotorDatabase[dict[str, Any]], access: AccessStore, now: Callable[[], datetime]
    ) -> None:
        self._clients = database[collections.CLIENTS.name]
        self._access = access
        self._now = now

    async def of(self, tenant: TenantScope, clients: Sequence[str]) -> dict[str, Standing]:
        """By client id; a client that the tenant does not have is missing."""
        known = self._clients.find(tenant.only({"_id": {"$in": list(clients)}}), {"status": 1})
        states = {document["_id"]: document["status"] for document in await known.to_list(None)}
        sessions = await self._access.sessions(tenant, clients)
        versions = await self._access.versions_of(tenant, clients)
        changed = await self._access.changed_at(tenant, clients)
        logged_in = await self._access.logged_in_at(tenant, clients)
        mended = await self._access.mended(tenant, clients)
        standings: dict[str, Standing] = {}
        for client, state in states.items():
            ready = readiness(sessions.get(client), versions.get(client), self._now())
            reason, said = mended.get(client, (None, None))
            standings[client] = Standing(
                active=state == "active",
                ready=ready.ready,
                blocked=ready.blocked,
                user_changed_ms=_ms(changed.get(client)),
                logged_in_ms=_ms(logged_in.get(client)),
                mended=reason,
                mended_ms=_ms(said),
            )
        return standings


def _ms(at: datetime | None) -> int | None:
    return int(at.timestamp() * 1000) if at else None
