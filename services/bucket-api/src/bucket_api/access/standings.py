"""How clients stand with the portal now, for those who ask whether their units can run again."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from motor.motor_asyncio import AsyncIOMotorDatabase
from sync_contracts import collections
from sync_contracts.catalogue import LIVE

from bucket_api.access.readiness import readiness
from bucket_api.access.store import AccessStore
from bucket_api.buckets.eligibility import Standing
from bucket_api.scope import TenantScope


class Standings:
    """Reads clients, portal users, sessions, accepted one-time passwords, and how old stored data is."""

    def __init__(
        self,
        database: AsyncIOMotorDatabase[dict[str, Any]],
        access: AccessStore,
        now: Callable[[], datetime],
        cooldowns_s: Mapping[str, int],
    ) -> None:
        self._clients = database[collections.CLIENTS.name]
        self._datasets = database[collections.DATASETS.name]
        self._cooldowns_s = cooldowns_s
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
        fresh = await self._fresh(tenant, clients)
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
                fresh=frozenset(fresh.get(client, ())),
            )
        return standings

    async def _fresh(self, tenant: TenantScope, clients: Sequence[str]) -> dict[str, list[tuple[str, str | None]]]:
        """Modules with periods whose data is younger than their cool-down, by client."""
        now = self._now()
        since = {module: now - timedelta(seconds=s) for module, s in self._cooldowns_s.items() if s}
        if not since or not clients:
            return {}
        wanted = {"client": {"$in": list(clients)}, "fetched_at": {"$gt": min(since.values())}}
        fields = {"client": 1, "module": 1, "period": 1, "fetched_at": 1}
        found: dict[str, list[tuple[str, str | None]]] = {}
        async for data in self._datasets.find(tenant.only(wanted), fields):
            if data["fetched_at"] > since.get(data["module"], now):
                period = None if data["period"] == LIVE else data["period"]
                found.setdefault(data["client"], []).append((data["module"], period))
        return found


def _ms(at: datetime | None) -> int | None:
    return int(at.timestamp() * 1000) if at else None
