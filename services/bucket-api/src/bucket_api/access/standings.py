"""How clients stand with the portal now, for those who ask whether their units can run again."""

from collections.abc import Callable, Mapping, Sequence
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
        return {
            client: self._standing(
                state, sessions.get(client), versions.get(client), changed.get(client), logged_in.get(client)
            )
            for client, state in states.items()
        }

    def _standing(
        self,
        state: str,
        session: Mapping[str, Any] | None,
        version: int | None,
        changed: datetime | None,
        logged_in: datetime | None,
    ) -> Standing:
        ready = readiness(session, version, self._now())
        return Standing(state == "active", ready.ready, ready.blocked, _ms(changed), _ms(logged_in))


def _ms(at: datetime | None) -> int | None:
    return int(at.timestamp() * 1000) if at else None
